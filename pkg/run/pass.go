package run

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An action is what a process does on a signal, as far as can be seen.
type action int

const (
	byDefault action = iota
	ignored
	handled
	// blocked may last only for a moment, for example while a process is started.
	blocked
)

// isTerminal reports whether the kernel sends sig to a process group on behalf of its
// terminal. Any other signal from the kernel is for this process, such as that of a
// timer that the caller set before it executed this program.
func isTerminal(sig unix.Signal) bool {
	switch sig {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH, unix.SIGCONT:
		return true
	}
	return isStop(sig)
}

// isStop reports whether the default action of sig is to stop, and sig can be caught.
func isStop(sig unix.Signal) bool {
	return sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

// isIgnored reports whether the default action of sig is to ignore it or to continue.
func isIgnored(sig unix.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH:
		return true
	}
	return false
}

// pass forwards a signal to the payload, and performs the default action where the
// kernel does not.
func (s *Supervisor) pass(info siginfo) {
	sig := info.signal()
	// What the payload will do on it must be read before it does it.
	does := handled
	if s.spared(sig) {
		does = s.action(sig)
	}
	switch {
	case isStop(sig) && s.stopsUnseen() && info.sentBy(s.Payload):
		does = byDefault // it stops together with its process group
	case isStop(sig) && does == blocked && s.rest.supervises:
		does = handled // it is about to stop, and tells so: one stop must not be two
	}
	switch {
	case info.code == siQueue:
		// With the value that came with it; the kernel corrects the rest of the
		// information about the sender.
		if err := unix.PidfdSendSignal(s.payload, sig, (*unix.Siginfo)(unsafe.Pointer(&info)), 0); err != nil {
			s.send(sig)
		}
	case isTerminal(sig) && s.above.sentToGroup(sig):
		s.sendGroup(sig)
	case info.code != siKernel || !isTerminal(sig):
		s.send(sig)
	case !s.sharesGroup() || leads() && (sig == unix.SIGHUP || sig == unix.SIGCONT):
		s.sendGroup(sig)
	}
	s.doIf(does, sig)
}

// doIf performs the default action of a signal that was sent to the payload, if that is
// what the payload does, or later if it has blocked the signal.
func (s *Supervisor) doIf(does action, sig unix.Signal) {
	switch does {
	case byDefault:
		s.act(sig)
	case blocked:
		s.doubtful, s.pause = s.doubtful|bit(sig), time.Millisecond
	}
}

// spared reports whether the payload may not perform the default action of a signal, or
// may perform it unseen.
func (s *Supervisor) spared(sig unix.Signal) bool {
	if isStop(sig) {
		return s.stopsUnseen()
	}
	return s.IsPID1() && !isIgnored(sig)
}

// act performs the default action of a signal on the payload.
func (s *Supervisor) act(sig unix.Signal) {
	switch {
	case isStop(sig) && s.tracer() != nil:
		// It stops only if its tracer, the supervisor, lets it.
		s.sendGroup(unix.SIGSTOP)
		s.stopping = true
		// It may have stopped by the signal itself already. Then nothing more is heard of it.
		s.stopDue = s.stopDue || s.left.IsZero() && s.hasStopped()
		return
	case isStop(sig):
		s.stopPayload()
		s.stop()
		return
	}
	s.killed = sig
	s.send(unix.SIGKILL)
}

// await waits for the next signal, or until something must be checked again; timeout is
// in milliseconds, and -1 means forever.
func (s *Supervisor) await(timeout int) error {
	if s.doubtful == 0 {
		return s.wait(timeout, s.descriptors()...)
	}
	if pause := int(s.pause / time.Millisecond); timeout < 0 || timeout > pause {
		timeout = pause
	}
	err := s.wait(timeout, s.descriptors()...)
	s.settle()
	s.pause = min(2*s.pause, time.Second)
	return err
}

// settle checks what has become of signals that the payload had blocked. For PID 1 the
// kernel drops a signal for which there is only the default action, but a pending one
// is not dropped: a thread that waits for it does not block it.
func (s *Supervisor) settle() {
	sets, err := signalsOf(s.payload)
	for sig := unix.Signal(1); sig <= numSignals; sig++ {
		if s.doubtful&bit(sig) == 0 {
			continue
		}
		does := byDefault
		switch {
		case isStop(sig) && s.hasStopped():
			// Its first thread may block a signal for which another thread has stopped
			// all of them.
		case err == nil && sets.pending&bit(sig) != 0:
			continue
		default:
			does = s.action(sig)
		}
		// The terminal may have sent it before the payload blocked it, and the check
		// came after that.
		if does == blocked && s.pause < time.Second {
			continue
		}
		s.doubtful &^= bit(sig)
		if does == byDefault {
			s.act(sig)
		}
	}
}

// stopsUnseen reports whether the payload does not stop on a signal although that is
// its default action, or whether the supervisor is not told. The kernel does not stop a
// PID 1 or an orphaned process group, and a stop of an init's child is reported to the
// init.
func (s *Supervisor) stopsUnseen() bool {
	return s.IsPID1() || !s.Direct() || !s.sharesSession()
}

// send sends a signal to the payload. The filter under which the supervisor was started
// may not allow pidfd_send_signal(2), which is new in Linux 5.1.
func (s *Supervisor) send(sig unix.Signal) {
	err := unix.PidfdSendSignal(s.payload, sig, nil, 0)
	if (err == unix.EPERM || err == unix.ENOSYS) && s.hasNumber() {
		unix.Kill(s.Payload, sig)
	}
}

// hasNumber reports whether the number of the payload still is the payload's: until it
// has been reaped, which a process above it may do at any time.
func (s *Supervisor) hasNumber() bool {
	if s.Direct() {
		return true
	}
	_, ended := s.PayloadStatus()
	return s.Process.payload >= 0 && !ended && !isReadable(s.Process.payload) && !isReadable(s.PidFD)
}

// sendGroup sends a signal to the process group of the payload, as the terminal would,
// if the payload has its own process group in its own session; otherwise only to the
// payload.
func (s *Supervisor) sendGroup(sig unix.Signal) {
	s.rest.tellGroup(sig)
	const processGroup = 1 << 2 // PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
	pgid, err := unix.Getpgid(s.Payload)
	if err == nil && pgid == s.Payload && !s.sharesSession() {
		if unix.PidfdSendSignal(s.payload, sig, nil, processGroup) == nil {
			return
		}
		if s.hasNumber() && unix.Kill(-pgid, sig) == nil {
			return
		}
	}
	s.send(sig)
}

// leads reports whether this process is a session leader: only a session leader is told
// when the terminal hangs up.
func leads() bool {
	sid, err := unix.Getsid(0)
	return err == nil && sid == unix.Getpid()
}

// sharesGroup reports whether the payload also receives what the terminal sends to this
// process group.
func (s *Supervisor) sharesGroup() bool {
	a, err := unix.Getpgid(s.Payload)
	return err == nil && a == unix.Getpgrp()
}

func (s *Supervisor) sharesSession() bool {
	a, err := unix.Getsid(s.Payload)
	b, err2 := unix.Getsid(0)
	return err == nil && err2 == nil && a == b
}
