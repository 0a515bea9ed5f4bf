package run

import (
	"os"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// alone reports whether the payload has ended and an init waits for what it has left
// running.
func (s *Supervisor) alone() bool {
	if !s.layout.plan.Lingers {
		return false
	}
	_, ended := s.PayloadStatus()
	return ended || s.Process.payload >= 0 && isReadable(s.Process.payload)
}

// actAlone performs the default action of a signal, unless the caller ignores or blocks
// it: there is no payload to decide. What ends ends the whole PID namespace.
func (s *Supervisor) actAlone(sig unix.Signal) {
	switch {
	case s.queue.spared&bit(sig) != 0, isIgnored(sig):
	case isStop(sig):
		unix.Kill(os.Getpid(), unix.SIGSTOP)
	default:
		s.last = sig
		unix.PidfdSendSignal(s.PidFD, unix.SIGKILL, nil, 0)
		// A filter may deny that call. The number is its own until it has been reaped.
		unix.Kill(s.PID, unix.SIGKILL)
	}
}

// patienceAtEnd is how long an init may take to reap the payload.
const patienceAtEnd = 5 * time.Second

// leaves reports whether the payload has ended, and is all that the supervisor waits for.
// The init tells how it has ended a moment after it has.
func (s *Supervisor) leaves() bool {
	if !s.layout.plan.Leaves || !s.alone() {
		return false
	}
	wait := time.Duration(0)
	for end := time.Now().Add(patienceAtEnd); time.Now().Before(end) && !isReadableWithin(s.PidFD, wait); wait = 50 * time.Microsecond {
		if status, ok := s.PayloadStatus(); ok {
			s.end(plan.End{Status: status})
			return true
		}
	}
	return false
}

// leaving is a descriptor that becomes readable when the supervisor may end before the
// cloned process, or -1.
func (s *Supervisor) leaving() int {
	if s.layout.plan.Leaves {
		return s.Process.payload
	}
	return -1
}
