// Package entry is where a program of hk starts if it is linked with -E
// hk/internal/entry.start: before the Go runtime, which changes inherited state without
// recording it. The runtime installs handlers for signals that the caller ignores,
// unblocks some, opens /dev/null for each of the descriptors 0 to 2 that is closed, and
// dies with a stack trace if a limit prevents it from starting.
//
// The program also works if it is linked without that flag, as by a plain go build;
// this package then reports what the runtime has left.
package entry

import (
	"os"
	"os/signal"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noted is the state found before the runtime started.
var noted struct {
	done             bool
	ignored, blocked uint64
	limits           [len(resources)]limit
	// slack is the timer slack to restore, or 0.
	slack int
	// oneProcessor is set if the environment begins with a string of this package.
	oneProcessor bool
}

// A Limit is a resource limit of the caller that was changed so that the runtime can
// start, and must be restored before a program is executed.
type Limit struct {
	Name       string
	Resource   int
	Soft, Hard uint64
}

// limit is a limit as set by the caller, and as it is now. The kernel writes to both.
type limit struct {
	soft, hard       uint64
	softNow, hardNow uint64
}

// resources are the resources, other than the stack, of which the start of the runtime
// uses much.
var resources = [...]struct {
	name string
	id   int
}{
	{"RLIMIT_AS", unix.RLIMIT_AS},
	{"RLIMIT_DATA", unix.RLIMIT_DATA},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC},
}

const (
	as = iota
	data
	nproc
	// nofile is not among resources: what is opened is not more at the start than later.
	nofile
)

// Kept reports whether the program was started by this package.
func Kept() bool { return noted.done }

// Ignored are the signals that the caller ignores: bit n-1 is signal n.
func Ignored() uint64 {
	if noted.done {
		return noted.ignored
	}
	noteIgnored()
	return noted.ignored
}

// Blocked are the signals that the caller blocks. Preconditions: the calling
// goroutine is on the process's first thread, and has not changed its mask.
func Blocked() uint64 {
	if noted.done {
		return noted.blocked
	}
	var set unix.Sigset_t
	unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set)
	return set.Val[0]
}

// Changed are the limits that differ from those of the caller.
func Changed() []Limit {
	var list []Limit
	for i, r := range resources {
		if l := &noted.limits[i]; l.soft != l.softNow || l.hard != l.hardNow {
			list = append(list, Limit{r.name, r.id, l.soft, l.hard})
		}
	}
	return list
}

// Started records that the runtime has started, and restores the environment, the timer
// slack, and the default action of signals that the runtime handles: those that the caller
// ignores, and those that the runtime swallows or takes for its own crash. From now on only
// a lack of memory, threads or descriptors ends in one line.
//
// Other threads keep their timer slack, and a child has that of the thread that clones it.
// Preconditions: those of [Blocked].
//
// The signals for faults, for children and for the runtime itself remain the runtime's:
// it and os/exec need them. The plan has to take care of those.
func Started() {
	growStack()
	atomic.StoreUint32(&started, 1)
	if l := &noted.limits[as]; l.softNow < l.hardNow {
		l.softNow = l.hardNow
		setLimit(&resources[as].id, l)
	}
	if noted.slack != 0 {
		sys(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uintptr(noted.slack), 0, 0)
	}
	if noted.oneProcessor {
		os.Unsetenv("GOMAXPROCS")
	}
	for sig := unix.Signal(1); noted.done && sig <= 64; sig++ {
		if noted.ignored>>(sig-1)&1 != 0 && !runtimes(sig) {
			signal.Ignore(sig)
		}
	}
	if !noted.done {
		return // the runtime has hidden what is ignored
	}
	scratch = [4]uintptr{} // SIG_DFL
	for _, sig := range [...]unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
		unix.SIGSTKFLT, unix.SIGVTALRM, unix.SIGPROF, unix.SIGIO, unix.SIGPWR, unix.SIGXCPU} {
		if noted.ignored>>(sig-1)&1 == 0 {
			sys(unix.SYS_RT_SIGACTION, uintptr(sig), pointer(&scratch), 0, 8)
		}
	}
}

// runtimes reports whether the runtime needs a signal.
func runtimes(sig unix.Signal) bool {
	switch sig {
	case unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS, unix.SIGCHLD, unix.SIGURG:
		return true
	}
	return false
}

func pointer[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// growStack makes the stack of the goroutine larger at once, while few frames have to be moved.
func growStack()
