package stage

import (
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// DieWithSupervisor appends what makes the child die when its supervisor does.
// It belongs at the start of the child and behind each change of credentials,
// by which the kernel drops it.
func (s *State) DieWithSupervisor() {
	switch {
	case s.Child.Outlive:
	case s.Plan.Cloned():
		s.Add(plan.ParentDeathSignal(unix.SIGKILL))
		s.Plan.CheckSupervisor(s.Name)
	case s.dies != 0:
		// This plan, an earlier stage of a chain that is not fused, or the user has
		// set it.
		s.DieWithParent(s.dies, s.parent)
	}
}

// DieWithParent appends what makes this process get a signal when the process
// that started it ends, and fail if that is not parent by then.
func (s *State) DieWithParent(sig unix.Signal, parent int) {
	s.dies, s.parent = sig, parent
	s.Add(plan.ParentDeathSignal(sig), plan.Getppid(parent))
	if fd := s.Host.Handover.Supervisor; fd > 0 {
		// A parent outside of the PID namespace has no number here.
		s.Add(plan.Peek(plan.Int(int64(fd))).Hint(0, "the supervisor has ended"))
	}
}
