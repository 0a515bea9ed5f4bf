package plan

import (
	"golang.org/x/sys/unix"
)

// Observe appends ops by which the child creates a process beside it, with the same
// memory, descriptors, namespaces and credentials, and waits until it has ended with status
// 0. add appends what that process does: the last op executes a program. self is the number
// of the child in its PID namespace, and the parent of the process.
//
// The child does not continue before the program is executed, so it finds its memory as it
// was. untraced is for a child that is traced: whoever follows the payload is not to take
// the program for it.
func (p *Plan) Observe(stage string, untraced bool, self *Result, add func()) {
	if p.who != Child {
		panic("plan: Observe is for a child")
	}
	flags := uint64(unix.CLONE_VM | unix.CLONE_VFORK)
	if untraced {
		flags |= unix.CLONE_UNTRACED
	}
	observer := p.NewResult("observer")
	create := p.cloneOp(flags)
	create.Roles = Observes
	p.Add(stage, create.Gives(observer))
	p.who = Observer
	// The child may have been killed before the signal was asked for.
	p.Add(stage, ParentDeathSignal(unix.SIGKILL), Getppid(0).ExactlyResult(self))
	add()
	p.who = Child
	// The end of the process leaves a pending SIGCHLD, which the payload is not to find.
	p.Add(stage, waitFor(observer), DefaultAction(unix.SIGCHLD))
}

// Beside is an op of an [Observer] that executes a program, or closes a descriptor: for the
// child nothing changes by that.
func Beside(op *Op) *Op {
	op.Roles &^= Executes
	op.Closes = nil
	return op
}

// waitFor is wait4(2) for a process that must end with status 0.
func waitFor(process *Result) *Op {
	status := Reserve("[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]", 4)
	op := call("wait4", unix.SYS_WAIT4, Ref(process), Ptr(status), Const("__WALL", unix.WALL), Null())
	op.Succeeds = true
	return op
}
