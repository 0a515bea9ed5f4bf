package plan

import "golang.org/x/sys/unix"

// CloneJoiner appends the clone of a process that enters existing namespaces: it
// performs what is added next, up to [Plan.CloneChild].
func (p *Plan) CloneJoiner(stage string) { p.clone(stage, 0, true, Joiner) }

// Leaving are how many ops after a clone by the process in between are its own.
const Leaving = 3

// Fork appends the joiner's fork of a process that continues in its place: a member of the
// PID namespace that it has joined or created for its children. The process that has
// forked keeps nothing, and waits for it.
func (p *Plan) Fork(stage string) {
	if p.who != Joiner {
		panic("plan: Fork is for a joiner")
	}
	p.forks++
	p.Add(stage, p.cloneOp(0).Hint(unix.ENOMEM, "the joined PID namespace has ended: its PID 1 no longer exists"))
	p.Add(stage, leave()...)
}

// Forks is how often a joiner forks.
func (p *Plan) Forks() int { return p.forks }

// leave are the ops after which a process only waits: it keeps nothing that it does not
// need for that.
func leave() []*Op {
	return []*Op{CloseRange(0, ^uint32(0), 0), Capset(0, 0, 0), NoNewPrivs()}
}

// CloneChild appends the joiner's clone of the child, in which the plan continues.
// flags are as for Clone.
func (p *Plan) CloneChild(stage string, flags uint64) *Op {
	if p.who != Joiner {
		panic("plan: CloneChild is for a joiner")
	}
	p.pid1 = flags&unix.CLONE_NEWPID != 0
	op := p.cloneOp(flags).
		Hint(unix.ENOMEM, "the joined PID namespace has ended: its PID 1 no longer exists")
	p.fork(stage, op)
	p.send(stage, nil)
	return op
}

// CloneInitChild is CloneInit for a joiner: it becomes PID 1 of a new PID namespace by forking,
// and the plan continues in its child. flags are the new namespaces, and first adds what
// that process does first.
func (p *Plan) CloneInitChild(stage string, flags uint64, first func()) *Op {
	op := Unshare(flags)
	p.Add(stage, op)
	p.beside(stage, func() {
		p.Fork(stage)
		first()
		p.fork(stage, p.cloneOp(0))
	})
	p.send(stage, nil)
	return op
}

// beside adds ops that create a process, in the directory of the one that creates it, which
// goes to the root directory. It must not keep the old root in use: pivot_root(2) moves
// only processes whose root or working directory is the old root itself.
func (p *Plan) beside(stage string, create func()) {
	cwd := p.Open(stage, "cwd", Openat(AtCwd(), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	p.Add(stage, Chdir("/"))
	create()
	p.Add(stage, Fchdir(cwd), Close(cwd))
}

// fork appends the second clone, after which the process in between only waits.
func (p *Plan) fork(stage string, clone *Op) {
	p.Add(stage, clone)
	p.Add(stage, leave()...)
	p.who = Child
}
