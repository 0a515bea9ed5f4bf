package stage

import (
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
		s.Add(plan.Dumpable(false))
	}
}

// ShieldSupervisor appends what takes CAP_SYS_PTRACE from the child, unless it was
// asked for: with that it could attach to its supervisor, which is in the same user
// namespace and under none of what the stages restrict. It belongs after the clone,
// and after what joins a user namespace.
func (s *State) ShieldSupervisor() {
	const trace = uint64(1) << unix.CAP_SYS_PTRACE
	if s.MayTrace || !s.Plan.Cloned() || (s.New|s.Joined)&unix.CLONE_NEWUSER != 0 || (s.Caps|s.Holds)&trace == 0 {
		return
	}
	switch {
	case s.Caps&trace == 0:
	case s.Holds>>unix.CAP_SETPCAP&1 != 0:
		s.Add(plan.DropBounding(unix.CAP_SYS_PTRACE))
		s.Caps &^= trace
	case s.Root && !s.NoNewPrivs && s.Host.ExecGains():
		// Without CAP_SETPCAP only this keeps execve(2) from giving it back.
		s.SetNoNewPrivs()
		s.Notes = append(s.Notes, "no_new_privs is set: without CAP_SETPCAP nothing else keeps CAP_SYS_PTRACE, and so the supervisor, from the payload")
	}
	if s.Holds&trace != 0 {
		s.Holds, s.Ambient = s.Holds&^trace, s.Ambient&^trace
		left := s.Holds & (^uint64(0) >> (63 - s.Host.LastCap))
		s.Add(plan.Capset(left, left, s.Ambient))
	}
}

// WhileDumpable appends what add does. If need is set the process is dumpable
// meanwhile, and others who have its user ID or capabilities over its user
// namespace can attach to it, as they can to the payload. Preconditions: the child
// has memory of its own.
func (s *State) WhileDumpable(need bool, add func()) {
	if need && s.notDumpable {
		s.Add(plan.Dumpable(true))
		defer s.Add(plan.Dumpable(false))
	}
	add()
}
