package plan

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Process is a child that performs a plan and then is the payload.
type Process struct {
	// PID is the process that was cloned: the payload, or the init or joiner
	// above it.
	PID int
	// PidFD refers to the same process.
	PidFD int
	// Payload is the payload's PID, seen from here. It is PID if that process
	// is the payload.
	Payload int
	// Watch is what follows the child, or nil.
	Watch *Watch

	plan   *Plan
	layout *layout
	sock   int
	// rest is our end of the socket that the rest of the chain keeps, or -1.
	rest int
	ends []func()
}

// Close gives back what a start has taken: memory, the descriptors that the caller's
// ops have opened, and those of the process. It belongs after the child has been
// waited for, and may be called again.
func (c *Process) Close() {
	for _, fd := range []*int{&c.PidFD, &c.sock, &c.rest} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	if c.layout == nil {
		return
	}
	for k, i := range c.layout.index {
		it := c.plan.items[i]
		if it.who != Caller {
			break
		}
		if r := c.layout.record(k); it.op.opens && r.done != 0 && int(r.result) >= 0 && !c.plan.callerCloses(it.op.gives) {
			unix.Close(int(r.result))
		}
	}
	c.layout.free()
	c.layout = nil
}

// callerCloses reports whether an op of the caller's closes a descriptor.
func (p *Plan) callerCloses(r *Result) bool {
	for _, it := range p.items {
		if it.who == Caller && it.op.closes == r {
			return true
		}
	}
	return false
}

// Setup does the outside steps as the child comes to them and returns when the
// payload has been executed, or with the reason why it was not; the child is
// then gone.
func (c *Process) Setup() error {
	defer func() {
		unix.Close(c.sock)
		c.sock = -1
	}()
	err := c.steps()
	if err != nil {
		c.kill()
		return err
	}
	// The child's end is closed: it has executed the payload, or has ended.
	if c.layout.head.failed == 0 && c.atExec() {
		return nil
	}
	status := c.wait()
	c.End()
	if f := c.layout.head.failed; f != 0 && int(f) <= len(c.layout.index) {
		return c.plan.failure(c.layout, int(f)-1)
	}
	op := c.plan.items[c.layout.index[c.reached()]].op
	if status.Signaled() {
		// Who has sent it to the process group has sent it to this one too.
		if given := c.plan.Interrupt.soon(); given != nil {
			return given
		}
		return &Killed{Stage: op.Stage, Op: op.String(), For: op.cause, Signal: status.Signal()}
	}
	return &StepError{Stage: op.Stage, Err: errors.New("the child ended before the payload started")}
}

// steps answers the child until it closes its end of the socket.
func (c *Process) steps() error {
	at := &At{PID: c.PID, plan: c.plan, layout: c.layout, sock: c.sock, process: c, warn: c.plan.Warn, ends: &c.ends}
	for i, it := range c.plan.items {
		if it.who == Caller || it.who == Beyond || !it.op.tells {
			continue
		}
		m, err := c.receive()
		if err != nil || !m.open {
			return err
		}
		if m.pid > 0 {
			c.Payload, at.PID = m.pid, m.pid
		}
		step := c.plan.items[i+1].step
		if step == nil {
			continue
		}
		err = m.give(at, step)
		if err == nil {
			err = at.do(step)
		}
		for _, fd := range m.fds {
			unix.Close(fd)
		}
		if err != nil {
			if given := c.plan.Interrupt.err(); given != nil {
				err = given // of which a helper may have ended too
			}
			return err
		}
		if err := unix.Sendto(c.sock, []byte{1}, unix.MSG_NOSIGNAL, nil); err != nil && err != unix.EPIPE {
			return fmt.Errorf("answer the child: %w", err)
		}
	}
	m, err := c.receive()
	if err == nil && m.open {
		err = errors.New("the child sent more than the plan has")
	}
	return err
}

// A message is what the child has sent: who it is, and descriptors. open is
// false at end of file.
type message struct {
	pid  int
	fds  []int
	open bool
}

