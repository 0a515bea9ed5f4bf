package run

import (
	"errors"
	"fmt"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Wait waits until the payload has ended, and reaps it. No signals are passed on:
// that is what a [Supervisor] is for. It is called once, by any thread.
//
// Preconditions: [Process.Setup] has returned nil, and no other part of the program waits for the
// process.
func (c *Process) Wait() (plan.End, error) {
	s := &Supervisor{Process: c, queue: queue{pipe: -1}, terminal: terminal{fd: -1}, payload: c.payloadFD(), rest: rest{told: -1}}
	if s.payload != c.PidFD {
		defer unix.Close(s.payload)
	}
	return s.Wait()
}

// Wait returns when the payload has ended; signals are passed to it meanwhile.
//
// A signal that a process has sent is passed on. One that the kernel has sent for the
// terminal is not if the payload is in the process group of the supervisor, for then it
// has got it already. A default action that the kernel spares the payload, as it does a
// PID 1, is done by the supervisor. When the terminal stops the supervisor, or when the
// payload stops, both stop and continue together.
func (s *Supervisor) Wait() (plan.End, error) {
	err := s.loop()
	s.terminal.giveBack()
	s.End()
	if err != nil {
		return s.over, err
	}
	for _, w := range s.Watchers {
		if w.Ended == nil {
			continue
		}
		notes, failed := w.Ended(s.over)
		for _, n := range notes {
			s.warn(w.Stage, n)
		}
		err = errors.Join(err, failed)
	}
	return s.over, err
}

// loop looks at the child, waits, and does what has come, until the end.
func (s *Supervisor) loop() error {
	if ended, err := s.awaitPayload(); err != nil || ended {
		return err
	}
	s.stopAsTold() // it may have asked already
	for {
		// A signal may have come before the payload did.
		more, ended, err := s.look()
		if err != nil || ended {
			return err
		}
		if err := s.await(s.timeout(more)); err != nil {
			return err
		}
		s.handleAll()
		s.stopAsTold()
		s.watch()
	}
}

// look looks at what has stopped or ended. more says that there may be more of it.
func (s *Supervisor) look() (more, ended bool, err error) {
	if s.tracer() == nil {
		ended, err = s.reap()
		if !ended && err == nil && s.pipe < 0 && isReadable(s.PidFD) {
			time.Sleep(10 * time.Millisecond) // its tracer has yet to reap it
		}
		return false, ended, err
	}
	more, err = s.stops()
	if err == unix.ECHILD || s.detach {
		return false, true, nil
	}
	if err != nil {
		err = fmt.Errorf("wait4: %w", err)
	}
	return more, false, err
}

// timeout is how long nothing has to be done, in milliseconds; -1 is for ever.
func (s *Supervisor) timeout(more bool) int {
	if more {
		return 0
	}
	next := s.noticeDue()
	for _, w := range s.Watchers {
		if w.Due != nil && !w.Deadline.IsZero() && (next.IsZero() || w.Deadline.Before(next)) {
			next = w.Deadline
		}
	}
	if next.IsZero() {
		return -1
	}
	return int(max(0, time.Until(next)+time.Millisecond-1) / time.Millisecond)
}

// due is the watcher whose deadline has come, the earliest of them, or nil.
func (s *Supervisor) due() (first *plan.Watcher) {
	for _, w := range s.Watchers {
		if w.Due != nil && !w.Deadline.IsZero() && (first == nil || w.Deadline.Before(first.Deadline)) && !time.Now().Before(w.Deadline) {
			first = w
		}
	}
	return first
}

// watch tells the watchers whose deadline has come.
func (s *Supervisor) watch() {
	for w := s.due(); w != nil; w = s.due() {
		w.Deadline = time.Time{}
		if s.left.IsZero() {
			w.Due(s.signal)
		}
	}
	if at := s.noticeDue(); !at.IsZero() && !time.Now().Before(at) {
		s.noticed = true
		s.warn(s.tracer().Stage, s.tracer().Lingering)
	}
}

// noticeDue is when to say that processes which outlive the payload are waited for;
// zero is never.
func (s *Supervisor) noticeDue() time.Time {
	if s.left.IsZero() || s.noticed {
		return time.Time{}
	}
	return s.left.Add(noticeAfter)
}

// signal sends the payload a signal, and SIGKILL to the process that was cloned: with
// an init all end.
func (s *Supervisor) signal(sig unix.Signal) {
	s.send(sig)
	if sig == unix.SIGKILL {
		unix.PidfdSendSignal(s.PidFD, sig, nil, 0)
	}
}

func isReadable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

func (s *Supervisor) warn(stage, text string) {
	if tell := s.layout.attr.Warn; tell != nil {
		tell(stage, text)
	}
}

// leader is a pidfd of the process that was cloned, which can be read when it has
// ended, or -1 where SIGCHLD tells that.
func (s *Supervisor) leader() int {
	if s.pipe >= 0 {
		return -1
	}
	return s.PidFD
}
