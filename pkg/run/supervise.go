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
	// killed is the signal whose default action was performed by killing the payload,
	// or 0.
	killed unix.Signal
	// last is the signal by which what the payload has left running was ended, or 0.
	last unix.Signal
	// doubtful are signals that the payload had blocked when they were forwarded; pause
	// is the time until they are checked.
	doubtful uint64
	pause    time.Duration
	// over is how the payload has ended.
	over plan.End
	tracing
	rest  rest
	above above
	// known is what SignalTree has found. In an existing PID namespace a process that
	// loses its parent is left to PID 1 there, not to a subreaper outside.
	known []numbered
	// reaped is how the cloned process has ended, if that was learned while others were
	// killed.
	reaped *plan.End
	// endedAt is when the loop has ended: see Asked.
	endedAt time.Time
	// lookouts are the PIDs of the last lookouts, and zeroes.
	lookouts [4]int
}

// NewSupervisor holds the signals that arrive from now on for the payload. It must be
// called before the clone: signals that arrive earlier are not forwarded. spared are
// the signals that the caller blocks or ignores; bit n-1 is signal n. aboveFD is the
// descriptor of a socket to the supervisor of an earlier stage of the chain, or 0.
//
// A supervisor is for a program that does nothing else: signal handlers, and the list of
// what they have received, belong to the whole process, and with a terminal so does job
// control. There must be only one, and the program must not use os/signal. A program
// that continues to run uses [Process.Wait] and [Process.Signal].
func NewSupervisor(spared uint64, aboveFD int) (*Supervisor, error) {
	s := &Supervisor{terminal: openTerminal(), queue: queue{spared: spared}, above: above{fd: aboveFD}, rest: rest{sock: -1}}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.above.tell(plan.TellSupervises)
	return s, nil
}

// Interrupt abandons a start for a signal that asks for the end. The start then fails
// with an [Interrupted].
func (s *Supervisor) Interrupt() *Interrupt {
	return &Interrupt{FD: s.pipe, Err: s.asked, Stop: s.stopInStart}
}

// Adopt takes over the payload, which has been executed. It must be called before the
// start is reported.
func (s *Supervisor) Adopt(p *Process) error {
	s.Process = p
	s.payload = p.payloadFD()
	s.rest.sock, s.rest.begun = p.rest, p.rest >= 0
	p.rest = -1 // the supervisor closes it
	return s.listenToAll()
}

// handleAll handles the signals that have arrived, but no more than some, and none while
// a watcher is due: processes that send many must not keep it from that.
func (s *Supervisor) handleAll() {
	for range maxStops {
		if s.due() != nil {
			return
		}
		info, ok := s.take()
		if !ok {
			return
		}
		s.handle(info)
	}
}

// handle does what one signal asks for.
func (s *Supervisor) handle(info siginfo) {
	sig := info.signal()
	switch {
	case sig == unix.SIGCHLD:
		// reap handles it.
	case info.sentBy(os.Getpid()):
		// The Go runtime interrupts its threads with SIGURG, and a write to a closed
		// pipe raises SIGPIPE.
	case sig == unix.SIGXCPU && info.code == siKernel:
		// The supervisor has reached its RLIMIT_CPU. The payload has its own.
	case s.detaches(sig):
	case s.isStale(info):
		// It was taken before the job came to the foreground.
	case s.alone():
		s.actAlone(sig)
	case s.wakes(info):
		s.stopDue = false
		s.discardStops()
		s.pass(info)
	case sig == unix.SIGCONT:
		// A thread has taken a lookout's SIGCONT, and was slow to write it.
	default:
		s.pass(info)
	}
}

// reap checks the child's state without waiting.
func (s *Supervisor) reap() (ended bool, err error) {
	if s.reaped != nil {
		s.end(*s.reaped)
		return true, nil
	}
	options, who := unix.WNOHANG|unix.WALL, s.PID
	if s.pipe >= 0 {
		options |= unix.WUNTRACED
		if s.adopts() && s.tracer() == nil {
			who = -1
		}
	}
	if s.leaves() {
		return true, nil
	}
	for {
		var end plan.End
		pid, err := unix.Wait4(who, &end.Status, options, &end.Rusage)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false, fmt.Errorf("wait4: %w", err)
		case pid == 0:
			return false, nil
		case pid != s.PID:
			if !end.Status.Stopped() {
				s.forget(pid) // an orphan, or a helper
			}
			continue
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

// end records how the payload has ended, once the cloned process has.
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
	if s.last != 0 {
		end.Status = unix.WaitStatus(s.last)
	}
	end.Status = s.atRest(end.Status)
	s.over = end
}

// ExitAs ends this process in the same way as another one has ended. aboveFD is as for
// [NewSupervisor].
func ExitAs(status unix.WaitStatus, aboveFD int) {
	if !status.Signaled() {
		exit.Exit(status.ExitStatus())
	}
	sig := status.Signal()
	// Only the payload should dump core. Setting RLIMIT_CORE would not be enough: it is
	// ignored if cores are piped to a program, core(5).
	unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	dieOf(sig)
	// PID 1 of a PID namespace is not terminated by its own signals.
	(&above{fd: aboveFD}).tell(plan.TellDies, byte(sig))
	exit.Exit(128 + int(sig))
}
