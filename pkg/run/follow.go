package run

import (
	"slices"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const (
	// burst is how many stops are looked at before signals are: the processes
	// that are followed could keep us busy for ever.
	burst = 100
	// settling is how often signals are waited for before we stop. One that comes
	// later has us go on.
	settling = 20
	// tellAfter is how long what the payload has left behind is waited for
	// without a word.
	tellAfter = time.Second
)

// A following is what the supervisor knows of a payload that it follows, and of
// what that has started.
type following struct {
	// left is when the payload ended.
	left time.Time
	// told is set once it was said what is being waited for, and leave once a
	// signal has said not to.
	told, leave bool
	// told to stop, the payload stops with us even if it is no child of ours.
	stopping bool
	// due is set once the payload has stopped and we have yet to.
	due bool
}

// stops looks at what has stopped or ended, without waiting. more says that
// there may be more of it.
func (s *Supervisor) stops() (more bool, err error) {
	turns := 0
	for range burst {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WUNTRACED|unix.WALL, &usage)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, err
		case pid == 0:
			switch {
			case !s.due:
				return false, nil
			case turns < settling && s.more():
				turns++
				continue
			}
			s.stopping = false
			// Who has had us go on already is not to see us stop after that.
			s.due = !slices.ContainsFunc(s.list, s.wakes) && s.stop()
			return true, nil
		case !status.Stopped():
			s.ended(pid, plan.End{Status: status, Rusage: usage})
		case pid == s.PID && !s.Direct() && s.left.IsZero():
			s.due = true // what stands between is not followed any more
		case s.tracer().Stopped(pid, status):
			// The threads of a process stop all together. Of a payload that is no
			// child of ours nobody tells us if it is not followed.
			s.due = s.due || pid == s.Payload && (s.Direct() || s.stopping) && s.left.IsZero()
		case pid == s.Payload:
			s.due = false // it goes on
		}
	}
	return true, nil
}

func (s *Supervisor) ended(pid int, end plan.End) {
	switch {
	case !s.left.IsZero():
		return // another one may have its number by now
	case pid == s.PID && !s.Direct():
	case pid != s.Payload || !s.Direct():
		return
	}
	s.end(end)
	s.left = time.Now()
	// What was started for the payload is a child of ours too, and is not waited
	// for.
	s.End()
}

// leaves reports whether a signal means that nobody is to be followed any more:
// there is no payload left to which it could go.
func (s *Supervisor) leaves(sig unix.Signal) bool {
	if s.left.IsZero() {
		return false
	}
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		s.leave = true
	}
	return true
}
