// Package plan holds a sandbox as a straight-line program of system calls.
//
// A [Plan] is a list of ops. An [Op] is one system call with its arguments, as
// data; an [Outside] step is work that only a process outside the new
// namespaces can do. The same list is printed ([Plan.Text], [Plan.JSON], in
// strace(1) notation) and performed ([Plan.Here] by the calling thread,
// [Plan.Start] by a cloned child), so what is printed is what the kernel sees.
//
// There are no branches and no loops in a plan. What a sandbox needs instead:
// a value that an earlier op returned ([Result]), as an argument or stored into
// memory that an argument points to; an errno that is no failure ([Op.Except]);
// and a result that must be exactly so ([Op.Exactly]).
//
// Nothing here decides what a sandbox should be. Stages do (package stage).
package plan

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// An Actor says who performs an item of a plan.
type Actor uint8

const (
	// Caller is the thread that was asked to perform the plan. If the plan has
	// no clone it goes on to become the payload; else it supervises.
	Caller Actor = iota
	// Init is PID 1 of a new PID namespace whose only task is to reap.
	Init
	// Joiner enters the namespaces of others and makes the child in them: who
	// joins a PID namespace is not in it, its children are. It waits for the
	// child.
	Joiner
	// Child is the clone that becomes the payload.
	Child
	// Beyond is a process outside of the new namespaces: the supervisor, or a
	// helper program that it runs.
	Beyond
)

func (a Actor) String() string {
	return [...]string{"caller", "init", "joiner", "child", "outside"}[a]
}

// A Result is a value that one op gives and later ones use: most often a file
// descriptor. The zero value is not usable; [Plan.NewResult] makes one.
type Result struct {
	name string
	// same is how many results before this one have that name.
	same int
	// id counts the results of a plan.
	id int
}

func (r *Result) String() string {
	if r.same > 0 {
		return fmt.Sprint("$", r.name, r.same+1)
	}
	return "$" + r.name
}

// An Op is one system call with its arguments. It belongs into one place of one
// plan: the methods change it.
type Op struct {
	// Stage is the stage that asked for the op: "hk-mount".
	Stage string
	// Name is the system call's name in its manual page.
	Name string
	// Args are the arguments, at most six.
	Args []Arg

	nr     uintptr
	gives  *Result
	except []unix.Errno
	exact  bool
	want   int64
	hints  []hint
	cause  string
	logs   bool
	again  bool
	clone  bool
	// opens says that the result is a descriptor, and closes which one is closed.
	opens  bool
	closes *Result
	// tells says that it tells the supervisor where the child is.
	tells  bool
	exec   bool
	filter bool
}

//go:noinline
func call(name string, nr uintptr, args ...Arg) *Op {
	return &Op{Name: name, nr: nr, Args: args}
}

// Gives returns the op with its return value stored in r. If the op fails with
// an errno that is excepted, the value is -1.
func (o *Op) Gives(r *Result) *Op {
	o.gives = r
	return o
}

// Except returns the op with errnos that do not stop the plan: the state that
// the op was to bring about is there, or the next op is an alternative to it.
func (o *Op) Except(errnos ...unix.Errno) *Op {
	if len(errnos) > maxExcept {
		panic("plan: too many excepted errnos")
	}
	o.except = errnos
	return o
}

// Exactly returns the op with the one return value that is success, as for a
// write that must not be short.
func (o *Op) Exactly(n int) *Op {
	o.exact, o.want = true, int64(n)
	return o
}

// For returns the op with what asked for it, a flag with its value or a line of a
// file, for an error to name. "" is nothing. It goes before [Plan.For].
func (o *Op) For(cause string) *Op {
	o.cause = cause
	return o
}

// Hint returns the op with a sentence for the user, for the case that it fails
// with errno and that errno has one likely cause. 0 is for a result that is not
// the wanted one.
func (o *Op) Hint(errno unix.Errno, text string) *Op {
	o.hints = append(o.hints, hint{errno, text})
	return o
}

// A hint is what to say to a failure. Of several for one errno the last counts.
type hint struct {
	errno unix.Errno
	text  string
}

func (o *Op) hint(errno unix.Errno) string {
	text := ""
	for _, h := range o.hints {
		if h.errno == errno {
			text = h.text
		}
	}
	return text
}

