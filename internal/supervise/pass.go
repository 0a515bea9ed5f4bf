package supervise

import (
	"golang.org/x/sys/unix"
)

// An action is what a process does on a signal, as far as we can see.
type action int

const (
	byDefault action = iota
	ignored
	handled
)

// isTerminal reports whether the kernel sends sig to a process group for its
// terminal. Whatever else it sends is for this process: a timer that the caller
// has set before it executed us.
func isTerminal(sig unix.Signal) bool {
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH, unix.SIGCONT:
		return true
	}
	return isStop(sig)
}

// isStop reports whether the default action of sig is to stop, and sig can be
// caught.
func isStop(sig unix.Signal) bool {
	return sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

// isIgnored reports whether the default action of sig is nothing, or to go on.
func isIgnored(sig unix.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH:
		return true
	}
	return false
}

// pass has the payload get a signal, and what it is spared of that.
func (s *Supervisor) pass(info siginfo) {
	sig := info.signal()
	// What the payload does on it is to be seen before it does it.
	var act func()
	switch {
	case isStop(sig) && s.stopsUnseen():
		if info.sentBy(s.Payload) || s.action(sig) == byDefault {
			act = func() { s.sendGroup(unix.SIGSTOP); s.stop() }
		}
	case s.IsPID1() && !isStop(sig) && !isIgnored(sig) && s.action(sig) == byDefault:
		act = func() { s.killed = sig; s.send(unix.SIGKILL) }
	}
	switch terminal := info.code == siKernel && isTerminal(sig); {
	case !terminal:
		s.send(sig)
	case !s.sharesGroup():
		s.sendGroup(sig)
	}
	if act != nil {
		act()
	}
}

// stopsUnseen reports whether the payload does not stop of a signal though that
// is its default action, or nobody tells us that it does. The kernel spares a
// PID 1 and a process group without a parent in the same session, and who waits
// for the child of an init is that.
//
// Such a payload that sends us a stop means to stop with all of its process
// group.
func (s *Supervisor) stopsUnseen() bool {
	return s.IsPID1() || !s.Direct() || !s.sharesSession()
}

func (s *Supervisor) send(sig unix.Signal) {
	unix.PidfdSendSignal(s.payload, sig, nil, 0)
}

// sendGroup sends a signal to the process group of the payload if that is one of
// its own, in a session of its own, as the terminal would; else to the payload.
func (s *Supervisor) sendGroup(sig unix.Signal) {
	const processGroup = 1 << 2 // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
	pgid, err := unix.Getpgid(s.Payload)
	if err == nil && pgid == s.Payload && !s.sharesSession() {
		if unix.PidfdSendSignal(s.payload, sig, nil, processGroup) == nil {
			return
		}
		// The number of a child that is not waited for is its own.
		if s.Direct() && unix.Kill(-pgid, sig) == nil {
			return
		}
	}
	s.send(sig)
}

// sharesGroup reports whether what the terminal sends to our process group goes
// to the payload as well.
func (s *Supervisor) sharesGroup() bool {
	a, err := unix.Getpgid(s.Payload)
	return err == nil && a == unix.Getpgrp()
}

func (s *Supervisor) sharesSession() bool {
	a, err := unix.Getsid(s.Payload)
	b, err2 := unix.Getsid(0)
	return err == nil && err2 == nil && a == b
}
