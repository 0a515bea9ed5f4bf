package run

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Process is a child that performs a plan and then becomes the payload.
type Process struct {
	// PID is the process that was cloned: the payload, or the init or joiner above it.
	PID int
	// PidFD refers to the same process.
	PidFD int
	// Payload is the payload's PID in this process's PID namespace. It equals PID if
	// the cloned process is the payload.
	Payload int
	// Watchers are told what happens to the child: [plan.Context.Watch].
	Watchers []*plan.Watcher

	layout *layout
	sock   int
	// payload is a pidfd of the payload, or -1: see openPayload.
	payload int
	// between are the processes that a joiner has forked, above the payload.
	between []int
	// rest is the supervisor's end of the socket that the rest of the chain keeps, or
	// -1.
	rest int
	ends []func()
	// helpers are children of this program that do not belong to the payload, and proc is
	// where processes are found; both for a subreaper.
	helpers []numbered
	proc    *procfs
	// kept is set if the thread that cloned belongs to this package, and first is a
	// message from the child that has not been handled yet.
	kept  bool
	first *message
	// executed is when the payload was executed.
	executed time.Time
	// reply is a descriptor that is sent with the next answer, or 0.
	reply int
	// bare is set once the memory of the plan was given back, and opened are then the
	// descriptors that are left.
	bare   bool
	opened []int
	// undumpable is set while the program is not dumpable because of this start.
	undumpable bool
}

// Close releases what a start has allocated: memory, the descriptors that the caller's
// ops have opened, and those of the process. It must be called after the child has been
// waited for, and may be called again.
func (c *Process) Close() {
	for _, fd := range []*int{&c.PidFD, &c.payload, &c.sock, &c.rest} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	c.proc.close()
	c.proc = nil
	if c.layout == nil {
		return
	}
	if !c.bare {
		c.opened = c.layout.callerOpened()
	}
	for _, fd := range c.opened {
		unix.Close(fd)
	}
	c.layout.free()
	c.layout = nil
}

// shed gives back the memory of a plan whose payload has been executed: nobody needs it,
// except an init or a joiner.
func (c *Process) shed() {
	if !c.Direct() || c.bare {
		return
	}
	c.opened, c.bare = c.layout.callerOpened(), true
	advice := unix.MADV_DONTNEED
	if c.layout.plan.OwnMemory() {
		advice = unix.MADV_REMOVE // shared memory stays otherwise
	}
	unix.Madvise(c.layout.arena, advice)
}

// Signal sends a signal to the payload. SIGKILL also ends what was cloned for it: an
// init, a joiner, and thereby a new PID namespace. The error is os.ErrProcessDone if
// the payload has ended. Preconditions: Close was not called.
func (c *Process) Signal(sig unix.Signal) error {
	err := unix.PidfdSendSignal(c.payloadFD(), sig, nil, 0)
	if sig == unix.SIGKILL && c.payload >= 0 {
		err = unix.PidfdSendSignal(c.PidFD, sig, nil, 0)
	}
	return doneIf(err)
}

// payloadFD is a pidfd of the payload, or that of the process above it if there is none.
func (c *Process) payloadFD() int {
	if c.payload >= 0 {
		return c.payload
	}
	return c.PidFD
}

// openPayload opens a pidfd of a payload that is not the process that was cloned. Its
// number is its own only until its parent, which is not this process, has reaped it: so a
// child of that parent must have it once it has been opened. Without procfs, the parent
// must be there and not have told of an end.
func (c *Process) openPayload() {
	if c.Direct() {
		return
	}
	fd, err := unix.PidfdOpen(c.Payload, 0)
	if err != nil {
		return
	}
	parent, err := parentOf(fd)
	above, err2 := procPID(c.PidFD)
	for n := c.layout.plan.Forks(); n > 0 && err == nil && parent != above; n-- {
		c.between = append(c.between, parent)
		parent, err = parentOfPID(parent)
	}
	_, ended := c.PayloadStatus()
	if ended || isReadable(c.PidFD) || err == unix.ESRCH || err == nil && err2 == nil && parent != above {
		unix.Close(fd)
		return
	}
	c.payload = fd
}

func doneIf(err error) error {
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// Setup performs the steps when the child reaches them. It returns when the payload has
// been executed, or with the reason why it was not; the child has then ended.
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
	c.executed = time.Now()
	if c.layout.head.failed == 0 && c.atExec() {
		c.openPayload()
		return nil
	}
	status := c.waitPayload()
	c.End()
	if f := c.layout.head.failed; f != 0 && int(f) <= len(c.layout.index) {
		err := c.layout.failure(int(f) - 1)
		if unfit := (*plan.Unfit)(nil); errors.As(err, &unfit) && !unfit.Said() {
			// As below.
			if given := c.layout.attr.Interrupt.soon(); given != nil {
				return given
			}
		}
		return err
	}
	op := c.layout.op(c.reached())
	if status.Signaled() {
		// A signal for the process group has also been sent to this process.
		if given := c.layout.attr.Interrupt.soon(); given != nil {
			return given
		}
		if c.killedAtBirth(status) {
			return &plan.StepError{Stage: op.Stage, Err: errKilledAtBirth}
		}
		return &plan.Killed{Stage: op.Stage, Op: c.layout.text(c.reached()), For: op.Cause, Signal: status.Signal()}
	}
	return &plan.StepError{Stage: op.Stage, Err: errors.New("the child ended before the payload started")}
}

// errKilledAtBirth is for a bug of Linux before 7.3: a process that is created in a control
// group (CLONE_INTO_CGROUP) is killed if the two groups were not killed equally often.
var errKilledAtBirth = errors.New("the kernel killed the process when it created it in its control group, as Linux before 7.3 does if the control group of this process was once killed by cgroup.kill: start the chain from another control group, for example with systemd-run")

