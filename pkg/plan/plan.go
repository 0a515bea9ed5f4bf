// Package plan represents a sandbox as a straight-line program of system calls.
//
// A [Plan] is a list of ops and supervisor steps. An [Op] is one system call with its
// arguments, as data; a [Step] is work that only a process outside the new namespaces
// can do. The same list is printed ([Plan.Text], [Plan.JSON], in strace(1) notation)
// and performed (package run), so what is printed is what the kernel sees.
//
// A plan has no branches and no loops. What a sandbox needs instead: a value returned
// by an earlier op ([Result]), as an argument or stored into memory that an argument
// points to; an errno that is not a failure ([Op.Tolerate]); and a result that must
// have an exact value ([Op.Exactly]).
//
// This package does not decide what a sandbox should be. Stages do (package stage).
package plan

import (
	"slices"

	"golang.org/x/sys/unix"
)

// An Actor is a process that performs items of a plan.
type Actor uint8

const (
	// Caller is the thread that was asked to perform the plan. If the plan has no clone
	// it becomes the payload; otherwise it becomes the supervisor.
	Caller Actor = iota
	// Init is PID 1 of a new PID namespace, whose only task is to reap.
	Init
	// Joiner enters existing namespaces and creates the child in them: a process that
	// joins a PID namespace does not become a member of it, but its children do. It
	// waits for the child.
	Joiner
	// Child is the clone that becomes the payload.
	Child
	// Supervisor is a process outside the new namespaces: the one that has created the
	// child, or a helper program that it runs.
	Supervisor
	// Observer is a process that the child creates beside it and waits for: it executes a
	// program that says what holds for the child.
	Observer
)

func (a Actor) String() string {
	return [...]string{"caller", "init", "joiner", "child", "supervisor", "observer"}[a]
}

// An Item is an op or a supervisor step at its place in a plan.
type Item struct {
	Actor Actor
	// Op is the op; for a step it is empty.
	Op *Op
	// Step is the step, or nil.
	Step *Step
}

// Stage is the stage that asked for the item.
func (it Item) Stage() string {
	if it.Step != nil {
		return it.Step.Stage
	}
	return it.Op.Stage
}

// A Plan is a list of ops and supervisor steps, in order.
type Plan struct {
	items []Item
	used  map[string]int
	// results and buffers are their numbers in the plan.
	results, buffers int

	// who performs the items that are added next.
	who Actor
	// between is the process between the caller and the child: Init or Joiner, or
	// Caller if the child is the caller's own.
	between Actor
	pid1    bool
	copies  bool
	// forks is how often the joiner forks.
	forks   int
	sockets Sockets
	// sock is the socket to the supervisor, for the ops of the child.
	sock *Result
	// unchecked is set if the supervisor must answer once more.
	unchecked bool
	apart     *apart
	pidfd     *Buffer

	// For is what asks for the ops and steps added from now on: [Op.For].
	For string
	// Mute is set if a filter of the plan may deny the thread that performs it the
	// calls needed to report a failure.
	Mute bool
	// MayKill names what may kill the child when it executes the payload, or is "".
	MayKill string
	// Into is the directory of a control group, in which the first clone creates the
	// process, or nil: CLONE_INTO_CGROUP, Linux 5.7.
	Into *Result
	// Subreaper is set if an op makes the supervisor a subreaper: it then reaps every
	// child that it gets.
	Subreaper bool
	// Keep are the caller's descriptors that the supervisor keeps open.
	Keep []int
	// Lingers is set if an init ends only with the last process of its PID namespace, and
	// Leaves if the supervisor does not wait for that, but ends with the payload.
	Lingers, Leaves bool
}

// Sockets are the ends of the sockets between the supervisor and the child, as results
// that exist before the first op of the child.
type Sockets struct {
	// Supervisor is the child's end, and Own the supervisor's.
	Supervisor, Own *Result
	// Rest is the child's end of another socket, which the program that the plan
	// executes keeps; nil if that is not a stage: [Plan.KeepSupervisor].
	Rest *Result
	// Moved is the number that the child gives to its end, which is MovedTo; nil if the
	// number does not change: [Plan.Isolate].
	Moved   *Result
	MovedTo int
}

// New returns an empty plan.
func New() *Plan { return &Plan{used: map[string]int{}, items: make([]Item, 0, 256)} }

// NewResult returns a value that an op of this plan will return. name is for the
// reader; it is made unique.
func (p *Plan) NewResult(name string) *Result {
	p.used[name]++
	p.results++
	return &Result{name: name, same: p.used[name] - 1, number: p.results - 1}
}

