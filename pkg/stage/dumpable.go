package stage

import (
	"errors"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// NotDumpable appends, once, what keeps all others from attaching to the process
// and to its clones until they execute a program: PR_SET_DUMPABLE of prctl(2).
// It belongs before the first op that gives something up, for which others may
// attach to a thread that shares its memory with those that have not: a
// capability, the user ID, the user namespace.
//
// Who has CAP_SYS_PTRACE in the user namespace of the caller can attach all the
// same, to the caller too.
func (s *State) NotDumpable() {
	if !s.notDumpable {
		s.notDumpable = true
		if s.Plan.Isolated() && !s.Host.Dumpable {
			return // a program that goes on, and is not
		}
		s.Add(plan.Dumpable(false))
	}
}

// ShieldSupervisor appends what takes CAP_SYS_PTRACE from the child, unless it was
// asked for: with that it could attach to its supervisor, which is in the same user
// namespace and under none of what the stages restrict. It belongs after the clone,
// and after what joins a user namespace.
func (s *State) ShieldSupervisor() {
	const trace = uint64(1) << unix.CAP_SYS_PTRACE
	if s.Child.MayTrace || !s.Plan.Cloned() || s.NS.Entered(unix.CLONE_NEWUSER) || (s.Cred.Bounding|s.Cred.Permitted|s.Cred.Inheritable)&trace == 0 {
		return
	}
	left, ambient := s.Cred.Permitted&^trace, s.Cred.Ambient&^trace
	switch {
	case s.Cred.Bounding&trace == 0:
	case s.Cred.Has(unix.CAP_SETPCAP):
		s.DropBounding(unix.CAP_SYS_PTRACE)
	case s.Cred.Capset(left, left, ambient).Execve().Permitted&trace != 0:
		// Without CAP_SETPCAP only this keeps execve(2) from giving it back.
		s.SetNoNewPrivs()
		s.Note("no_new_privs is set: without CAP_SETPCAP nothing else keeps the payload from having CAP_SYS_PTRACE, with which it could trace the supervisor")
	}
	if (s.Cred.Permitted|s.Cred.Inheritable)&trace != 0 {
		s.Capset(left, left, ambient)
	}
}

// WhileDumpable appends what add does. If need is set the process is dumpable
// meanwhile, and others who have its user ID or capabilities over its user
// namespace can attach to it, as they can to the payload. Preconditions: the child
// has memory of its own.
func (s *State) WhileDumpable(need bool, add func()) {
	if need && s.notDumpable {
		if s.Plan.Isolated() && !s.Host.Dumpable {
			s.AtEnd(func() error {
				return errors.New("this program is not dumpable (PR_SET_DUMPABLE of prctl(2)), and the child, with a copy of its memory, would have to be while its maps are written")
			})
		}
		s.Add(plan.Dumpable(true))
		defer s.Add(plan.Dumpable(false))
	}
	add()
}
