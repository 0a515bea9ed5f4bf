package run

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"hk/internal/exit"

	"golang.org/x/sys/unix"
)

// A lookout is a process that checks the payload while the supervisor is stopped, and
// continues the supervisor when the payload continues or ends, or when a traced process
// waits for the supervisor.
type lookout struct {
	pid  int
	self uintptr
	stat uintptr // /proc/PID/stat of the payload
	// pause is the time between two checks.
	pause unix.Timespec
	// signals is set if the lookout also checks for signals to the supervisor: pipe
	// contains those that the handler has written, and status are the first files
	// /proc/PID/task/*/status of the supervisor's threads.
	signals bool
	// deadline is when a watcher is due, on CLOCK_MONOTONIC, or zero.
	deadline unix.Timespec
	pipe     [1]unix.PollFd
	status   [16]uintptr
	threads  int
	// terminal is the controlling terminal, and group the process group of the
	// supervisor; info is what it sends.
	terminal uintptr
	group    int32
	info     siginfo
	buf      [4096]byte
}

// lookout starts a lookout, if there is a procfs for it.
func (s *Supervisor) lookout() *lookout {
	stat, err := openProc(s.payload, "stat")
	if err != nil {
		return nil
	}
	defer unix.Close(stat)
	w := &lookout{self: uintptr(os.Getpid()), stat: uintptr(stat), pause: unix.Timespec{Nsec: 50e6},
		signals: s.tracer() != nil, deadline: monotonic(s.nextDue())}
	if w.signals {
		defer w.closeThreads()
		if !w.openThreads() {
			return nil
		}
	}
	w.terminal, w.group = uintptr(s.terminal.fd), int32(unix.Getpgrp())
	w.info = siginfo{signo: int32(unix.SIGCONT), code: siQueue}
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

// openThreads opens the procfs files of the threads of this process, about six.
func (w *lookout) openThreads() bool {
	threads, _ := filepath.Glob("/proc/self/task/*/status")
	for _, t := range threads {
		if fd, err := unix.Open(t, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil && w.threads < len(w.status) {
			w.status[w.threads] = uintptr(fd)
			w.threads++
		}
	}
	return w.threads > 0
}

func (w *lookout) closeThreads() {
	for _, fd := range w.status[:w.threads] {
		unix.Close(int(fd))
	}
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

// look is the lookout's loop. It runs in a copy of this process with one thread, which
// is not one of the runtime's: no allocation, no growing stack.
//
// It sends SIGCONT until it is killed: the supervisor may be just about to stop.
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
		if isStopped(w.buf[:n]) && !(w.signals && w.awaited()) && !w.due() {
			continue
		}
		w.wake()
	}
	exit.Exit(0)
}

// due reports whether the deadline has passed.
//
//go:nosplit
//go:norace
func (w *lookout) due() bool {
	if w.deadline.Sec == 0 {
		return false
	}
	var now unix.Timespec
	syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&now)), 0)
	return now.Sec > w.deadline.Sec || now.Sec == w.deadline.Sec && now.Nsec >= w.deadline.Nsec
}

// monotonic is a time on CLOCK_MONOTONIC; zero remains zero.
func monotonic(t time.Time) (at unix.Timespec) {
	if t.IsZero() || unix.ClockGettime(unix.CLOCK_MONOTONIC, &at) != nil {
		return unix.Timespec{}
	}
	return unix.NsecToTimespec(at.Nano() + int64(time.Until(t)))
}

// wake continues the supervisor, and tells whether another process group was in the
// foreground of the terminal right before that.
//
//go:nosplit
//go:norace
func (w *lookout) wake() {
	var group int32
	_, _, e := syscall.RawSyscall(unix.SYS_IOCTL, w.terminal, unix.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	w.info.value = 0
	if e == 0 && group > 0 && group != w.group {
		w.info.value = 1
	}
	pid, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
	w.info.pid = int32(pid)
	if _, _, e := syscall.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, w.self, uintptr(unix.SIGCONT), uintptr(unsafe.Pointer(&w.info))); e != 0 {
		syscall.RawSyscall(unix.SYS_KILL, w.self, uintptr(unix.SIGCONT), 0)
	}
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

// awaited reports whether a signal about a child has arrived for the supervisor since
// its last check. It may be in the pipe, or pending; or a thread has taken it, and was
// stopped on the way to the handler: then that thread blocks all signals.
//
//go:nosplit
//go:norace
func (w *lookout) awaited() bool {
	var none unix.Timespec
	n, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.pipe)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	if e == 0 && n == 1 {
		return true
	}
	for i := 0; i < w.threads; i++ {
		n := w.read(w.status[i])
		if hasChild(w.buf[:n], "\nShdPnd:\t") || hasChild(w.buf[:n], "\nSigBlk:\t") {
			return true
		}
	}
	return false
}

// hasChild parses /proc/PID/status: whether SIGCHLD is in the set on the line with that
// name.
//
//go:nosplit
//go:norace
func hasChild(b []byte, name string) bool {
	digit := len(name) + 16 - 1 - (int(unix.SIGCHLD)-1)/4
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
