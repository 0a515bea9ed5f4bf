package supervise

import (
	"os"
	"syscall"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

// A lookout is a process that looks at the payload while we are stopped, and has
// us go on when the payload does, or ends. Where what is followed waits for us, it
// has us go on for that.
type lookout struct {
	pid  int
	self uintptr
	stat uintptr // /proc/PID/stat of the payload
	// pause is the time between two looks.
	pause unix.Timespec
	// follow is set if signals for us are looked at: pipe has those that the
	// handler has written, and status is our /proc/PID/status.
	follow bool
	pipe   [1]unix.PollFd
	status uintptr
	buf    [4096]byte
}

// lookout starts one, if there is a procfs in which to look.
func (s *Supervisor) lookout() *lookout {
	stat, err := openProc(s.payload, "stat")
	if err != nil {
		return nil
	}
	defer unix.Close(stat)
	status, err := unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(status)
	w := &lookout{self: uintptr(os.Getpid()), stat: uintptr(stat), pause: unix.Timespec{Nsec: 50e6},
		follow: s.Process.Watch != nil, status: uintptr(status)}
	w.pipe[0] = unix.PollFd{Fd: int32(s.pipe), Events: unix.POLLIN}
	runtimeBeforeFork()
	pid := w.fork()
	runtimeAfterFork()
	if pid < 0 {
		return nil
	}
	w.pid = pid
	return w
}

// fork returns the PID of the lookout, or -1. The lookout does not return.
//
// Preconditions: all signals are blocked, and between runtime_BeforeFork and
// runtime_AfterFork.
//
//go:noinline
//go:nosplit
//go:norace
func (w *lookout) fork() int {
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	if e != 0 {
		return -1
	}
	if pid == 0 {
		w.look()
	}
	return int(pid)
}

// look is what the lookout does. It is a copy of this process with one thread,
// none of the runtime's: no allocation, no growing stack.
//
// It has us go on until it is killed: we may be about to stop.
//
//go:nosplit
//go:norace
func (w *lookout) look() {
	syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	for {
		if parent, _, _ := syscall.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); parent != w.self {
			break
		}
		syscall.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&w.pause)), 0, 0)
		n := w.read(w.stat)
		if isStopped(w.buf[:n]) && !(w.follow && w.awaited()) {
			continue
		}
		syscall.RawSyscall(unix.SYS_KILL, w.self, uintptr(unix.SIGCONT), 0)
	}
	plan.Exit(0)
}

// read fills buf from the start of a file of procfs.
//
//go:nosplit
//go:norace
func (w *lookout) read(fd uintptr) uintptr {
	n, _, e := syscall.RawSyscall6(unix.SYS_PREAD64, fd, uintptr(unsafe.Pointer(&w.buf)), uintptr(len(w.buf)), 0, 0, 0)
	if e != 0 || n > uintptr(len(w.buf)) {
		return 0
	}
	return n
}

// awaited reports whether a signal has come for us since we looked.
//
//go:nosplit
//go:norace
func (w *lookout) awaited() bool {
	var none unix.Timespec
	n, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.pipe)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	return e == 0 && n == 1 || childPending(w.buf[:w.read(w.status)])
}

// childPending reads /proc/PID/status: whether SIGCHLD has been sent to the
// process and it has not got it yet.
//
//go:nosplit
//go:norace
func childPending(b []byte) bool {
	const name = "\nShdPnd:\t"
	const digit = len(name) + 16 - 1 - (int(unix.SIGCHLD)-1)/4
	for i := 0; i+digit < len(b); i++ {
		j := 0
		for j < len(name) && b[i+j] == name[j] {
			j++
		}
		if j == len(name) {
			c := b[i+digit]
			return (c&1 != 0) == (c <= '9') // 'a' is 10
		}
	}
	return false
}

func (w *lookout) end() {
	if w == nil {
		return
	}
	unix.Kill(w.pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(w.pid, nil, unix.WALL, nil); err != unix.EINTR {
			return
		}
	}
}
