package run

import (
	"fmt"
	"os"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Supervisor is this process, above one payload.
type Supervisor struct {
	*Process
	queue
	terminal int
	payload  int // pidfd
	// killed is the signal for whose default action the payload was killed, or 0.
	killed unix.Signal
	// doubtful are signals that the payload had blocked when they were passed on;
	// pause is the time until they are looked at.
	doubtful uint64
	pause    time.Duration
	following
	rest  rest
	above above
	// lookouts are the PIDs of the last ones, and zeroes.
	lookouts [4]int
}

// NewSupervisor has the signals that come from now on kept for the payload. It belongs
// before the clone: what comes before it is not passed on. spared are the signals
// that the caller blocks or ignores; bit n-1 is signal n. aboveFD is the descriptor
// of a socket to the supervisor of an earlier stage of the chain, or 0.
func NewSupervisor(spared uint64, aboveFD int) (*Supervisor, error) {
	s := &Supervisor{terminal: foreground(), queue: queue{spared: spared}, above: above{fd: aboveFD}, rest: rest{told: -1}}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.above.tell(plan.TellSupervises)
	return s, nil
}

// Interrupt has a start given up for a signal that asks for the end. The start
// then fails with an [Ended].
func (s *Supervisor) Interrupt() *Interrupt {
	return &Interrupt{FD: s.pipe, Err: s.asked}
}

// Adopt takes the payload over, which has been executed. It belongs before
// anyone is told of that.
func (s *Supervisor) Adopt(p *Process) error {
	s.Process = p
	s.payload = p.PidFD
	s.rest.told, s.rest.begun = p.Rest(), p.Rest() >= 0
	if !p.Direct() {
		// If its parent has not reaped it by now, the PID is the payload's; else
		// the parent is about to end.
		if fd, err := unix.PidfdOpen(p.Payload, 0); err == nil {
			if _, ended := p.PayloadStatus(); !ended {
				s.payload = fd
			}
		}
	}
	return s.listenToAll()
}

// Wait passes signals to the payload and returns its wait status when it has
// ended.
//
// A signal that a process sent is passed on. One that the kernel sent for the
// terminal is not, if the payload is in our process group: then it has it
// already. What the kernel spares the payload, as it does a PID 1, it gets from
// here. When the terminal stops us, or the payload stops, both stop and go on
// together.
//
// A payload that is followed ([plan.Watcher]) has ended when all that it has started
// has. If that takes long, warn is told so.
func (s *Supervisor) Wait(warn func(stage, text string)) (unix.WaitStatus, error) {
	defer s.giveBack()
	if status, ended, err := s.awaitPayload(); err != nil || ended {
		return status, err
	}
	if s.Process.Watcher != nil {
		return s.follow(warn)
	}
	s.stopAsTold() // it may have asked already
	for {
		// A signal may have come before the payload did.
		status, ended, err := s.reap()
		if err != nil || ended {
			return status, err
		}
		if err := s.await(-1); err != nil {
			return 0, err
		}
		s.handleAll()
		s.stopAsTold()
	}
}

func (s *Supervisor) handleAll() {
	for info, ok := s.take(); ok; info, ok = s.take() {
		s.handle(info)
	}
}

// handle does what one signal asks for.
func (s *Supervisor) handle(info siginfo) {
	sig := info.signal()
	switch {
	case sig == unix.SIGCHLD:
		// reap looks at it.
	case info.sentBy(os.Getpid()):
		// The Go runtime interrupts its threads with SIGURG, and a write to a
		// closed pipe gives SIGPIPE.
	case sig == unix.SIGXCPU && info.code == siKernel:
		// It is our own time that is up. The payload has its own.
	case s.leaves(sig):
	case s.wakes(info):
		s.due = false
		s.pass(info)
	case sig == unix.SIGCONT:
		// A thread has taken that of a lookout, and was slow to say so.
	default:
		s.pass(info)
	}
}

// reap looks at the child's state without waiting.
func (s *Supervisor) reap() (status unix.WaitStatus, ended bool, err error) {
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
			if s.Direct() {
				s.stop()
			}
			continue
		}
		return s.end(status), true, nil
	}
}

// end is the status of the payload, when the process that was cloned has ended
// with status.
func (s *Supervisor) end(status unix.WaitStatus) unix.WaitStatus {
	if !s.Direct() {
		if of, ok := s.PayloadStatus(); ok {
			status = of
		} else {
			s.send(unix.SIGKILL) // its parent was killed
		}
	}
	if s.killed != 0 && status.Signaled() && status.Signal() == unix.SIGKILL {
		status = unix.WaitStatus(s.killed)
	}
	return s.atRest(status)
}

// ExitAs ends this process as another one has ended. aboveFD is as for
// [NewSupervisor].
func ExitAs(status unix.WaitStatus, aboveFD int) {
	if !status.Signaled() {
		Exit(status.ExitStatus())
	}
	sig := status.Signal()
	// The core is the payload's to leave, not ours. Of a limit a program that gets
	// cores by a pipe knows nothing: core(5).
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	dieOf(sig)
	// PID 1 of a PID namespace does not die of its own signals.
	(&above{fd: aboveFD}).tell(plan.TellDies, byte(sig))
	Exit(128 + int(sig))
}
