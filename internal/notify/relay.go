// Package notify relays notifications to a service manager: sd_notify(3).
//
// A manager may listen only to the process that it has started, which is the supervisor
// of a payload, not the payload (NotifyAccess=main of systemd). So the payload sends to a
// socket of the supervisor's, and the supervisor sends what it has received.
package notify

import (
	"fmt"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const (
	// maxMessage is how long a message can be: systemd drops longer ones.
	maxMessage = 4096
	// maxFiles is how many descriptors the kernel passes with a message: SCM_MAX_FD.
	maxFiles = 253
	// pause is the time after which a message is sent again to a manager that has too
	// many waiting, and atEnd how long that is tried once the payload has ended.
	pause = 50 * time.Millisecond
	atEnd = time.Second
	// drained is how many messages are passed on once the payload has ended: as many as
	// the sysctl net.unix.max_dgram_qlen lets wait, by default 10.
	drained = 256
)

// A Relay passes messages on from one datagram socket to another, which is connected.
type Relay struct {
	// Stage and Warn are for warnings, of which there is one of each kind.
	Stage string
	Warn  func(stage, text string)

	from, to int
	watcher  *plan.Watcher
	held     *message
	refused  bool
	failed   bool
	buffer   [maxMessage]byte
	control  []byte
}

// New returns a relay from a socket to another. It owns both.
func New(from, to int) (*Relay, error) {
	r := &Relay{from: from, to: to}
	if err := unix.SetsockoptInt(from, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return nil, fmt.Errorf("SO_PASSCRED: %w", err)
	}
	return r, nil
}

// Watcher has the relay's messages passed on as long as the payload runs.
func (r *Relay) Watcher() *plan.Watcher {
	r.watcher = &plan.Watcher{Stage: r.Stage, FD: r.from, Ready: r.ready, Due: r.due, Ended: r.ended}
	return r.watcher
}

// ready passes one message on.
func (r *Relay) ready(p plan.Payload) {
	if m := r.receive(p); m != nil && !r.send(m) {
		// Until then the payload has to wait, as it would for the manager itself.
		r.held, r.watcher.FD = m, -1
		r.watcher.Deadline = time.Now().Add(pause)
	}
}

// due sends the message that is held again.
func (r *Relay) due(plan.Payload) {
	if !r.send(r.held) {
		r.watcher.Deadline = time.Now().Add(pause)
		return
	}
	r.held, r.watcher.FD = nil, r.from
}

// ended passes on what the payload has sent before its end.
func (r *Relay) ended(_ *plan.End, p plan.Payload) (notes []string, err error) {
	end := time.Now().Add(atEnd)
	for range drained {
		if r.held == nil {
			if !readable(r.from) {
				break
			}
			r.held = r.receive(p)
		}
		for r.held != nil && !r.send(r.held) && time.Now().Before(end) {
			time.Sleep(pause)
		}
		r.held = nil
	}
	unix.Close(r.from)
	unix.Close(r.to)
	return nil, nil
}

func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

// receive takes one message; it is nil if that is not to be passed on.
func (r *Relay) receive(p plan.Payload) *message {
	if r.control == nil {
		r.control = make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4*maxFiles))
	}
	n, controls, flags, _, err := unix.Recvmsg(r.from, r.buffer[:], r.control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil
	}
	m := parse(r.buffer[:n], r.control[:controls])
	switch {
	case !p.Has(m.pid):
		if !r.refused {
			r.Warn(r.Stage, fmt.Sprintf("NOTIFY_SOCKET: a message of process %d, which is not one of the payload's or has ended, was ignored", m.pid))
		}
		r.refused = true
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || len(m.text) == 0:
	default:
		return m
	}
	m.close()
	return nil
}

// send passes a message on. It reports whether it is done with it: the manager has too
// many waiting otherwise.
func (r *Relay) send(m *message) bool {
	var rights []byte
	if len(m.files) > 0 {
		rights = unix.UnixRights(m.files...)
	}
	_, err := unix.SendmsgN(r.to, m.text, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if err == unix.EAGAIN || err == unix.EINTR {
		return false
	}
	if err != nil && !r.failed {
		r.failed = true
		r.Warn(r.Stage, fmt.Sprintf("NOTIFY_SOCKET: the service manager cannot be told: %v", err))
	}
	m.close()
	return true
}
