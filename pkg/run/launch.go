package run

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// kept is the thread that clones for a program that continues to run: a parent-death
// signal is sent when the thread that made the clone ends, and Go ends a thread when a
// goroutine locked to it ends. This one ends with the program.
var kept struct {
	once sync.Once
	todo chan func()
}

// OnThread calls f on a thread that lives as long as the program and whose state, such
// as its credentials and namespaces, no goroutine has changed. If the start is
// interrupted while other calls use the thread, it returns why. f must not call
// OnThread.
func OnThread(i *Interrupt, f func() error) error {
	kept.once.Do(func() {
		kept.todo = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range kept.todo {
				f()
			}
		}()
	})
	done := make(chan error, 1)
	var given <-chan struct{}
	if i != nil {
		given = i.Done
	}
	select {
	case kept.todo <- func() { done <- f() }:
		return <-done
	case <-given:
		return i.Err()
	}
}

// Launch is [Program.Start] and [Process.Setup] for a program that continues to run,
// with goroutines on any thread: the payload has been executed when it returns nil.
// Nothing remains if it fails.
//
// It may be called by many goroutines at once. The clone is made by a thread of this
// package ([OnThread]) under syscall.ForkLock, which is held until the child has closed
// what it has inherited. Preconditions: the plan is isolated ([plan.Plan.Isolate]).
func (r *Program) Launch(attr Attr) (*Process, error) {
	p := r.template.plan
	if !p.Isolated() {
		panic("run: Launch is for isolated plans")
	}
	if err := attr.Command.check(r.template); err != nil {
		return nil, err
	}
	l, err := r.lay(attr)
	if err != nil {
		return nil, err
	}
	c := &Process{layout: l, PidFD: -1, payload: -1, sock: -1, rest: -1, kept: true}
	childs, err := c.connect()
	if err == nil {
		err = OnThread(attr.Interrupt, func() error { return c.cloneApart(childs) })
	} else {
		closeAll(childs)
	}
	if err == nil {
		err = c.Setup()
	} else {
		closeAll(childs)
		if c.PID > 0 {
			c.kill()
		}
		c.End()
	}
	c.endUndumpable()
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func closeAll(fds []int) {
	for i, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
			fds[i] = -1
		}
	}
}

// cloneApart clones, undoes what the ops before the clone have changed for this thread,
// and waits until the child has closed what it has inherited. Until then a file that is
// being written in this program is open for writing in the child too, and execve(2) of
// it fails with ETXTBSY.
func (c *Process) cloneApart(childs []int) error {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	c.layout.giveRaised()
	err := c.giveDumpable()
	if err != nil {
		return err
	}
	err = c.clone()
	if again := c.afterClone(); err == nil {
		err = again
	}
	if c.layout.plan.OwnMemory() {
		c.endUndumpable()
	}
	if err != nil {
		return err
	}
	closeAll(childs) // otherwise the end of the child would not be noticed
	c.first = &message{}
	*c.first, err = c.receiveFirst()
	return err
}

// patienceAtClone is how long a child may take to close what it has inherited. Nothing
// there waits for anybody, but a child may be stopped, or frozen with its cgroup, and this
// program can meanwhile not start any other process.
var patienceAtClone = 5 * time.Second

// receiveFirst waits for the child's first message, for a limited time of its own: in
// which this program is stopped does not count.
func (c *Process) receiveFirst() (message, error) {
	const most = 100 * time.Millisecond
	for left := patienceAtClone; left > 0; {
		began := time.Now()
		readable, err := c.layout.attr.Interrupt.wait(c.sock, int(most/time.Millisecond))
		switch {
		case err != nil:
			return message{}, err
		case readable:
			return receive(c.sock)
		}
		left -= min(time.Since(began), 2*most)
	}
	return message{}, fmt.Errorf("process %d did not close the descriptors of this program within %v: it was stopped or frozen", c.PID, patienceAtClone)
}

// afterClone performs the caller's ops after the clone.
func (c *Process) afterClone() error {
	l, from := c.layout, 0
	for !l.op(from).Is(plan.Clones) {
		from++
	}
	from++
	end := from
	for end < len(l.index) && l.items[l.index[end]].Actor == plan.Caller {
		end++
	}
	// The child writes to the header too.
	for k := from; k < end; k++ {
		r := l.record(k)
		if r.skip != 0 || l.op(k).If == plan.GivenDumpable {
			continue // that is for endUndumpable
		}
		if _, _, e := syscall.RawSyscall6(r.nr, r.args[0], r.args[1], r.args[2], r.args[3], r.args[4], r.args[5]); e != 0 {
			r.result, r.done = -uintptr(e), 1
			return l.failure(k)
		}
		r.done = 1
	}
	return nil
}

// next is the child's next message.
func (c *Process) next() (m message, err error) {
	if c.first != nil {
		m, c.first = *c.first, nil
		return m, nil
	}
	return c.receive()
}

func (a *stepContext) SendFiles() error {
	var fds []int
	if c := a.layout.attr.Command; c != nil {
		fds = c.Files
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, err := unix.SendmsgN(a.process.sock, []byte{1}, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send the child its descriptors: %w", err)
	}
	return nil
}

func (a *stepContext) OnThread(f func() error) error {
	if a.process == nil || !a.process.kept || a.sock < 0 {
		return f()
	}
	return OnThread(a.layout.attr.Interrupt, f)
}

// patienceAtKill is how long to wait for the end of a killed child: one that the kernel
// cannot interrupt, for example on a file system that does not respond, ends later.
const patienceAtKill = 2 * time.Second

// endLate leaves a killed child that does not end to a goroutine.
func (c *Process) endLate() bool {
	if !c.kept || readableWithin(c.PidFD, patienceAtKill) {
		return false
	}
	late := *c
	late.sock, late.rest = -1, -1
	c.layout, c.PidFD, c.undumpable = nil, -1, false
	go func() {
		late.waitPayload()
		late.endUndumpable()
		late.Close()
	}()
	return true
}

func readableWithin(fd int, d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		left := int(time.Until(end) / time.Millisecond)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, max(left, 0))
		if n > 0 && err == nil {
			return true
		}
		if left <= 0 {
			return false
		}
	}
}
