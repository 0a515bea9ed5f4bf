package run

import (
	"slices"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const (
	// maxStops is how many stops are handled before signals and the time are, and maxTime how
	// long: otherwise the traced processes could keep the supervisor busy, also with memory or
	// a file system of theirs that the tracer waits for.
	maxStops = 100
	maxTime  = 100 * time.Millisecond
	// settling is how often signals are waited for before the supervisor stops. A
	// SIGCONT that arrives later continues it.
	settling = 20
	// noticeAfter is how long the supervisor waits for processes that outlive the
	// payload before it reports them.
	noticeAfter = time.Second
)

// A tracing is what the supervisor knows about a payload that it traces, and about its
// descendants.
type tracing struct {
	// left is when the payload ended.
	left time.Time
	// noticed is set once the notice about processes that outlive the payload was
	// given, and detach once a signal says not to wait for them.
	noticed, detach bool
	// stopping is set once the payload was told to stop, which then also stops the
	// supervisor, even if the payload is not its child.
	stopping bool
	// stopDue is set once the payload has stopped and the supervisor still has to.
	stopDue bool
}

// stops handles what has stopped or ended, without waiting. more means that there may
// be more of it.
func (s *Supervisor) stops() (more bool, err error) {
	turns := 0
	for n, began := 0, time.Now(); n < maxStops && time.Since(began) < maxTime; n++ {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WUNTRACED|unix.WALL, &usage)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, err
		case pid == 0:
			switch {
			case !s.stopDue:
				return false, nil
			case turns < settling && s.more():
				turns++
				continue
			}
			s.stopping = false
			// The supervisor must not stop after a SIGCONT that has already arrived.
			s.stopDue = !slices.ContainsFunc(s.list, s.wakes) && s.stop()
			return true, nil
		case !status.Stopped():
			s.ended(pid, plan.End{Status: status, Rusage: usage})
		case pid == s.PID && !s.Direct() && s.left.IsZero():
			s.stopDue = true // the process between is no longer traced
		case s.tracer().Stopped(pid, status):
			// All threads of a process stop together. The kernel does not report a stop
			// of a payload that is neither a child nor traced.
			s.stopDue = s.stopDue || pid == s.Payload && (s.Direct() || s.stopping) && s.left.IsZero()
		case pid == s.Payload:
			s.stopDue = false // it continues
		}
	}
	return true, nil
}

func (s *Supervisor) ended(pid int, end plan.End) {
	s.gone(pid)
	switch {
	case !s.left.IsZero():
		return // its PID may have been reused
	case pid == s.PID && !s.Direct():
	case pid != s.Payload || !s.Direct():
		return
	}
	s.end(end)
	s.left = time.Now()
	s.stopDue = false // it was killed when it had stopped
	// Helpers that were started for the payload are also children of this process. They
	// are not waited for.
	s.End()
}

// detaches reports whether a signal means that nothing is to be traced any more: there
// is no payload left to which it could be forwarded.
func (s *Supervisor) detaches(sig unix.Signal) bool {
	if s.left.IsZero() {
		return false
	}
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		s.detach = true
	}
	return true
}
