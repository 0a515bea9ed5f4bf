package mount

import (
	"fmt"
	"path"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// lock takes read locks on files of the new root, which the supervisor holds as long as it
// supervises. They are locks of the open file description, F_OFD_SETLK of fcntl(2), which
// conflict with those of F_SETLK; the payload does not have the descriptors.
func (m *Mounts) lock(b *builder) error {
	for _, name := range m.Locks {
		if !path.IsAbs(name) {
			return fmt.Errorf("--lock %s: not an absolute path", name)
		}
		b.For("--lock " + name)
		f := b.Open("lock", plan.Openat2(plan.AtCwd(), name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0,
			unix.RESOLVE_NO_MAGICLINKS))
		b.Add(plan.ReadLock(f))
		b.Plan.AddStep(plan.Step{Stage: b.Name, Text: "hold the lock of " + f.String(), Takes: []*plan.Result{f}, Do: func(at plan.Context) error {
			held, err := unix.FcntlInt(uintptr(at.FD(f)), unix.F_DUPFD_CLOEXEC, 3)
			if err == nil {
				at.AtEnd(func() { unix.Close(held) })
			}
			return err
		}})
		b.Add(plan.Close(f))
	}
	b.For("")
	return nil
}
