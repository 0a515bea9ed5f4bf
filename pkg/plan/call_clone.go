package plan

import (
	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// stackSize is the stack size of a process created by clone3(2), until it executes a
// program.
const stackSize = 64 << 10

// cloneOp is clone3(2) with a stack for the child.
func (p *Plan) cloneOp(flags uint64) *Op {
	if !p.copies {
		flags |= unix.CLONE_VM
	}
	if flags&unix.CLONE_VFORK == 0 {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	if p.Into != nil && p.who == Caller {
		flags |= unix.CLONE_INTO_CGROUP
	}
	pidfd := Reserve("", 8)
	stack := Reserve("", stackSize)
	s := (&structure{}).u64(flags)
	if flags&unix.CLONE_PIDFD != 0 {
		s.pointer(pidfd)
		p.pidfd = pidfd
	} else {
		s.u64(0)
	}
	s.u64(0).u64(0).u64(uint64(unix.SIGCHLD)).pointer(stack).u64(stackSize)
	into := ""
	if s.u64(0).u64(0).u64(0); p.Into != nil && p.who == Caller {
		s.result64(p.Into)
		into = ", cgroup=" + p.Into.String()
	} else {
		s.u64(0)
	}
	forbidden, name := "creating namespaces is forbidden here; for an ordinary user, check kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns and the seccomp filter of a surrounding container", cause.Name("")
	if flags&unix.CLONE_NEWUSER == 0 {
		forbidden, name = "this needs CAP_SYS_ADMIN", cause.Capability
	}
	args := s.is(func() string { return "{flags=" + flagText(flags, cloneFlags) + ", exit_signal=SIGCHLD" + into + "}" })
	op := call("clone3", unix.SYS_CLONE3, Ptr(args), Int(int64(len(args.bytes)))).
		Because(unix.EPERM, name, forbidden).
		Because(unix.ENOSPC, cause.NamespaceLimit, "a limit in /proc/sys/user/max_*_namespaces is 0 or reached, or namespaces are nested too deep").
		Because(unix.EAGAIN, cause.ProcessLimit, "a limit on processes is reached: RLIMIT_NPROC (ulimit -u) of the user, or pids.max of a cgroup")
	op.Roles |= Clones
	return op
}
