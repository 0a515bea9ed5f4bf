package run

import (
	"fmt"
	"os"
	"time"

	"hk/internal/exit"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Supervisor is this process, above one payload.
type Supervisor struct {
	*Process
	queue
	terminal terminal
	payload  int // pidfd
	// killed is the signal for whose default action the payload was killed, or 0.
	killed unix.Signal
	// doubtful are signals that the payload had blocked when they were passed on;
	// pause is the time until they are looked at.
	doubtful uint64
	pause    time.Duration
	// over is how the payload has ended.
	over plan.End
	tracing
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
	s := &Supervisor{terminal: openTerminal(), queue: queue{spared: spared}, above: above{fd: aboveFD}, rest: rest{told: -1}}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.above.tell(plan.TellSupervises)
	return s, nil
}

// Interrupt has a start given up for a signal that asks for the end. The start
// then fails with an [Interrupted].
func (s *Supervisor) Interrupt() *Interrupt {
	return &Interrupt{FD: s.pipe, Err: s.asked}
}

// Adopt takes the payload over, which has been executed. It belongs before
// anyone is told of that.
func (s *Supervisor) Adopt(p *Process) error {
	s.Process = p
	s.payload = p.payloadFD()
	s.rest.told, s.rest.begun = p.Rest(), p.Rest() >= 0
	return s.listenToAll()
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
		// RLIMIT_CPU of the supervisor is reached. The payload has its own.
	case s.detaches(sig):
	case s.wakes(info):
		s.stopDue = false
		s.pass(info)
	case sig == unix.SIGCONT:
		// A thread has taken that of a lookout, and was slow to say so.
	default:
		s.pass(info)
	}
}

// reap looks at the child's state without waiting.
func (s *Supervisor) reap() (ended bool, err error) {
	options := unix.WNOHANG | unix.WALL
	if s.pipe >= 0 {
		options |= unix.WUNTRACED
	}
	for {
		var end plan.End
		pid, err := unix.Wait4(s.PID, &end.Status, options, &end.Rusage)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false, fmt.Errorf("wait4: %w", err)
		case pid == 0:
			return false, nil
		case end.Status.Stopped():
			if s.Direct() {
				s.stop()
			}
			continue
		}
		s.end(end)
		return true, nil
	}
}

// end notes how the payload has ended, when the process that was cloned has.
func (s *Supervisor) end(end plan.End) {
	if !s.Direct() {
		if of, ok := s.PayloadStatus(); ok {
			end.Status = of
		} else {
			s.send(unix.SIGKILL) // its parent was killed
		}
	}
	if s.killed != 0 && end.Status.Signaled() && end.Status.Signal() == unix.SIGKILL {
		end.Status = unix.WaitStatus(s.killed)
	}
	end.Status = s.atRest(end.Status)
	s.over = end
}

// ExitAs ends this process as another one has ended. aboveFD is as for
// [NewSupervisor].
func ExitAs(status unix.WaitStatus, aboveFD int) {
	if !status.Signaled() {
		exit.Exit(status.ExitStatus())
	}
	sig := status.Signal()
	// Only the payload is to leave a core. RLIMIT_CORE would not do: a program that gets
	// cores by a pipe ignores it, core(5).
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	dieOf(sig)
	// PID 1 of a PID namespace does not die of its own signals.
	(&above{fd: aboveFD}).tell(plan.TellDies, byte(sig))
	exit.Exit(128 + int(sig))
}
