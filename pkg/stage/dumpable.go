package stage

import (
	"errors"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// NotDumpable appends, once, an op that prevents other processes from tracing the
// process and its clones until they execute a program: PR_SET_DUMPABLE of prctl(2). It
// must come before the first op that drops a privilege: a capability, the user ID, the
// user namespace. After such an op, more processes may trace the thread, which shares
// its memory with threads or processes that still have the privilege.
//
// A process with CAP_SYS_PTRACE in the caller's user namespace can still trace it, as
// it can trace the caller.
func (s *State) NotDumpable() {
	if !s.notDumpable {
		s.notDumpable = true
		if s.Plan.Isolated() && !s.Host.Dumpable {
			return // a program that continues to run, and is not
		}
		s.Add(plan.Dumpable(false))
	}
}

// ShieldSupervisor appends ops that remove CAP_SYS_PTRACE from the child, unless it was
// asked for: with it the child could trace its supervisor, which is in the same user
// namespace and not subject to what the stages restrict. It must come after the clone,
// and after any op that joins a user namespace.
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
		// Without CAP_SETPCAP nothing else prevents execve(2) from giving it back.
		s.SetNoNewPrivs()
		s.Note("no_new_privs is set: without CAP_SETPCAP nothing else keeps the payload from having CAP_SYS_PTRACE, with which it could trace the supervisor")
	}
	if (s.Cred.Permitted|s.Cred.Inheritable)&trace != 0 {
		s.Capset(left, left, ambient)
	}
}

// WhileDumpable appends the ops that add appends. If need is set, the process is
// dumpable meanwhile, and processes with its user ID or with capabilities over its user
// namespace can trace it, as they can trace the payload. Preconditions: the child has
// its own memory.
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