// give lets the step have the descriptors that it takes.
func (m *message) give(at *At, step *Outside) error {
	if len(m.fds) != len(step.Takes) {
		return fmt.Errorf("the child sent %d descriptors, the step takes %d", len(m.fds), len(step.Takes))
	}
	at.fds = map[*Result]int{}
	for i, r := range step.Takes {
		at.fds[r] = m.fds[i]
	}
	return nil
}

// receive waits for the child's next message.
//
// It blocks in recvmsg(2) itself: the child is about to answer, and a poller would
// take longer to set up than that.
func receive(sock int) (message, error) {
	var b [1]byte
	var control [256]byte
	iov := unix.Iovec{Base: &b[0], Len: 1}
	for {
		msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: &control[0], Controllen: uint64(len(control))}
		n, _, e := unix.Syscall(unix.SYS_RECVMSG, uintptr(sock), uintptr(unsafe.Pointer(&msg)), unix.MSG_CMSG_CLOEXEC)
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.ECONNRESET, e == 0 && n == 0:
			return message{}, nil
		case e != 0:
			return message{}, fmt.Errorf("wait for the child: %w", e)
		}
		m := message{open: true}
		if msgs, err := unix.ParseSocketControlMessage(control[:msg.Controllen]); err == nil {
			for _, c := range msgs {
				if cred, err := unix.ParseUnixCredentials(&c); err == nil {
					m.pid = int(cred.Pid)
				}
				if fds, err := unix.ParseUnixRights(&c); err == nil {
					m.fds = append(m.fds, fds...)
				}
			}
		}
		return m, nil
	}
}

// reached is the first record of the child that has not been done.
func (c *Process) reached() int {
	n := len(c.layout.index)
	for k := c.layout.child; k < n; k++ {
		if c.layout.record(k).done == 0 {
			return k
		}
	}
	return n - 1
}

// atExec reports whether all that is left of the plan is executing the payload.
func (c *Process) atExec() bool {
	return c.plan.items[c.layout.index[c.reached()]].op.exec
}

// kill ends the child and reaps it. What it had started in namespaces of its
// own has a parent-death signal.
func (c *Process) kill() {
	unix.Kill(c.PID, unix.SIGKILL) // the number is its own until it has been reaped
	c.wait()
	c.End()
}

// End ends what outside steps have left running for the payload, see
// [At.AtEnd]. It belongs after the payload's end; when [Process.Setup] fails it
// has been done.
func (c *Process) End() {
	for _, end := range c.ends {
		end()
	}
	c.ends = nil
}

// wait reaps the child and returns the status of what was to be the payload.
func (c *Process) wait() unix.WaitStatus {
	status := c.reap()
	if of, ok := c.PayloadStatus(); ok {
		return of
	}
	return status
}

// PayloadStatus is the wait status of the payload of a plan with an init or a
// joiner, once that has ended. ok is false if the payload did not end before.
func (c *Process) PayloadStatus() (status unix.WaitStatus, ok bool) {
	s := c.layout.head.status
	return unix.WaitStatus(uint32(s - 1)), s != 0
}

// IsPID1 reports whether the payload is PID 1 of a PID namespace, whose signals
// do nothing unless it handles them.
func (c *Process) IsPID1() bool { return c.plan.pid1 }

// Direct reports whether the process that was cloned is the payload; else an
// init or a joiner stands between.
func (c *Process) Direct() bool { return c.plan.between == Caller }

// Rest is the supervisor's end of a socket on which the rest of the chain tells
// what it comes to ([Tell]), or -1 if the payload is what the plan executes.
func (c *Process) Rest() int { return c.rest }

// Trace writes each op that was done, and its result.
func (c *Process) Trace(w io.Writer) {
	var b strings.Builder
	k, failed := 0, c.layout.head.failed != 0
	for _, it := range c.plan.items {
		if it.step != nil {
			writeStep(&b, it.step)
			continue
		}
		r := c.layout.record(k)
		k++
		switch {
		case r.done != 0:
			writeOp(&b, it, r)
		case it.op.exec && !failed:
			// It has replaced the child: nobody is there to tell the result.
			writeOp(&b, it, nil)
			failed = true
		}
	}
	io.WriteString(w, b.String())
}
