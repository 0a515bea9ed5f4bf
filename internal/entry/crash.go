package entry

import (
	"sync/atomic"
	"unsafe"

	"hk/internal/exit"

	"golang.org/x/sys/unix"
)

// overrideWrite is called by the runtime to write, if it is not nil; it was made for
// packages outside the runtime. Anything that the runtime writes to standard error is
// about a crash.
//
//go:linkname overrideWrite runtime.overrideWrite
var overrideWrite func(fd uintptr, p unsafe.Pointer, n int32) int32

// started is 1 once the runtime has started.
var started uint32

// exitFailed is the exit status of a chain that could not be performed.
const exitFailed = 125

// held are lines about why the runtime crashes, kept until the reason is known, and the
// part of the next line, which starts at line. signal is the signal that they are
// about, or 0.
var held struct {
	text    [1 << 10]byte
	n, line int
	signal  uintptr
}

// write writes for the runtime. If the runtime is about to crash because it lacks
// memory, a thread or a descriptor, or could not start, write prints one line and exits. If another
// process has sent a signal that the runtime takes for a fault of its own, write ends
// the process by that signal.
//
//go:nosplit
//go:norace
func write(fd uintptr, p unsafe.Pointer, n int32) int32 {
	if fd != 2 {
		return int32(sys(unix.SYS_WRITE, fd, uintptr(p), uintptr(n), 0))
	}
	for i := int32(0); i < n; i++ {
		c := *(*byte)(unsafe.Add(p, i))
		put(c)
		if c == '\n' || held.n == len(held.text) {
			judge()
		}
	}
	return n
}

//go:nosplit
//go:norace
func put(c byte) {
	if held.n < len(held.text) {
		*at(held.n) = c
		held.n++
	}
}

// at returns a byte of held.text, without a bounds check, whose failure could not be
// reported here.
//
//go:nosplit
//go:norace
func at(i int) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(&held.text), i))
}

// judge decides what to do about the line that has ended.
//
//go:nosplit
//go:norace
func judge() {
	switch {
	case held.n == len(held.text):
	case starts(held.line, "runtime: "):
		held.line = held.n
		return
	case held.signal == 0 && faultAt(held.line) != 0:
		held.signal, held.line = faultAt(held.line), held.n
		return
	// A si_code of 0 or less, which is written without its sign.
	case held.signal != 0 && (has(held.line, " sigcode=0") || has(held.line, " sigcode=184467440737")):
		dieOf(held.signal)
	case starts(held.line, "fatal error: "):
		why := held.line + len("fatal error: ")
		starting := atomic.LoadUint32(&started) == 0
		switch {
		case starts(why, "newosproc"):
			giveUp(nproc, 0)
		case has(why, "out of memory"), has(why, "cannot allocate"), has(why, "failed to reserve"), has(why, "cannot map pages"):
			giveUp(as, 0)
		case has(why, "netpollinit failed"), has(why, "eventfd failed"):
			giveUp(nofile, 0)
		case starting:
			giveUp(-1, why)
		}
	}
	sys(unix.SYS_WRITE, 2, pointer(at(0)), uintptr(held.n), 0)
	held.n, held.line, held.signal = 0, 0, 0
}

// faults are the signals that make the runtime crash, with the names that it uses.
var faults = [...]struct {
	name   string
	signal unix.Signal
}{
	{"SIGQUIT: ", unix.SIGQUIT}, {"SIGILL: ", unix.SIGILL}, {"SIGTRAP: ", unix.SIGTRAP},
	{"SIGABRT: ", unix.SIGABRT}, {"SIGBUS: ", unix.SIGBUS}, {"SIGFPE: ", unix.SIGFPE},
	{"SIGSEGV: ", unix.SIGSEGV}, {"SIGSTKFLT: ", unix.SIGSTKFLT}, {"SIGSYS: ", unix.SIGSYS},
}

