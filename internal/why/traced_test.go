package why

import (
	"strings"
	"testing"

	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// TestMarker evaluates the filter: what is not known to be of no interest stops.
func TestMarker(t *testing.T) {
	for _, traps := range []bool{false, true} {
		testMarker(t, traps)
	}
}

func testMarker(t *testing.T, traps bool) {
	code := marker(traps, nil)
	if err := filter.Check(code); err != nil {
		t.Fatal(err)
	}
	arch := native()
	answer := func(audit, nr uint32, args [6]uint64) filter.Action {
		t.Helper()
		list, all := filter.Answers(code, audit, filter.Call{Nr: nr, Args: args, Known: 1<<6 - 1})
		if !all || len(list) != 1 {
			t.Fatalf("%d: %v", nr, list)
		}
		return list[0].Action
	}
	const trace = filter.Trace | ptrace.Mark
	for name, want := range map[string]filter.Action{
		"read": filter.Allow, "write": filter.Allow, "futex": filter.Allow, "accept": filter.Allow, "writev": filter.Allow,
		"openat": trace, "connect": trace, "kill": trace, "clone3": trace, "ioctl": trace, "io_uring_enter": trace,
	} {
		nr, ok := arch.Number(name)
		if got := answer(arch.Audit, nr, [6]uint64{}); !ok || got != want {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
	}
	mmap, _ := arch.Number("mmap")
	for prot, want := range map[uint64]filter.Action{0: filter.Allow, unix.PROT_READ | unix.PROT_WRITE: filter.Allow, unix.PROT_READ | unix.PROT_EXEC: trace} {
		if got := answer(arch.Audit, mmap, [6]uint64{2: prot}); got != want {
			t.Errorf("mmap of %d: %v; want %v", prot, got, want)
		}
	}
	signals := filter.Allow
	if traps {
		signals = trace
	}
	for _, row := range []struct {
		name string
		args [6]uint64
		want filter.Action
	}{
		{"rt_sigaction", [6]uint64{uint64(unix.SIGSYS)}, signals},
		{"rt_sigaction", [6]uint64{uint64(unix.SIGUSR2)}, filter.Allow},
		{"rt_sigprocmask", [6]uint64{1: 0x7000}, signals},
		{"rt_sigprocmask", [6]uint64{1: 0x700000000}, signals},
		{"rt_sigprocmask", [6]uint64{2: 0x7000}, filter.Allow},
		{"rt_sigreturn", [6]uint64{}, signals},
	} {
		if nr, _ := arch.Number(row.name); answer(arch.Audit, nr, row.args) != row.want {
			t.Errorf("%s %x: %v; want %v", row.name, row.args, answer(arch.Audit, nr, row.args), row.want)
		}
	}
	read, _ := arch.Number("read")
	if got := answer(unix.AUDIT_ARCH_I386, read, [6]uint64{}); got != trace {
		t.Errorf("another architecture: %v", got)
	}
	if got := answer(arch.Audit, 1<<30, [6]uint64{}); got != trace {
		t.Errorf("a call that is not known: %v", got)
	}
	for _, name := range strings.Fields(unrefused) {
		if _, ok := paths[name]; ok || needsCap[name] != 0 || needsHostCap[name] != 0 || sends[name] || isSocketCall(name) {
			t.Errorf("%s is judged, and would not stop", name)
		}
	}
}