// An Outside step is done by the supervisor while the child waits, or, where no
// clone was made yet, by the calling thread at the same place.
type Outside struct {
	Stage string
	// Text says what is done, in the imperative, for --explain.
	Text string
	// Gives are the values that Do sets through [At.Set].
	Gives []*Result
	// For is what asked for the step, a flag with its value; "" is [Plan.For].
	For string
	// Takes are descriptors that Do works with, by [At.FD]. A child sends them
	// along: to take them from it would need the right to attach to it.
	Takes []*Result
	// Do does the step. Preconditions: it changes nothing when it fails.
	Do func(*At) error
}

type item struct {
	who  Actor
	op   *Op // of a step, the zero Op
	step *Outside
}

// A Plan is a list of ops and outside steps, in order.
type Plan struct {
	items []item
	used  map[string]int
	// results is how many there are.
	results int

	// who performs what is added next.
	who Actor
	// between is the process between the caller and the child, Init or Joiner;
	// Caller if there is none.
	between Actor
	// pid1 is set if the child is PID 1 of a new PID namespace.
	pid1 bool
	// copies is set when the child must not share the caller's memory.
	copies bool
	// sync is the child's end of the socket to the supervisor, ours the other.
	sync, ours *Result
	// rest is the child's end of another such socket, which what the plan executes
	// keeps; nil if that is not a stage.
	rest *Result
	args *Mem

	// For is what asks for the ops and steps that are added from now on: [Op.For].
	For string

	// LeftOut gets what outside steps find missing of what was asked for only if
	// possible; nil drops it.
	LeftOut func(stage, what string)
	// Mute is set if a filter of the plan may deny the thread that performs it
	// what it takes to tell of a failure. Another thread then calls Failed,
	// which must not return.
	Mute   bool
	Failed func(error)
	// MayKill is what may kill the child when it executes the payload, or "".
	MayKill string
	// Warn gets what outside steps find that is no failure; nil drops it.
	Warn func(stage, text string)
	// Keep are descriptors of the caller's that the supervisor keeps open.
	Keep []int
	// Interrupt can have a start given up; nil leaves it alone.
	Interrupt *Interrupt
}

// New returns an empty plan.
func New() *Plan { return &Plan{used: map[string]int{}, items: make([]item, 0, 256)} }

// NewResult returns a value to be given by an op of this plan. name is for the
// reader; it is made unique.
func (p *Plan) NewResult(name string) *Result {
	p.used[name]++
	p.results++
	return &Result{name: name, same: p.used[name] - 1, id: p.results - 1}
}

// Add appends ops, to be performed by the process that the plan has come to.
func (p *Plan) Add(stage string, ops ...*Op) {
	for _, op := range ops {
		if op.Stage != "" {
			panic("plan: " + op.Name + " is in a plan already")
		}
		op.Stage = stage
		if op.cause == "" {
			op.cause = p.For
		}
		p.items = append(p.items, item{who: p.who, op: op})
	}
}

// Remove takes back an op that gives nothing.
func (p *Plan) Remove(op *Op) {
	p.items = slices.DeleteFunc(p.items, func(it item) bool { return it.op == op })
}

// Open appends an op and returns its result, a descriptor.
func (p *Plan) Open(stage, name string, op *Op) *Result {
	r := p.NewResult(name)
	op.opens = true
	p.Add(stage, op.Gives(r))
	return r
}

// CloseOpen appends the closing of the descriptors that ops have opened and none has
// closed, but keep. The program that the plan executes gets none of them; but its
// path, its interpreter and its loader are looked up before they are closed, and may
// lead through them: /proc/self/fd.
func (p *Plan) CloseOpen(stage string, keep *Result) {
	var list []*Op
	for _, it := range p.items {
		switch {
		case it.op.exec:
			list = nil // what follows is another program's
		case it.op.opens && it.op.gives != keep:
			list = append(list, it.op)
		case it.op.closes != nil:
			list = slices.DeleteFunc(list, func(o *Op) bool { return o.gives == it.op.closes })
		}
	}
	for _, o := range list {
		op := Close(o.gives)
		if o.except != nil {
			op = op.Except(unix.EBADF)
		}
		p.Add(stage, op)
	}
}

// Outside appends a step. In a plan that has cloned, the child tells the
// supervisor that it is there and waits until the step is done.
func (p *Plan) Outside(step Outside) {
	if step.For == "" {
		step.For = p.For
	}
	if p.who == Caller {
		p.items = append(p.items, item{who: Beyond, op: &Op{}, step: &step})
		return
	}
	p.send(step.Stage, step.Takes...)
	p.items = append(p.items, item{who: Beyond, op: &Op{}, step: &step})
	p.Add(step.Stage, Read(p.sync, 1).Exactly(1))
}

