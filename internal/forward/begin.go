package forward

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Where the supervisor puts what the process is given: a socket to the supervisor, and the
// namespaces that it enters or, in their place, nothing; after these, what each forward
// needs.
const (
	controlFD = 3
	userFD    = 4
	netFD     = 5
	firstFD   = 6
)

// begun says how begin, with which the program starts if it is linked with -E
// hk/internal/forward.start, has ended.
var begun struct {
	done bool
	// entered is set if there were namespaces to enter, and errno is why that failed, or 0.
	entered bool
	errno   syscall.Errno
}

// beginFunc is how start calls begin, and entryStack the stack with which it was called: see
// package entry.
var beginFunc = begin

var entryStack uintptr

// begin enters the namespaces: setns(2) of a user namespace needs a process with one thread,
// which a Go program has only before its runtime starts. There is no g, and no growing
// stack.
//
// A process of the user namespace must not be able to trace this one, which sees the host's
// files. It is not dumpable, and then that needs CAP_SYS_PTRACE in the user namespace in
// which it was executed, which is the caller's. To enter the namespace resets the attribute
// according to the sysctl fs.suid_dumpable; the payload has not started then. It also clears
// the parent-death signal.
//
//go:nosplit
//go:norace
func begin() {
	begun.done = true
	sys(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	if _, e := sys(unix.SYS_FCNTL, netFD, unix.F_GETFD); e != 0 {
		return
	}
	begun.entered = true
	if _, e := sys(unix.SYS_FCNTL, userFD, unix.F_GETFD); e == 0 {
		_, begun.errno = sys(unix.SYS_SETNS, userFD, unix.CLONE_NEWUSER)
	}
	if begun.errno == 0 {
		_, begun.errno = sys(unix.SYS_SETNS, netFD, unix.CLONE_NEWNET)
	}
	sys(unix.SYS_CLOSE, userFD, 0)
	sys(unix.SYS_CLOSE, netFD, 0)
	sys(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	sys(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGCONT))
}

//go:nosplit
//go:norace
func sys(nr, a, b uintptr) (uintptr, syscall.Errno) {
	r, _, e := syscall.RawSyscall6(nr, a, b, 0, 0, 0, 0)
	return r, e
}