// killedAtBirth reports whether that is what has happened: the process was killed before
// its first op.
func (c *Process) killedAtBirth(status unix.WaitStatus) bool {
	first := int(c.layout.head.child)
	if c.layout.head.nforks != 0 {
		first = int(c.layout.head.between)
	}
	return c.layout.plan.Into != nil && status.Signal() == unix.SIGKILL && c.layout.record(first).done == 0
}

// steps answers the child until it closes its end of the socket.
func (c *Process) steps() error {
	at := &stepContext{pid: c.PID, layout: c.layout, sock: c.sock, process: c}
	for _, it := range c.layout.items {
		if it.Step != nil || it.Actor == plan.Caller || !it.Op.Is(plan.Tells) {
			continue
		}
		m, err := c.next()
		if err != nil || !m.open {
			return err
		}
		if m.pid > 0 {
			c.Payload, at.pid = m.pid, m.pid
		}
		if it.Op.Asks != nil {
			err = c.perform(it.Op.Asks, at, m)
		} else if !it.Op.Is(plan.Awaits) {
			continue
		}
		if errors.Is(err, errChildEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.answer(); err != nil && err != unix.EPIPE {
			return fmt.Errorf("answer the child: %w", err)
		}
	}
	m, err := c.next()
	if err == nil && m.open {
		err = errors.New("the child sent more than the plan has")
	}
	return err
}

// answer lets the child continue. A program that continues to run is not to get SIGPIPE;
// to others an earlier filter is more likely to deny sendto(2).
func (c *Process) answer() error {
	if c.reply > 0 {
		err := unix.Sendmsg(c.sock, []byte{1}, unix.UnixRights(c.reply), nil, unix.MSG_NOSIGNAL)
		c.dropReply()
		return err
	}
	if c.kept {
		return unix.Sendto(c.sock, []byte{1}, unix.MSG_NOSIGNAL, nil)
	}
	_, err := unix.Write(c.sock, []byte{1})
	return err
}

func (c *Process) dropReply() {
	if c.reply > 0 {
		unix.Close(c.reply)
	}
	c.reply = 0
}

// perform performs a step that the child asks for.
func (c *Process) perform(step *plan.Step, at *stepContext, m message) error {
	err := m.give(at, step)
	if err == nil {
		err = at.do(step)
	}
	for _, fd := range m.fds {
		unix.Close(fd)
	}
	if err != nil {
		c.dropReply()
	}
	if given := c.layout.attr.Interrupt.err(); err != nil && given != nil {
		return given // which may also have ended a helper
	}
	return err
}

// A message is what the child has sent: its PID, and descriptors. open is false at end
// of file; full means that this process could not open all of the descriptors.
type message struct {
	pid        int
	fds        []int
	open, full bool
}

// give passes the step the descriptors that it takes.
func (m *message) give(at *stepContext, step *plan.Step) error {
	switch {
	case len(m.fds) < len(step.Takes) && m.full:
		return fmt.Errorf("recvmsg: %w", unix.EMFILE)
	case len(m.fds) != len(step.Takes):
		return fmt.Errorf("the child sent %d descriptors, the step takes %d", len(m.fds), len(step.Takes))
	}
	at.fds = map[*plan.Result]int{}
	for i, r := range step.Takes {
		at.fds[r] = m.fds[i]
	}
	return nil
}

// receive waits for the child's next message.
//
// It blocks in recvmsg(2) itself: the child is about to answer, and setting up a poller
// would take longer.
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
		m := message{open: true, full: msg.Flags&unix.MSG_CTRUNC != 0}
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

// reached is the first record of the child that has not been performed.
func (c *Process) reached() int {
	n := len(c.layout.index)
	for k := c.layout.child; k < n; k++ {
		if c.layout.record(k).done == 0 {
			return k
		}
	}
	return n - 1
}

// atExec reports whether only the execution of the payload is left of the plan.
func (c *Process) atExec() bool {
	return c.layout.op(c.reached()).Is(plan.Executes)
}

// kill ends the child and reaps it. Processes that it had started in new namespaces
// have a parent-death signal.
func (c *Process) kill() {
	unix.Kill(c.PID, unix.SIGKILL) // the PID cannot be reused until it has been reaped
	if !c.endLate() {
		c.waitPayload()
	}
	c.End()
}

// End ends what steps have left running for the payload, see [plan.Context.AtEnd]. It
// must be called after the payload's end; if [Process.Setup] fails, it has been called.
func (c *Process) End() {
	for _, end := range c.ends {
		end()
	}
	c.ends = nil
}

// waitPayload reaps the child and returns the status of the process that was to become
// the payload.
func (c *Process) waitPayload() unix.WaitStatus {
	status := c.reap()
	if of, ok := c.PayloadStatus(); ok {
		return of
	}
	return status
}

// PayloadStatus is the wait status of the payload of a plan with an init or a joiner,
// once that has ended. ok is false if the payload did not end before it.
func (c *Process) PayloadStatus() (status unix.WaitStatus, ok bool) {
	s := c.layout.head.status
	return unix.WaitStatus(uint32(s - 1)), s != 0
}

// IsPID1 reports whether the payload is PID 1 of a PID namespace, for which signals
// have no effect unless it handles them.
func (c *Process) IsPID1() bool { return c.layout.plan.PayloadIsPID1() }

// Direct reports whether the cloned process is the payload; otherwise an init or a
// joiner is in between.
func (c *Process) Direct() bool { return c.layout.plan.Direct() }
