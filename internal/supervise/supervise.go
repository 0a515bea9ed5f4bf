// Package supervise stays above a payload that runs in namespaces of its own:
// it passes signals on and ends as the payload ends.
package supervise

import (
	"fmt"
	"os"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Wait passes signals to the payload and returns its wait status when it has
// ended.
//
// A signal that a process sent is passed on. One that the kernel sent for the
// terminal is not, if the payload is in our process group: then it has it
// already. When the terminal stops us, or the payload stops, both stop and go
// on together.
//
// A payload that is followed ([plan.Watch]) has ended when all that it has started
// has. If that takes long, warn is told so.
func Wait(p *plan.Process, warn func(stage, text string)) (unix.WaitStatus, error) {
	s := supervisor{Process: p}
	if err := s.listen(); err != nil {
		return 0, err
	}
	if p.Watch != nil {
		return s.follow(warn)
	}
	for {
		// A signal may have come before we listened.
		status, ended, err := s.reap()
		if err != nil || ended {
			return status, err
		}
		info, err := s.next()
		if err != nil {
			return 0, err
		}
		s.handle(info)
	}
}

type supervisor struct {
	*plan.Process
	pipe    int
	payload int // pidfd
	following
}

// siginfo is the start of siginfo_t for signals that were sent.
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	_                     [104]byte
}

const (
	siKernel = 0x80
	siUser   = 0
	siQueue  = -1
	siTkill  = -6
)

func (s *supervisor) listen() error {
	s.payload = s.PidFD
	if !s.Direct() {
		// If its parent has not reaped it by now, the PID is the payload's; else
		// the parent is about to end.
		if fd, err := unix.PidfdOpen(s.Payload, 0); err == nil {
			if _, ended := s.PayloadStatus(); !ended {
				s.payload = fd
			}
		}
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe2: %w", err)
	}
	if err := unix.SetNonblock(fds[1], true); err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	s.pipe = fds[0]
	return relay(fds[1])
}

// next waits for a signal.
func (s *supervisor) next() (siginfo, error) {
	var info siginfo
	b := unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))
	for {
		n, err := unix.Read(s.pipe, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != len(b) {
			return info, fmt.Errorf("read of a signal: %d bytes, %v", n, err)
		}
		return info, nil
	}
}

func (s *supervisor) handle(info siginfo) {
	sig := unix.Signal(info.signo)
	ours := int(info.pid) == os.Getpid() && info.code != siKernel
	switch {
	case sig == unix.SIGCHLD:
		// reap looks at it.
	case ours:
		// The Go runtime interrupts its threads with SIGURG, and a write to a
		// closed pipe gives SIGPIPE.
	case s.leaves(sig):
	case sig == unix.SIGTSTP && !s.IsPID1() && s.Direct():
		// The payload has it or gets it, and decides; if it stops, reap sees
		// that.
		if info.code != siKernel || !s.sharesGroup() {
			s.send(sig)
		}
	case sig == unix.SIGTSTP:
		// A PID 1 does not stop of it, and of a payload that is no child of ours
		// nobody tells us: SIGSTOP from outside stops either.
		s.send(unix.SIGSTOP)
		unix.Kill(os.Getpid(), unix.SIGSTOP)
		s.send(unix.SIGCONT)
	case info.code == siKernel && s.sharesGroup():
	default:
		s.send(sig)
	}
}

func (s *supervisor) send(sig unix.Signal) {
	unix.PidfdSendSignal(s.payload, sig, nil, 0)
}

// sharesGroup reports whether what the terminal sends to our process group goes
// to the payload as well.
func (s *supervisor) sharesGroup() bool {
	a, err := unix.Getpgid(s.Payload)
	return err == nil && a == unix.Getpgrp()
}

// reap looks at the child's state without waiting.
func (s *supervisor) reap() (status unix.WaitStatus, ended bool, err error) {
	for {
		pid, err := unix.Wait4(s.PID, &status, unix.WNOHANG|unix.WUNTRACED|unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, false, fmt.Errorf("wait4: %w", err)
		case pid == 0:
			return 0, false, nil
		case status.Stopped():
			s.stopWith()
			continue
		}
		if !s.Direct() {
			if of, ok := s.PayloadStatus(); ok {
				status = of
			} else {
				s.send(unix.SIGKILL) // its parent was killed
			}
		}
		return status, true, nil
	}
}

// Exit ends this process as another one has ended.
func Exit(status unix.WaitStatus) {
	if !status.Signaled() {
		os.Exit(status.ExitStatus())
	}
	sig := status.Signal()
	// The core is the payload's to leave, not ours.
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	dieOf(sig)
	// PID 1 of a PID namespace does not die of its own signals.
	os.Exit(128 + int(sig))
}
