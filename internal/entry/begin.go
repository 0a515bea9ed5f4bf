package entry

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sigIgn  = 1
	signals = 64

	// smallStack is a soft RLIMIT_STACK for which the runtime gets a different stack:
	// it uses 64 KiB of the stack on which it is started, which also holds arguments
	// and environment.
	smallStack = 256 << 10

	// The runtime reserves 614 MB of address space, then 537 MB that it can do without,
	// then some 100 MB that it needs. So it starts with more than 1.26 GB and, because
	// the second step then fails, with much less; but not with a limit in between.
	smallSpace   = 3 << 29
	withoutIndex = 1 << 30
)

// patience is the timer slack of the threads that the runtime starts, in nanoseconds. One of
// them only watches the others, and sleeps for 20 microseconds again and again: 80 wake-ups,
// which take a fifth of the processor time of a small sandbox. Timers of Go are late by as much.
const patience = 1_000_000

// beginFunc is how start calls begin: the linker's wrapper for calls from assembly
// would look for the runtime's thread-local storage.
var beginFunc = begin

// What start needs to know: where argc, the arguments and the environment are, and the stack
// on which to start the runtime, or 0 for the one below these.
var entryStack, otherStack uintptr

// spareStack is touched only if RLIMIT_STACK is small.
var spareStack [96 << 10]byte

// scratch is a struct sigaction, whose first word is the handler.
var scratch [4]uintptr

var root = [2]byte{'/', 0}

// oneProcessor is what the runtime finds first in the environment. A program of hk has one
// thread with work to do; for each further processor the runtime starts another one.
var oneProcessor = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '1', 0}

// begin does the work of start.
//
// There is no runtime yet: no allocation, no growing stack, no write barrier, no g, and
// no way to report a failure.
//
//go:nosplit
//go:norace
func begin() {
	noteIgnored()
	sys(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, 0, pointer(&noted.blocked), 8)
	occupy()
	raise()
	limitRuntime()
	overrideWrite = write
	noted.done = true
}

//go:nosplit
//go:norace
func noteIgnored() {
	for sig := uintptr(1); sig <= signals; sig++ {
		if sys(unix.SYS_RT_SIGACTION, sig, 0, pointer(&scratch), 8) == 0 && scratch[0] == sigIgn {
			noted.ignored |= 1 << (sig - 1)
		}
	}
}

// occupy opens a descriptor in place of each standard descriptor that is closed, so
// that nothing else gets its number. It can be neither read nor written, which fails
// with EBADF as for a closed one, and execve(2) closes it.
//
//go:nosplit
//go:norace
func occupy() {
	for fd := uintptr(0); fd <= 2; fd++ {
		if sys(unix.SYS_FCNTL, fd, unix.F_GETFD, 0, 0) == -int(unix.EBADF) {
			sys(unix.SYS_OPENAT, ^uintptr(0), pointer(&root), unix.O_PATH|unix.O_CLOEXEC, 0)
		}
	}
}

// raise records the limits on resources that a start uses most, and raises them as far
// as the caller may.
//
//go:nosplit
//go:norace
func raise() {
	var stack [2]uint64
	if sys(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_STACK, 0, pointer(&stack)) == 0 && stack[0] < smallStack {
		otherStack = (pointer(&spareStack) + unsafe.Sizeof(spareStack)) &^ 15
	}
	for i := uintptr(0); i < uintptr(len(resources)); i++ {
		r := (*int)(unsafe.Add(unsafe.Pointer(&resources), i*unsafe.Sizeof(resources[0])+unsafe.Offsetof(resources[0].id)))
		l := (*limit)(unsafe.Add(unsafe.Pointer(&noted.limits), i*unsafe.Sizeof(limit{})))
		if sys(unix.SYS_PRLIMIT64, 0, uintptr(*r), 0, pointer(&l.soft)) != 0 {
			continue
		}
		l.softNow, l.hardNow = l.soft, l.hard
		// CAP_SYS_RESOURCE allows raising the hard limit, and disables RLIMIT_NPROC.
		if i != nproc && l.hard < smallSpace {
			l.softNow, l.hardNow = unix.RLIM_INFINITY, unix.RLIM_INFINITY
			if setLimit(r, l) == 0 {
				continue
			}
			l.softNow, l.hardNow = l.soft, l.hard
		}
		l.softNow = l.hard
		if i == as && l.hard < smallSpace && l.hard > withoutIndex {
			l.softNow = withoutIndex
		}
		if l.softNow != l.soft && setLimit(r, l) != 0 {
			l.softNow = l.soft
		}
	}
}

//go:nosplit
//go:norace
func setLimit(resource *int, l *limit) int {
	return sys(unix.SYS_PRLIMIT64, 0, uintptr(*resource), pointer(&l.softNow), 0)
}

// limitRuntime makes the runtime do less. [Started] undoes it.
//
//go:nosplit
//go:norace
func limitRuntime() {
	if slack := sys(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0, 0); slack > 0 && slack < patience &&
		sys(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, patience, 0, 0) == 0 {
		noted.slack = slack
	}
	argc := *word(0)
	for i := argc + 2; *word(i) != 0; i++ {
		if isProcessors(*word(i)) {
			return // the caller has chosen
		}
	}
	// argc, the arguments and the 0 after these move down by a word, for which start has left
	// room, so that the environment begins a word earlier.
	for i := uintptr(0); i <= argc+1; i++ {
		*word(i - 1) = *word(i)
	}
	*word(argc + 1) = pointer(&oneProcessor)
	entryStack -= unsafe.Sizeof(entryStack)
	noted.oneProcessor = true
}

// word is the i-th word from argc on, which may be one of those before it.
//
//go:nosplit
//go:norace
func word(i uintptr) *uintptr {
	return (*uintptr)(unsafe.Add(unsafe.Pointer(nil), entryStack+i*unsafe.Sizeof(i)))
}

// isProcessors reports whether a string of the environment has the name of oneProcessor.
//
//go:nosplit
//go:norace
func isProcessors(s uintptr) bool {
	for i := uintptr(0); i < uintptr(len(oneProcessor))-2; i++ {
		if *(*byte)(unsafe.Add(unsafe.Pointer(nil), s+i)) != *(*byte)(unsafe.Add(unsafe.Pointer(&oneProcessor), i)) {
			return false
		}
	}
	return true
}

// sys makes a system call with up to four arguments. It returns the kernel's result:
// -errno for a failure.
//
//go:nosplit
//go:norace
func sys(nr, a, b, c, d uintptr) int {
	r, _, e := syscall.RawSyscall6(nr, a, b, c, d, 0, 0)
	if e != 0 {
		return -int(e)
	}
	return int(r)
}
