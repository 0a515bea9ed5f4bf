package plan

import (
	"time"

	"golang.org/x/sys/unix"
)

// A Step is done by the supervisor while the child waits, or, where no clone was
// made yet, by the calling thread at the same place.
type Step struct {
	Stage string
	// Text says what is done, in the imperative, for --explain.
	Text string
	// Gives are the values that Do sets through [Context.Set].
	Gives []*Result
	// For is what asked for the step, a flag with its value; "" is [Plan.For].
	For string
	// Takes are descriptors that Do works with, by [Context.FD]. A child sends them
	// along: to take them from it would need the right to attach to it.
	Takes []*Result
	// Do does the step. It changes nothing when it fails. It may be called by several
	// threads at once, each time for another run.
	Do func(Context) error
}

// A Context is where a step is done: a run of the plan, at that place.
type Context interface {
	// PID is the process in which the plan goes on, seen from the supervisor's
	// PID namespace. Before a clone it is the calling process.
	//
	// Below an init or a joiner it may have ended, and another may have its number:
	// a step uses Open, and asks CheckAlive where it can not.
	PID() int
	// CheckAlive is nil as long as the process is there, and so PID is its number.
	CheckAlive() error
	// Open opens a file of the process's directory in procfs, as "uid_map". It
	// fails if the process is gone, and with EXDEV if something is mounted over the
	// file.
	Open(name string, flags int) (fd int, err error)
	// Write writes a file of the process's directory in procfs with one call, as
	// uid_map needs it. It fails as Open does.
	Write(name, text string) error

	// Result is what the op that gives r has returned; below 0 it is -errno, of an
	// errno that the op tolerates. The op must come before the step.
	Result(r *Result) int64
	// FD is the descriptor that r, one of the step's Takes, is in this process. It
	// is open until the step is done.
	FD(r *Result) int
	// Set gives a value to the ops that use r.
	Set(r *Result, v uint64)
	// Fill puts bytes into memory made by [Reserve], if an op uses that. It panics
	// when they do not fit: the step checks that first.
	Fill(b *Buffer, bytes []byte)

	// Read is read(2) of what a helper writes to fd. It fails when the start is
	// given up, and with os.ErrDeadlineExceeded when end has come; the zero time means that there is no deadline.
	Read(fd int, b []byte, end time.Time) (int, error)
	// AtEnd has f called when the payload has ended, or when the plan fails. It
	// panics in a plan without a clone, which has no process left to call it.
	AtEnd(f func())
	// Watch has w told of what becomes of the child from now on. Preconditions: the
	// plan has cloned, and the calling thread is the one that supervises.
	Watch(w *Watcher)

	// SendFiles puts the descriptors that the run gives to the child on their way.
	SendFiles() error
	// OnThread calls f on the thread whose end is that of the supervisor: what f starts
	// may ask for a parent-death signal.
	OnThread(f func() error) error

	// Skip tells that something was asked for only if possible, and is not
	// there.
	Skip(what string)
	// Warn tells the user of something that is not a failure.
	Warn(stage, text string)
}

// A Watcher is told of what becomes of the child, by the thread that supervises.
// Each of its functions may be nil.
type Watcher struct {
	// Stage is the stage that has asked for it.
	Stage string
	// Stopped makes it a tracer, of which a process has one: it follows the child and
	// what that starts by ptrace(2), and is told of a thread that has stopped. It lets
	// it go on, or, in a group-stop, stay: then it returns true. A tracer learns of
	// stops by waiting, and of the child's end too, so the supervisor waits for both.
	// The payload of a child that is traced has ended when all that it has started
	// has, or when a signal says not to wait for that.
	Stopped func(tid int, status unix.WaitStatus) (group bool)
	// Lingering is what to warn of if processes are still traced a second after the
	// payload has ended.
	Lingering string
	// Due is called once when Deadline has come and the payload has not ended. signal
	// sends the payload a signal; by SIGKILL the process that was cloned ends, and with
	// it a new PID namespace.
	Deadline time.Time
	Due      func(signal func(unix.Signal))
	// Ended is called once the payload has ended and nothing is left to follow. notes
	// are warnings.
	Ended func(End) (notes []string, err error)
}

// An End is how a payload has ended.
type End struct {
	Status unix.WaitStatus
	// Rusage is what the payload has used with what it has waited for; below an init
	// or a joiner with those: getrusage(2), RUSAGE_CHILDREN.
	Rusage unix.Rusage
}
