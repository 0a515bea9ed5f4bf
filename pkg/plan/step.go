package plan

import (
	"time"

	"golang.org/x/sys/unix"
)

// A Step is performed by the supervisor while the child waits or, before any clone, by
// the calling thread at the same place.
type Step struct {
	Stage string
	// Text says what is done, in the imperative, for --explain.
	Text string
	// Gives are the results that Do sets with [Context.Set].
	Gives []*Result
	// For is what asked for the step, a flag with its value; "" is [Plan.For].
	For string
	// Takes are descriptors that Do uses, with [Context.FD]. The child sends them:
	// taking them from it would need permission to trace it.
	Takes []*Result
	// Replaces is one of Takes that Do replaces, with [Context.Replace], or nil: the child
	// gets another descriptor with the same number.
	Replaces *Result
	// Do performs the step. If it fails it has changed nothing. It may be called by
	// several threads at once, each time for another run.
	Do func(Context) error
}

// A Context is where a step is performed: a run of the plan, at that place.
type Context interface {
	// PID is the process in which the plan continues, in the supervisor's PID
	// namespace. Before a clone it is the calling process.
	//
	// Below an init or a joiner it may have ended, and its PID may have been reused: a
	// step should use Open, or CheckAlive where it cannot.
	PID() int
	// CheckAlive returns nil as long as the process exists, so that PID is its PID.
	CheckAlive() error
	// Open opens a file in the process's directory in procfs, such as "uid_map". It
	// fails if the process has ended, and with EXDEV if something is mounted over the
	// file.
	Open(name string, flags int) (fd int, err error)
	// Write writes a file in the process's directory in procfs with a single call, as
	// uid_map requires. It fails as Open does.
	Write(name, text string) error

	// Result is what the op with the result r has returned; a negative value is -errno,
	// for an errno that the op tolerates. The op must come before the step. It may also be
	// what an earlier step has set.
	Result(r *Result) int64
	// FD is the descriptor in this process for r, which is one of the step's Takes. It
	// is open until the step is done.
	FD(r *Result) int
	// Replace makes r, which the step replaces, another descriptor for the ops that follow:
	// a duplicate of fd.
	Replace(r *Result, fd int) error
	// Set gives a value to the ops that use r.
	Set(r *Result, v uint64)
	// Fill puts bytes into memory made by [Reserve], if an op uses it. It panics if
	// they do not fit: the step must check that first.
	Fill(b *Buffer, bytes []byte)

	// Read is read(2) of what a helper writes to fd. It fails if the start is
	// abandoned, and with os.ErrDeadlineExceeded at the time end; the zero time means
	// no deadline.
	Read(fd int, b []byte, end time.Time) (int, error)
	// Await waits until fd is readable or at its end of file; it fails as Read does.
	Await(fd int, end time.Time) error
	// AtEnd calls f when the payload has ended, or when the plan fails. It panics in a
	// plan without a clone, which has no process left to call it.
	AtEnd(f func())
	// Watch calls the functions of w for what happens to the child from now on.
	// Preconditions: the plan has cloned, and the calling thread is the one that
	// supervises.
	Watch(w *Watcher)

	// Helper says that a process is a child of this program that does not belong to the
	// payload.
	Helper(pid int)

	// SendFiles sends the descriptors that the run gives to the child.
	SendFiles() error
	// OnThread calls f on the thread whose end is that of the supervisor: processes
	// started by f may ask for a parent-death signal.
	OnThread(f func() error) error

	// Ready reports that the payload is executed once the step is done. It is not if that
	// cannot be reported, which is the error.
	Ready(namespaces []Namespace) error
	// Note reports something for a user who asks for it.
	Note(text string)
	// Skip reports that something was asked for only if possible, and does not exist.
	Skip(what string)
	// Warn reports something that is not a failure to the user.
	Warn(stage, text string)
}

// A Namespace is one of the child's: its name in /proc/PID/ns, and the number of its
// inode.
type Namespace struct {
	Name string
	ID   uint64
}

// A Watcher is told what happens to the child, by the thread that supervises. Each of
// its functions may be nil.
type Watcher struct {
	// Stage is the stage that asked for it.
	Stage string
	// Stopped makes it a tracer, of which a process can have only one: it traces the
	// child and its descendants with ptrace(2), and is called for a thread that has
	// stopped. It continues the thread or, in a group-stop, leaves it stopped and
	// returns true. A tracer learns about stops by waiting, and about the child's end
	// too, so the supervisor waits for both. The payload of a traced child has ended
	// when all its descendants have, or when a signal says not to wait for them.
	Stopped func(tid int, status unix.WaitStatus) (group bool)
	// Gone is called for a thread that the tracer traced and that has ended, or is nil.
	Gone func(tid int)
	// Alone is set for a tracer that does not wait for descendants: the child's end is the end.
	Alone bool
	// Lingering is a warning for the case that processes are still traced a second
	// after the payload has ended.
	Lingering string
	// Started is called once the payload has been executed, or the rest of a chain that is
	// not fused. It may set Deadline.
	Started func(Payload)
	// Due is called once, if Deadline has passed and the payload has not ended. It may set
	// another Deadline, and is then called again.
	Deadline time.Time
	Due      func(Payload)
	// Ready is called while the descriptor FD is readable, or at its end of file, and the
	// payload has not ended. It must not block.
	FD    int
	Ready func(Payload)
	// Ended is called once the payload has ended and nothing is left to trace. It may
	// wait, and change how the program ends. notes are warnings.
	Ended func(*End, Payload) (notes []string, err error)
}

// A Payload is what a [Watcher] can do with the payload, by the thread that supervises.
type Payload interface {
	// Executed is when the payload was executed.
	Executed() time.Time
	// SignalTree sends a signal to the payload and to all processes that descend from it,
	// as far as they can be found: without a PID namespace, a process whose parent has
	// ended is found only if the supervisor is a subreaper, PR_SET_CHILD_SUBREAPER. A
	// default action that the kernel would not perform, as for PID 1, is performed.
	SignalTree(unix.Signal)
	// KillTree kills the same processes, and returns when none is left but zombies that
	// the supervisor reaps, or after some seconds. It reports whether there was any.
	KillTree() bool
	// Has reports whether a process, by its number in this PID namespace, is the payload
	// or one of those processes. A process that has ended is not found, except for the
	// payload.
	Has(pid int) bool
	// Asked reports whether a signal has arrived that asks for the end.
	Asked() bool
	// TreeEnded reports whether no such process is left but zombies.
	TreeEnded() bool
}

// An End is how a payload has ended.
type End struct {
	Status unix.WaitStatus
	// Rusage is the resource usage of the payload and of the processes that it has
	// waited for; below an init or a joiner it includes theirs: getrusage(2),
	// RUSAGE_CHILDREN.
	Rusage unix.Rusage
	// Exit is the exit status of the supervisor if it is not to end in the same way as
	// the payload; otherwise 0. Reason is why, in a word.
	Exit   int
	Reason string
}