// Add appends ops, to be performed by the process that the plan has reached.
func (p *Plan) Add(stage string, ops ...*Op) {
	for _, op := range ops {
		if op.Stage != "" {
			panic("plan: " + op.Name + " is in a plan already")
		}
		op.Stage = stage
		if op.Cause == "" {
			op.Cause = p.For
		}
		for _, a := range op.Args {
			p.number(a.Buffer())
		}
		p.items = append(p.items, Item{Actor: p.who, Op: op})
	}
}

// number assigns their numbers to a buffer and to those that it points to.
func (p *Plan) number(b *Buffer) {
	if b == nil || b.number > 0 {
		return
	}
	p.buffers++
	b.number = p.buffers
	for _, ref := range b.refs {
		p.number(ref.Buffer)
	}
}

// Remove removes an op that has no result.
func (p *Plan) Remove(op *Op) {
	p.items = slices.DeleteFunc(p.items, func(it Item) bool { return it.Op == op })
}

// Open appends an op and returns its result, a descriptor.
func (p *Plan) Open(stage, name string, op *Op) *Result {
	r := p.NewResult(name)
	op.Roles |= Opens
	p.Add(stage, op.Gives(r))
	return r
}

// CloseOpen appends ops that close the descriptors which ops have opened and none has
// closed, except keep. The program that the plan executes gets none of them; but its
// path, its interpreter and its loader are resolved before they are closed, and could
// lead through them: /proc/self/fd.
func (p *Plan) CloseOpen(stage string, keep *Result) {
	var list []*Op
	for _, it := range p.items {
		switch {
		case it.Op.Is(Executes):
			list = nil // what follows is another program's
		case it.Op.Is(Opens) && it.Op.Result != keep:
			list = append(list, it.Op)
		case it.Op.Closes != nil:
			list = slices.DeleteFunc(list, func(o *Op) bool { return o.Result == it.Op.Closes })
		}
	}
	for _, o := range list {
		op := Close(o.Result)
		if o.Tolerated != nil {
			op = op.Tolerate(unix.EBADF)
		}
		p.Add(stage, op)
	}
}

// AddStep appends a step. In a plan that has cloned, the child tells the supervisor
// that it has reached the step, and waits until the step is done.
func (p *Plan) AddStep(step Step) {
	if step.For == "" {
		step.For = p.For
	}
	it := Item{Actor: Supervisor, Op: &Op{}, Step: &step}
	if p.who == Caller {
		p.items = append(p.items, it)
		return
	}
	p.send(step.Stage, &step)
	p.items = append(p.items, it)
	if step.Replaces == nil {
		p.readAnswer(step.Stage)
		return
	}
	// The kernel gives the new descriptor the lowest number that is free, which is the one
	// that becomes free here: it was the lowest when it was opened.
	leave := Close(step.Replaces)
	leave.Closes = nil
	p.Add(step.Stage, leave, recvFile(p.sock, step.Replaces),
		IsOpen(Ref(step.Replaces)).
			Hint(unix.EBADF, "a security module, or a limit on open files, has kept the child from getting the descriptor"))
	p.unchecked = p.unchecked && p.who != Child
}

// Items lists what is to be done, in order. It must not be changed.
func (p *Plan) Items() []Item { return p.items }

// Results is the number of results in the plan, and Buffers the number of buffers.
// Results are numbered from 0, buffers from 1.
func (p *Plan) Results() int { return p.results }

// Buffers is the number of buffers that the ops point to.
func (p *Plan) Buffers() int { return p.buffers }

// Sockets are those of a plan that has cloned.
func (p *Plan) Sockets() Sockets { return p.sockets }

// PidFD is where the clone of a plan stores its PID file descriptor, 4 bytes.
func (p *Plan) PidFD() *Buffer { return p.pidfd }

// OwnMemory reports whether the child has its own memory.
func (p *Plan) OwnMemory() bool { return p.copies }

// PayloadIsPID1 reports whether the child is PID 1 of a new PID namespace, for which
// signals have no effect unless it handles them: pid_namespaces(7).
func (p *Plan) PayloadIsPID1() bool { return p.pid1 }

// Cloned reports whether the plan continues in a child.
func (p *Plan) Cloned() bool { return p.who != Caller }

// Direct reports whether the clone is the child, without an init or a joiner in
// between.
func (p *Plan) Direct() bool { return p.between == Caller }

// InitReaps reports whether the clone is an init, PID 1 of a new PID namespace.
func (p *Plan) InitReaps() bool { return p.between == Init }

