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
//
// A program that continues to run is changed only if it has privileges, and only until
// it has cloned. The child of an ordinary user's program does it itself, as its first op
// ([State.Isolate]): until then it may be traced by processes of that user, who may trace
// the program too.
func (s *State) NotDumpable() {
	if s.notDumpable {
		return
	}
	s.notDumpable = true
	switch {
	case !s.Plan.Isolated():
		s.Add(plan.Dumpable(false))
	case !s.Host.Ordinary:
		s.Add(ifDumpable(false))
	}
}

// Isolate makes the child inherit nothing from this program: [plan.Plan.Isolate]. after
// are ops that undo what ops before the clone change.
func (s *State) Isolate(last int, after ...*plan.Op) {
	var first []*plan.Op
	if s.Host.Ordinary {
		first = append(first, plan.Dumpable(false))
	} else {
		after = append([]*plan.Op{ifDumpable(true)}, after...)
	}
	s.Plan.Isolate(last, first, after)
}

// ifDumpable is for a program that continues to run, and may have changed that since the
// plan was made.
func ifDumpable(on bool) *plan.Op {
	op := plan.Dumpable(on)
	op.If = plan.GivenDumpable
	return op
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
		s.setNoNewPrivs()
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
		on := plan.Dumpable(true)
		if s.Plan.Isolated() {
			on = ifDumpable(true)
		}
		s.Add(on)
		defer s.Add(plan.Dumpable(false))
	}
	add()
}
