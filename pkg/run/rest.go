package run

import (
	"errors"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A rest is what the supervisor knows about a payload that is a stage, with the rest of
// a chain, and has not yet executed the actual payload.
type rest struct {
	// sock is a socket on which the rest reports its progress, or -1.
	sock int
	// begun is set if there was such a socket.
	begun bool
	// payload is set once the payload exists, or another supervisor, which handles
	// signals itself.
	payload bool
	// supervises is set if it is that supervisor.
	supervises bool
	// executes is set once only the execution of the payload is left.
	executes bool
	// stops is set if it asks to be stopped, and dies is the signal by which it would
	// have been terminated; both because it is a PID 1 that cannot do that itself.
	stops bool
	dies  unix.Signal
}

// receive reads what the rest of the chain reports.
func (r *rest) receive() {
	for r.sock >= 0 {
		var b [2]byte
		n, _, err := unix.Recvfrom(r.sock, b[:], unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			unix.Close(r.sock)
			r.sock, r.payload = -1, true
			return
		}
		switch b[0] {
		case plan.TellAsks:
			unix.Write(r.sock, []byte{plan.TellAsks}) // it may have ended
		case plan.TellExecutes:
			r.executes = true
		case plan.TellSupervises:
			r.executes, r.payload, r.supervises = true, true, true
		case plan.TellStops:
			r.stops = true
		case plan.TellDies:
			r.dies = unix.Signal(b[1])
		}
	}
}

// awaitPayload waits until the rest of the chain has executed the payload, or has a
// supervisor itself, or has ended. A signal that asks for the end ends it too, as it
// would before the first program is executed; other signals are held for the payload.
func (s *Supervisor) awaitPayload() (ended bool, err error) {
	for s.rest.sock >= 0 {
		if ended, err = s.reap(); err != nil || ended {
			return ended, err
		}
		var given *Interrupted
		err := s.asked()
		// The payload may have existed before the signal arrived.
		if s.rest.receive(); s.rest.sock < 0 || s.rest.payload {
			return false, nil
		}
		switch {
		case errors.As(err, &given) && s.killed == 0:
			s.killed = given.Signal
			s.send(unix.SIGKILL)
		case err != nil && given == nil:
			return false, err
		}
		if err := s.poll(s.timeout(false), s.descriptors()...); err != nil {
			return false, err
		}
		s.watch()
		s.ready()
	}
	return false, nil
}

// stopAsTold stops this process if the rest of the chain asks for that. A direct child
// that can stop itself does so.
func (s *Supervisor) stopAsTold() {
	s.rest.receive()
	if !s.rest.stops {
		return
	}
	s.rest.stops = false
	if s.IsPID1() || !s.Direct() {
		s.stopPayload()
		s.rest.receive() // it may have asked again in the meantime
		s.rest.stops = false
		s.stop()
	}
}

// crashed is the exit status of the Go runtime in a stage that is PID 1 and gets a
// signal, for example from the terminal, before its handling is set up.
const crashed = 2

// atRest is the status of a payload that ended with status, if the rest of the chain
// has reported, or would have, that it was another one.
func (s *Supervisor) atRest(status unix.WaitStatus) unix.WaitStatus {
	if !s.rest.begun {
		return status
	}
	s.rest.receive()
	if sig := s.rest.dies; sig != 0 && !status.Signaled() && status.ExitStatus() == 128+int(sig) {
		return unix.WaitStatus(sig)
	}
	if code := status.ExitStatus(); s.rest.executes || status.Signaled() || code != crashed && code <= 128 {
		return status
	}
	s.more()
	var given *Interrupted
	switch {
	case s.killed != 0:
		return unix.WaitStatus(s.killed)
	case errors.As(s.asked(), &given):
		return unix.WaitStatus(given.Signal)
	}
	return status
}

// tellGroup tells another supervisor below that the signal it is about to get is for a
// process group, as if its terminal had sent it.
func (r *rest) tellGroup(sig unix.Signal) {
	if r.supervises && r.sock >= 0 {
		unix.Sendto(r.sock, []byte{plan.TellGroup, byte(sig)}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil)
	}
}

// above is a socket to the supervisor of an earlier stage.
type above struct {
	fd int // or 0
	// group are signals that it has sent for a process group, and that have not arrived
	// yet.
	group uint64
}

// tell sends a message to that supervisor, if there is one, and reports whether it did.
func (a *above) tell(what ...byte) bool {
	return a.fd > 0 && unix.Sendto(a.fd, what, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, nil) == nil
}

// sentToGroup reports whether that supervisor has said that the signal, which has
// arrived, is for a process group.
func (a *above) sentToGroup(sig unix.Signal) bool {
	for a.fd > 0 {
		var b [2]byte
		n, _, err := unix.Recvfrom(a.fd, b[:], unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		if b[0] == plan.TellGroup && 0 < b[1] && b[1] <= numSignals {
			a.group |= bit(unix.Signal(b[1]))
		}
	}
	is := a.group&bit(sig) != 0
	a.group &^= bit(sig)
	return is
}
