package run

import (
	"errors"
	"fmt"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Wait waits until the payload has ended, and reaps it. Signals are not forwarded: that
// is the task of a [Supervisor]. It is called only once, by any thread.
//
// Preconditions: [Process.Setup] has returned nil, and no other part of the program
// waits for the process.
func (c *Process) Wait() (plan.End, error) {
	s := &Supervisor{Process: c, queue: queue{pipe: -1}, terminal: terminal{fd: -1}, payload: c.payloadFD(), rest: rest{sock: -1}}
	return s.Wait()
}

// Wait returns when the payload has ended; until then it forwards signals to it.
//
// A signal sent by a process is forwarded. A signal that the kernel has sent for the
// terminal is not forwarded if the payload is in the process group of the supervisor,
// because it has already received it. Where the kernel does not perform the default
// action for the payload, for example if it is PID 1, the supervisor does. When the
// terminal stops the supervisor, or when the payload stops, both stop and continue
// together.
func (s *Supervisor) Wait() (plan.End, error) {
	if s.pipe >= 0 { // a program that does nothing else
		s.shed()
	}
	err := s.loop()
	s.endedAt = time.Now()
	s.terminal.giveBack()
	s.End()
	if err != nil {
		return s.over, err
	}
	for _, w := range s.Watchers {
		if w.Ended == nil {
			continue
		}
		notes, failed := w.Ended(&s.over, s)
		for _, n := range notes {
			s.warn(w.Stage, n)
		}
		err = errors.Join(err, failed)
	}
	return s.over, err
}

// loop checks the child, waits, and handles what has happened, until the end.
func (s *Supervisor) loop() error {
	for _, w := range s.Watchers {
		if w.Started != nil {
			w.Started(s)
		}
	}
	if ended, err := s.awaitPayload(); err != nil || ended {
		return err
	}
	s.stopAsTold() // it may have asked before
	for {
		// A signal may have arrived before the payload existed.
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
		s.ready()
	}
}

// look handles what has stopped or ended. more means that there may be more of it.
func (s *Supervisor) look() (more, ended bool, err error) {
	if s.tracer() == nil {
		ended, err = s.reap()
		if !ended && err == nil && s.pipe < 0 && isReadable(s.PidFD) {
			time.Sleep(10 * time.Millisecond) // its tracer has not reaped it yet
		}
		return false, ended, err
	}
	more, err = s.stops()
	if err == unix.ECHILD || s.detach || s.tracer().Alone && !s.left.IsZero() {
		return false, true, nil
	}
	if err != nil {
		err = fmt.Errorf("wait4: %w", err)
	}
	return more, false, err
}

// timeout is how long nothing needs to be done, in milliseconds; -1 means forever.
func (s *Supervisor) timeout(more bool) int {
	if more {
		return 0
	}
	next := s.noticeDue()
	if at := s.nextDue(); next.IsZero() || !at.IsZero() && at.Before(next) {
		next = at
	}
	if next.IsZero() {
		return -1
	}
	return int(max(0, time.Until(next)+time.Millisecond-1) / time.Millisecond)
}

// nextDue is the earliest deadline of a watcher, or zero.
func (s *Supervisor) nextDue() (next time.Time) {
	for _, w := range s.Watchers {
		if w.Due != nil && !w.Deadline.IsZero() && (next.IsZero() || w.Deadline.Before(next)) {
			next = w.Deadline
		}
	}
	return next
}

// due is the watcher with the earliest deadline that has passed, or nil.
func (s *Supervisor) due() (first *plan.Watcher) {
	for _, w := range s.Watchers {
		if w.Due != nil && !w.Deadline.IsZero() && (first == nil || w.Deadline.Before(first.Deadline)) && !time.Now().Before(w.Deadline) {
			first = w
		}
	}
	return first
}

// watch calls the watchers whose deadline has passed.
func (s *Supervisor) watch() {
	for w := s.due(); w != nil; w = s.due() {
		w.Deadline = time.Time{}
		w.Due(s)
	}
	if at := s.noticeDue(); !at.IsZero() && !time.Now().Before(at) {
		s.noticed = true
		s.warn(s.tracer().Stage, s.tracer().Lingering)
	}
}

// noticeDue is when to report that processes which outlive the payload are being waited
// for; zero means never.
func (s *Supervisor) noticeDue() time.Time {
	if s.left.IsZero() || s.noticed {
		return time.Time{}
	}
	return s.left.Add(noticeAfter)
}

// ready calls the watchers whose descriptor is readable.
func (s *Supervisor) ready() {
	for _, w := range s.Watchers {
		if w.Ready != nil && s.left.IsZero() && isReadable(w.FD) {
			w.Ready(s)
		}
	}
}

func isReadable(fd int) bool { return isReadableWithin(fd, 0) }

// isReadableWithin waits on this thread: a timer of the runtime is another one's, whose timer
// slack is larger.
func isReadableWithin(fd int, d time.Duration) bool {
	most := unix.NsecToTimespec(int64(d))
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &most, nil)
	return n > 0 && err == nil
}

func (s *Supervisor) warn(stage, text string) {
	if tell := s.layout.attr.Warn; tell != nil {
		tell(stage, text)
	}
}

// descriptors are those that the loop also waits for: a message of the rest of the chain,
// the end of the cloned process, and those of the watchers.
func (s *Supervisor) descriptors() []int {
	fds := []int{s.rest.sock, s.leader(), s.leaving()}
	for _, w := range s.Watchers {
		if w.Ready != nil {
			fds = append(fds, w.FD)
		}
	}
	return fds
}

// leader is a PID file descriptor of the cloned process, which becomes readable when it
// has ended, or -1 if SIGCHLD reports that.
func (s *Supervisor) leader() int {
	if s.pipe >= 0 {
		return -1
	}
	return s.PidFD
}
