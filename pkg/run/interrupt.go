package run

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An Interrupt can abandon a start before the payload exists.
type Interrupt struct {
	// FD becomes readable when the result of Err may have changed.
	FD int
	// Err is why the start must be abandoned, or nil. Once it is not nil it remains so.
	Err func() error
	// Stop stops this process, and returns when it continues, if the key of the terminal has
	// been pressed that stops a job; or it is nil. It is called while the child waits for an
	// observer, which that signal has stopped, and does nothing itself.
	Stop func()
	// Done is closed by then, for a start that may have to wait for other starts; nil
	// means never.
	Done <-chan struct{}
}

// err is nil if the start continues.
func (i *Interrupt) err() error {
	if i == nil {
		return nil
	}
	return i.Err()
}

// soon is err a moment later, for a signal that is about to arrive.
func (i *Interrupt) soon() error {
	if i == nil {
		return nil
	}
	if err := i.Err(); err != nil {
		return err
	}
	unix.Poll([]unix.PollFd{{Fd: int32(i.FD), Events: unix.POLLIN}}, 10)
	return i.Err()
}

// wait waits until fd is readable, or returns why the start must be abandoned if that
// comes first. timeout is in milliseconds; -1 means forever.
func (i *Interrupt) wait(fd, timeout int) (readable bool, err error) {
	return i.waitBeside(fd, -1, timeout)
}

// waitBeside is wait that fails with errChildEnded if the other end of child, a socket, is
// closed; -1 is none.
func (i *Interrupt) waitBeside(fd, child, timeout int) (readable bool, err error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}, {Fd: int32(child)}}
	if i != nil {
		fds[1].Fd = int32(i.FD)
	}
	for {
		n, err := unix.Poll(fds, timeout)
		switch {
		case err == unix.EINTR:
			if timeout >= 0 {
				return false, i.err()
			}
			continue
		case err != nil:
			return false, fmt.Errorf("poll: %w", err)
		case fds[0].Revents != 0:
			return true, nil
		case n == 0:
			return false, nil
		case fds[2].Revents != 0:
			return false, errChildEnded
		}
		if err := i.Err(); err != nil || timeout >= 0 {
			return false, err // a signal may also say that a traced child has stopped
		}
	}
}

// errChildEnded is the error of a step if the child has ended meanwhile.
var errChildEnded = errors.New("the child has ended")

// receive waits for the child's next message, and checks the child meanwhile.
func (c *Process) receive() (message, error) {
	for {
		timeout := -1
		if c.tracer() != nil {
			timeout = patience
		}
		readable, err := c.watched().wait(c.sock, timeout)
		switch {
		case err != nil && c.hungUp(time.Second):
			// The payload has been executed in the meantime: it decides.
			return message{}, nil
		case err != nil:
			return message{}, err
		case readable:
			return receive(c.sock)
		case c.tracer() != nil:
			c.stops()
		}
	}
}

// hungUp reports whether the child has closed its end of the socket. An init or a
// joiner has a copy for a moment after it has created the child, so when only the
// execution of the payload is left, this waits for at most most.
func (c *Process) hungUp(most time.Duration) bool {
	timeout := 0
	for end := time.Now().Add(most); ; timeout = 10 {
		fds := []unix.PollFd{{Fd: int32(c.sock)}}
		n, err := unix.Poll(fds, timeout)
		if n > 0 && err == nil && fds[0].Revents&unix.POLLHUP != 0 {
			return true
		}
		if c.Direct() || !c.atExec() || time.Now().After(end) {
			return false
		}
		if c.tracer() != nil {
			c.stops()
		}
	}
}

func (a *stepContext) Read(fd int, b []byte, end time.Time) (int, error) {
	for {
		if err := a.Await(fd, end); err != nil {
			return 0, err
		}
		if n, err := unix.Read(fd, b); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func (a *stepContext) Await(fd int, end time.Time) error {
	for {
		timeout := -1
		if !end.IsZero() {
			left := time.Until(end)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			timeout = int(left/time.Millisecond) + 1
		}
		readable, err := a.layout.attr.Interrupt.waitBeside(fd, a.sock, timeout)
		if err != nil || readable {
			return err
		}
	}
}
