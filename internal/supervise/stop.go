package supervise

import (
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

// stop stops this process, which the payload has done, and goes on when either
// does.
//
// Nothing wakes a stopped process but a signal, and nobody sends us one when the
// payload goes on: so a process is left to look.
func (s *Supervisor) stop() {
	w := s.lookout()
	unix.Kill(os.Getpid(), unix.SIGSTOP)
	w.end()
	if s.drain() == nil {
		// A SIGCONT has ended the stop, and every stop before it.
		s.list = slices.DeleteFunc(s.list, func(info siginfo) bool {
			return info.signal() == unix.SIGCONT || isStop(info.signal())
		})
	}
	if b, err := readProc(s.Payload, "stat"); err != nil || isStopped(b) {
		s.sendGroup(unix.SIGCONT)
	}
}

// stopPayload stops the payload, and comes back when it has stopped, most often at
// once: who controls the job may use the terminal when we have stopped.
func (s *Supervisor) stopPayload() {
	s.sendGroup(unix.SIGSTOP)
	for range 1000 {
		if b, err := readProc(s.Payload, "stat"); err != nil || isStopped(b) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// isStopped reads /proc/PID/stat. The program's name is in parentheses, and may
// hold some.
//
//go:nosplit
//go:norace
func isStopped(b []byte) bool {
	state := byte(0)
	for i, c := range b {
		if c == ')' {
			state = 0
			if i+2 < len(b) {
				state = b[i+2]
			}
		}
	}
	return state == 'T' || state == 't'
}

// A lookout is a process that looks at the payload while we are stopped, and has
// us go on when the payload does, or ends.
type lookout struct {
	pid  int
	self uintptr
	stat uintptr // /proc/PID/stat
	// pause is the time between two looks.
	pause unix.Timespec
	buf   [512]byte
}

// lookout starts one, if there is a procfs in which to look.
func (s *Supervisor) lookout() *lookout {
	fd, err := openProc(s.Payload, "stat")
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	w := &lookout{self: uintptr(os.Getpid()), stat: uintptr(fd), pause: unix.Timespec{Nsec: 50e6}}
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
// It says that the payload goes on until it is killed: we may be about to stop.
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
		n, _, e := syscall.RawSyscall6(unix.SYS_PREAD64, w.stat, uintptr(unsafe.Pointer(&w.buf)), uintptr(len(w.buf)), 0, 0, 0)
		if e == 0 && n <= uintptr(len(w.buf)) && isStopped(w.buf[:n]) {
			continue
		}
		syscall.RawSyscall(unix.SYS_KILL, w.self, uintptr(unix.SIGCONT), 0)
	}
	plan.Exit(0)
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