// Cloned reports whether the plan goes on in a child.
func (p *Plan) Cloned() bool { return p.who != Caller }

// Direct reports whether the clone is the child, without an init or a joiner
// between.
func (p *Plan) Direct() bool { return p.between == Caller }

// InJoiner reports whether the plan goes on in a joiner, which is yet to make
// the child.
func (p *Plan) InJoiner() bool { return p.who == Joiner }

// Clone appends the clone after which the rest of the plan is performed by a
// child. flags are CLONE_NEW* flags, of which CLONE_NEWTIME is none: a time
// namespace is entered by unshare(2) and setns(2).
//
// copies says that the child must have memory of its own until it executes the
// payload; it is needed where something in the new namespaces could attach to
// the child, and for time namespaces.
func (p *Plan) Clone(stage string, flags uint64, copies bool) {
	p.clone(stage, flags, copies, Child)
}

// CloneInit is like Clone for a new PID namespace, with a process between: PID
// 1 is hk's and reaps, and the plan goes on in its child.
func (p *Plan) CloneInit(stage string, flags uint64, before ...*Op) {
	p.clone(stage, flags, true, Init)
	p.Add(stage, before...)
	// The reaper may not stay in a directory that the child leaves behind:
	// pivot_root(2) takes along only what is at the root.
	cwd := p.Open(stage, "cwd", Openat(AtCwd(), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	p.Add(stage, Chdir("/"))
	p.fork(stage, p.cloneOp(0))
	p.Add(stage, Fchdir(cwd), Close(cwd))
	p.send(stage)
}

// CloneJoiner appends the clone of a process that enters namespaces of others:
// it performs what is added next, up to [Plan.CloneChild].
func (p *Plan) CloneJoiner(stage string) { p.clone(stage, 0, true, Joiner) }

// CloneChild appends the joiner's clone of the child, in which the plan goes
// on. flags are as for Clone.
func (p *Plan) CloneChild(stage string, flags uint64) {
	if p.who != Joiner {
		panic("plan: CloneChild is for a joiner")
	}
	p.pid1 = flags&unix.CLONE_NEWPID != 0
	p.fork(stage, p.cloneOp(flags).
		Hint(unix.ENOMEM, "the PID namespace that was joined has ended: its PID 1 is gone"))
	p.send(stage)
}

func (p *Plan) clone(stage string, flags uint64, copies bool, who Actor) {
	if p.who != Caller {
		panic("plan: a plan has one clone")
	}
	p.copies = copies
	p.sync, p.ours = p.NewResult("supervisor"), p.NewResult("ours")
	p.Add(stage, p.cloneOp(flags|unix.CLONE_PIDFD))
	p.who = who
	if who == Child {
		p.pid1 = flags&unix.CLONE_NEWPID != 0
	} else {
		p.between = who
	}
	// While any process but the supervisor has its end, nobody can tell that
	// the supervisor is gone.
	p.Add(stage, Close(p.ours))
}

// fork appends the second clone, after which the process between only waits. It
// keeps nothing that it does not need for that.
func (p *Plan) fork(stage string, clone *Op) {
	p.Add(stage, clone, CloseRange(0, ^uint32(0), 0), Capset(0, 0, 0), NoNewPrivs())
	p.who = Child
}

// Alive appends an op that fails when the supervisor is gone. It belongs after
// each op that asks for a signal on the supervisor's death: before that the
// signal may have been missed.
func (p *Plan) Alive(stage string) {
	if p.who == Caller {
		panic("plan: no supervisor without a clone")
	}
	p.Add(stage, Peek(Ref(p.sync)))
}

// KeepSupervisor appends an op that gives the child a socket to the supervisor, as
// descriptor fd, for the rest of a chain: see [Tell].
func (p *Plan) KeepSupervisor(stage string, fd int) {
	if p.who == Caller {
		panic("plan: no supervisor without a clone")
	}
	p.rest = p.NewResult("supervisor")
	p.Add(stage, Dup3(p.rest, fd, true))
}

// send appends the op that tells the supervisor that the child is there. It
// also tells who the child is, which with an init only the kernel knows.
func (p *Plan) send(stage string, fds ...*Result) {
	op := Sendto(p.sync)
	if len(fds) > 0 {
		op = SendFDs(p.sync, fds...)
	}
	op.tells = true
	p.Add(stage, op)
}

// Calls lists the ops' names in order, for tests of a plan's shape.
func (p *Plan) Calls() []string {
	var names []string
	for _, it := range p.items {
		if it.step == nil {
			names = append(names, it.op.Name)
		}
	}
	return slices.Clip(names)
}
