package why

import (
	"strings"
	"testing"

	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// TestMarker evaluates the filter: what is not known to be of no interest stops.
func TestMarker(t *testing.T) {
	code := marker()
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
	for name, want := range map[string]filter.Action{
		"read": filter.Allow, "write": filter.Allow, "futex": filter.Allow, "accept": filter.Allow, "writev": filter.Allow,
		"openat": filter.Trace, "connect": filter.Trace, "kill": filter.Trace, "clone3": filter.Trace, "ioctl": filter.Trace, "io_uring_enter": filter.Trace,
	} {
		nr, ok := arch.Number(name)
		if got := answer(arch.Audit, nr, [6]uint64{}); !ok || got != want {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
	}
	mmap, _ := arch.Number("mmap")
	for prot, want := range map[uint64]filter.Action{0: filter.Allow, unix.PROT_READ | unix.PROT_WRITE: filter.Allow, unix.PROT_READ | unix.PROT_EXEC: filter.Trace} {
		if got := answer(arch.Audit, mmap, [6]uint64{2: prot}); got != want {
			t.Errorf("mmap of %d: %v; want %v", prot, got, want)
		}
	}
	read, _ := arch.Number("read")
	if got := answer(unix.AUDIT_ARCH_I386, read, [6]uint64{}); got != filter.Trace {
		t.Errorf("another architecture: %v", got)
	}
	if got := answer(arch.Audit, 1<<30, [6]uint64{}); got != filter.Trace {
		t.Errorf("a call that is not known: %v", got)
	}
	for _, name := range strings.Fields(unrefused) {
		if _, ok := paths[name]; ok || needsCap[name] != 0 || needsHostCap[name] != 0 || sends[name] || isSocketCall(name) {
			t.Errorf("%s is judged, and would not stop", name)
		}
	}
}
