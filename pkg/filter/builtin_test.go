package filter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestBuiltinFilterCaps has payloads with some of the capabilities that a profile
// names: the filters that are made beforehand are for none and for all.
func TestBuiltinFilterCaps(t *testing.T) {
	native := here(0).Arch
	const all = ^uint64(0)
	for _, c := range []struct {
		caps          uint64
		setns, syslog Action
	}{
		{0, Errno(unix.EPERM), Errno(unix.EPERM)},
		{1 << unix.CAP_CHOWN, Errno(unix.EPERM), Errno(unix.EPERM)},
		{1 << unix.CAP_SYSLOG, Errno(unix.EPERM), Allow},
		{1 << unix.CAP_SYS_ADMIN, Allow, Allow},
		{all &^ (1 << unix.CAP_SYS_ADMIN), Errno(unix.EPERM), Allow},
		{all, Allow, Allow},
	} {
		code, err := BuiltinFilter("docker", here(c.caps))
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, code)
		for nr, want := range map[uint32]Action{unix.SYS_SETNS: c.setns, unix.SYS_SYSLOG: c.syslog} {
			if got := m.run(t, native.Audit, nr, [6]uint64{}); got != want {
				t.Errorf("capabilities %#x, call %d: %v; want %v", c.caps, nr, got, want)
			}
		}
	}
}
