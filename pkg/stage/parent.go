package stage

import (
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// DieWithSupervisor appends ops that make the child die with its supervisor. It comes
// at the start of the child and after each change of credentials, which clears the
// setting.
func (s *State) DieWithSupervisor() {
	switch {
	case s.Child.Outlive:
	case s.Plan.Cloned():
		s.Add(plan.ParentDeathSignal(unix.SIGKILL))
		s.Plan.CheckSupervisor()
	case s.dies != 0:
		// It was set by this plan, by an earlier stage of a chain that is not fused, or
		// by the user.
		s.DieWithParent(s.dies, s.parent)
	}
}

// DieWithParent appends ops that make this process get a signal when its parent ends,
// and that fail if the parent is not the expected one.
func (s *State) DieWithParent(sig unix.Signal, parent int) {
	s.dies, s.parent = sig, parent
	s.Add(plan.ParentDeathSignal(sig), plan.Getppid(parent))
	if fd := s.Host.Handover.Supervisor; fd > 0 {
		// A parent outside the PID namespace has no PID in it.
		s.Add(plan.Ask(fd)...)
	}
}