// InJoiner reports whether the plan continues in a joiner, which has not created the
// child yet.
func (p *Plan) InJoiner() bool { return p.who == Joiner }

// Clone appends the clone after which a child performs the rest of the plan, and
// returns it, for a hint. flags are CLONE_NEW* flags without CLONE_NEWTIME: a time
// namespace is entered by unshare(2) and setns(2).
//
// copies means that the child must have its own memory until it executes the payload;
// it is needed if a process in the new namespaces could trace the child, and for time
// namespaces.
func (p *Plan) Clone(stage string, flags uint64, copies bool) *Op {
	return p.clone(stage, flags, copies, Child)
}

// CloneInit is like Clone for a new PID namespace, with a process in between: PID 1 is
// a process of hk that reaps, and the plan continues in its child.
//
// first adds what the init does first, or is nil.
func (p *Plan) CloneInit(stage string, flags uint64, first func()) *Op {
	op := p.clone(stage, flags, true, Init)
	if first != nil {
		first()
	}
	p.beside(stage, func() { p.fork(stage, p.cloneOp(0)) })
	p.send(stage, nil)
	return op
}

func (p *Plan) clone(stage string, flags uint64, copies bool, who Actor) *Op {
	if p.who != Caller {
		panic("plan: a plan has one clone")
	}
	p.copies = copies
	p.sockets = Sockets{Supervisor: p.NewResult("supervisor"), Own: p.NewResult("peer")}
	p.sock = p.sockets.Supervisor
	op := p.cloneOp(flags | unix.CLONE_PIDFD)
	if p.apart != nil {
		p.sendFiles(stage)
		p.Add(stage, op)
		p.Add(stage, p.apart.after...)
	} else {
		p.Add(stage, op)
	}
	p.who = who
	if who == Child {
		p.pid1 = flags&unix.CLONE_NEWPID != 0
	} else {
		p.between = who
	}
	// The end of the supervisor is noticed only once no other process has its end of
	// the socket open.
	if p.apart != nil {
		p.leaveOthers(stage)
	} else {
		p.Add(stage, Close(p.sockets.Own))
	}
	return op
}

// CheckSupervisor makes sure that the supervisor has not ended before the last op, which
// asks for a signal on its end: [Plan.AskSupervisor] then asks it.
func (p *Plan) CheckSupervisor() {
	if p.who == Caller {
		panic("plan: no supervisor without a clone")
	}
	p.unchecked = true
}

// AskSupervisor appends ops that fail if the supervisor has ended before the last
// [Plan.CheckSupervisor], unless it has answered the child since. It must come before
// the payload is executed.
//
// It takes an answer. The thread that cloned ends before the others, with the files that
// they share: so a socket can still be open although no signal is going to be sent. A
// process that is being killed does not answer.
func (p *Plan) AskSupervisor(stage string) {
	if !p.unchecked {
		return
	}
	// Not sendto(2), which an earlier filter is more likely to deny. SIGPIPE is blocked.
	op := Write(p.sock, []byte{1}).Hint(unix.EPIPE, "the supervisor has ended")
	op.Roles |= Tells | Awaits
	p.Add(stage, op)
	p.readAnswer(stage)
}

// readAnswer appends the op with which the child waits for the supervisor.
func (p *Plan) readAnswer(stage string) {
	p.Add(stage, Read(p.sock, 1).Exactly(1))
	p.unchecked = p.unchecked && p.who != Child
}

// KeepSupervisor appends an op that gives the child a socket to the supervisor, as
// descriptor fd, for the rest of a chain: see [Tell].
func (p *Plan) KeepSupervisor(stage string, fd int) {
	if p.who == Caller {
		panic("plan: no supervisor without a clone")
	}
	p.sockets.Rest = p.NewResult("supervisor")
	p.Add(stage, Dup3(p.sockets.Rest, fd, true))
}

// send appends the op that tells the supervisor that the child has reached this place,
// and asks for a step if there is one. The message carries the child's PID, which,
// below an init, only the kernel knows.
func (p *Plan) send(stage string, step *Step) {
	op := Sendto(p.sock)
	if step != nil && len(step.Takes) > 0 {
		op = SendFDs(p.sock, step.Takes...)
	}
	op.Roles |= Tells
	op.Asks = step
	p.Add(stage, op)
}

// Calls lists the ops' names in order, for tests of a plan's shape.
func (p *Plan) Calls() []string {
	var names []string
	for _, it := range p.items {
		if it.Step == nil {
			names = append(names, it.Op.Name)
		}
	}
	return slices.Clip(names)
}
