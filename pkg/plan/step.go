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
	// for an errno that the op tolerates. The op must come before the step.
	Result(r *Result) int64
	// FD is the descriptor in this process for r, which is one of the step's Takes. It
	// is open until the step is done.
	FD(r *Result) int
	// Set gives a value to the ops that use r.
	Set(r *Result, v uint64)
	// Fill puts bytes into memory made by [Reserve], if an op uses it. It panics if
	// they do not fit: the step must check that first.
	Fill(b *Buffer, bytes []byte)

	// Read is read(2) of what a helper writes to fd. It fails if the start is
	// abandoned, and with os.ErrDeadlineExceeded at the time end; the zero time means
	// no deadline.
	Read(fd int, b []byte, end time.Time) (int, error)
	// AtEnd calls f when the payload has ended, or when the plan fails. It panics in a
	// plan without a clone, which has no process left to call it.
	AtEnd(f func())
	// Watch calls the functions of w for what happens to the child from now on.
	// Preconditions: the plan has cloned, and the calling thread is the one that
	// supervises.
	Watch(w *Watcher)

	// SendFiles sends the descriptors that the run gives to the child.
	SendFiles() error
	// OnThread calls f on the thread whose end is that of the supervisor: processes
	// started by f may ask for a parent-death signal.
	OnThread(f func() error) error

	// Skip reports that something was asked for only if possible, and does not exist.
	Skip(what string)
	// Warn reports something that is not a failure to the user.
	Warn(stage, text string)
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
	// Lingering is a warning for the case that processes are still traced a second
	// after the payload has ended.
	Lingering string
	// Due is called once, if Deadline has passed and the payload has not ended. signal
	// sends a signal to the payload; with SIGKILL the cloned process ends, and with it
	// a new PID namespace.
	Deadline time.Time
	Due      func(signal func(unix.Signal))
	// Ended is called once the payload has ended and nothing is left to trace. notes
	// are warnings.
	Ended func(End) (notes []string, err error)
}

// An End is how a payload has ended.
type End struct {
	Status unix.WaitStatus
	// Rusage is the resource usage of the payload and of the processes that it has
	// waited for; below an init or a joiner it includes theirs: getrusage(2),
	// RUSAGE_CHILDREN.
	Rusage unix.Rusage
}
