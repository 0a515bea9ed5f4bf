package chain

import (
	"errors"
	"testing"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// TestNotSupported has a caller distinguish what this kernel lacks from what is asked
// for in the wrong way.
func TestNotSupported(t *testing.T) {
	for _, c := range []struct {
		abi  int
		line string
		want bool
	}{
		{0, "hk-landlock --rwx / -- true", true},
		{2, "hk-landlock --rwx / -- true", true},
		{4, "hk-landlock --abi 6 --rwx / -- true", true},
		{4, "hk-landlock --abi 4 --rwx / --scope signal -- true", true},
		{7, "hk-landlock -- true", false},
		{7, "hk-net --loopback -- true", false},
	} {
		h := fakeHost(1000)
		h.LandlockABI = func() int { return c.abi }
		ch, err := parse(t, t.TempDir(), c.line, true)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ch.Plan(h)
		if err == nil || errors.Is(err, host.ErrNotSupported) != c.want {
			t.Errorf("ABI %d, %s: Plan() = %v; want ErrNotSupported: %v", c.abi, c.line, err, c.want)
		}
	}
}

func TestDiagnose(t *testing.T) {
	missing := &plan.Error{Op: `openat2(AT_FDCWD, "/", {...}, 24)`, Errno: unix.ENOSYS}
	wrong := &plan.Error{Op: "unshare(CLONE_NEWUTS)", Errno: unix.EINVAL}
	hinted := &plan.Error{Op: "clone3({flags=CLONE_NEWPID}, 64)", Errno: unix.ENOSYS, Hint: "a hint"}
	for _, e := range []*plan.Error{missing, wrong, hinted} {
		Diagnose(&plan.StepError{Err: e})
	}
	if !missing.Unsupported || missing.Hint != host.Openat2.Advice() || !errors.Is(missing, host.ErrNotSupported) {
		t.Errorf("Diagnose(ENOSYS) = %+v; want unsupported, and what the table says", missing)
	}
	if wrong.Unsupported || wrong.Hint != "" || errors.Is(wrong, host.ErrNotSupported) {
		t.Errorf("Diagnose(EINVAL) = %+v; want nothing: the kernel has this", wrong)
	}
	if hinted.Hint != "a hint" || !hinted.Unsupported {
		t.Errorf("Diagnose(ENOSYS) = %+v; want the hint that it had", hinted)
	}
	Diagnose(nil)
}
