package bisect

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"hk/pkg/chain"

	"golang.org/x/sys/unix"
)

// TestRaisable has every flag of hk-limit: no path, list or device is a limit.
func TestRaisable(t *testing.T) {
	for _, name := range ceilings {
		if !slices.Contains(chain.FlagsOf(chain.ByName("hk-limit")).Names(), name) {
			t.Errorf("hk-limit has no --%s", name)
		}
	}
	for flag, want := range map[string]bool{
		"--nofile=5": true, "--as=1.5G": true, "--wall=500ms": true, "--cpus=0.5": true, "--memory=1G": true, "--nproc=1:2": true, "--max-output=1K": true,
		"--core=unlimited": false, "--report=/tmp/report1": false, "--cpuset=0-1": false, "--cgroup=/sys/fs/cgroup/a1": false, "--signal=SIGRTMIN+1": false,
		"--kill-after=2": false, "--cpu-weight=50": false, "--memory-low=1M": false, "--io=8:0,rbps=1M": false, "--hugetlb=2M=4M": false, "--pid=7": false,
	} {
		if got := raisable(flag); got != want {
			t.Errorf("raisable(%s) = %v; want %v", flag, got, want)
		}
	}
}

// TestReplayed writes to what a run gets as standard input, by the link that any process of
// the same user may open, as a control to a copy without seals.
func TestReplayed(t *testing.T) {
	f, err := replayed(strings.NewReader("first\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.MemfdCreate("control", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	control := os.NewFile(uintptr(fd), "control")
	defer control.Close()
	if _, err := control.WriteString("first\n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    *os.File
		want string
	}{{control, "other\n"}, {f, "first\n"}} {
		link := fmt.Sprintf("/proc/self/fd/%d", c.f.Fd())
		if w, err := os.OpenFile(link, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
			w.WriteString("other\n")
			w.Close()
		}
		r, err := os.Open(link)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.f.Name(), b, err, c.want)
		}
	}
}