// faultAt is the signal that the line at byte i of held.text names, if that signal
// makes the runtime crash, or 0.
//
//go:nosplit
//go:norace
func faultAt(i int) uintptr {
	for j := range faults {
		if f := &faults[j]; starts(i, f.name) {
			return uintptr(f.signal)
		}
	}
	return 0
}

// dieOf ends the process by a signal or, for a PID 1, which cannot be terminated by a
// signal of its own, with the status that a shell reports for it.
//
//go:nosplit
//go:norace
func dieOf(sig uintptr) {
	defaultAction := [4]uintptr{}
	set := uint64(1) << (sig - 1)
	sys(unix.SYS_RT_SIGACTION, sig, pointer(&defaultAction), 0, 8)
	sys(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, pointer(&set), 0, 8)
	sys(unix.SYS_TGKILL, uintptr(sys(unix.SYS_GETPID, 0, 0, 0, 0)), uintptr(sys(unix.SYS_GETTID, 0, 0, 0, 0)), sig, 0)
	exit.Exit(128 + int(sig))
}

//go:nosplit
//go:norace
func starts(i int, s string) bool {
	for j := 0; j < len(s); j++ {
		if i+j >= held.n || *at(i + j) != s[j] {
			return false
		}
	}
	return true
}

//go:nosplit
//go:norace
func has(i int, s string) bool {
	for ; i < held.n; i++ {
		if starts(i, s) {
			return true
		}
	}
	return false
}

// giveUp prints which limit is too low, or otherwise what the runtime prints from byte
// why on, and exits.
//
//go:nosplit
//go:norace
func giveUp(resource, why int) {
	end := held.n
	name := programName()
	for ; *name != 0; name = (*byte)(unsafe.Add(unsafe.Pointer(name), 1)) {
		put(*name)
	}
	switch resource {
	case nproc:
		say(": a thread cannot be created: RLIMIT_NPROC (ulimit -u) is ")
		sayLimit(nproc)
		say("; pids.max of a cgroup counts too\n")
	case as:
		say(": not enough memory: RLIMIT_AS (ulimit -v) is ")
		sayLimit(as)
		say(", RLIMIT_DATA (ulimit -d) is ")
		sayLimit(data)
		say("\n")
	case nofile:
		say(": too many open files: RLIMIT_NOFILE (ulimit -n) is too low, or the sysctl fs.file-max\n")
	default:
		say(": the Go runtime does not start: ")
		for ; why < end; why++ {
			put(*at(why))
		}
	}
	sys(unix.SYS_WRITE, 2, pointer(at(end)), uintptr(held.n-end), 0)
	exit.Exit(exitFailed)
}

//go:nosplit
//go:norace
func say(s string) {
	for j := 0; j < len(s); j++ {
		put(s[j])
	}
}

//go:nosplit
//go:norace
func sayLimit(i uintptr) {
	n := (*limit)(unsafe.Add(unsafe.Pointer(&noted.limits), i*unsafe.Sizeof(limit{}))).hard
	if n == unix.RLIM_INFINITY {
		say("unlimited")
		return
	}
	unit := uint64(1)
	for n/unit >= 10 {
		unit *= 10
	}
	for ; unit > 0; unit /= 10 {
		put(byte('0' + n/unit%10))
	}
}

// programName is the last component of the name that the program was called by.
//
//go:nosplit
//go:norace
func programName() *byte {
	if entryStack == 0 || *(*uintptr)(unsafe.Add(unsafe.Pointer(nil), entryStack)) == 0 {
		return &unnamed[0]
	}
	p := *(**byte)(unsafe.Add(unsafe.Pointer(nil), entryStack+8))
	name := p
	for ; *p != 0; p = (*byte)(unsafe.Add(unsafe.Pointer(p), 1)) {
		switch c := *p; {
		case c == '/':
			name = (*byte)(unsafe.Add(unsafe.Pointer(p), 1))
		case c < ' ' || c > '~':
			return &unnamed[0]
		}
	}
	return name
}

var unnamed = [3]byte{'h', 'k', 0}
