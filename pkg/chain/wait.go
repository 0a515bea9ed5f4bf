package chain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// ErrWaitDelay is what Wait returns if WaitDelay has passed and the other end of a pipe
// was still open, unless there is a more important error.
var ErrWaitDelay = exec.ErrWaitDelay

// An ExitError is a payload that did not end with exit status 0.
type ExitError struct {
	plan.End
	// Stderr is described at [Cmd.Output].
	Stderr []byte
	// Err is why the payload was ended: the error of the context, or nil.
	Err error
}

// ExitCode is the exit status, or -1 if a signal has terminated the payload.
func (e *ExitError) ExitCode() int { return e.Status.ExitStatus() }

// Signal is the signal that has terminated the payload, or 0.
func (e *ExitError) Signal() unix.Signal {
	if !e.Status.Signaled() {
		return 0
	}
	return e.Status.Signal()
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("exit status %d", e.Status.ExitStatus())
	if sig := e.Signal(); sig != 0 {
		text = "died of " + unix.SignalName(sig)
		if e.Status.CoreDump() {
			text += " (core dumped)"
		}
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *ExitError) Unwrap() error { return e.Err }

// A StartError is a command whose payload has not been executed. errors.As finds a
// *plan.Error in it if a system call has failed, a *plan.StepError if a step of the
// supervisor has, and a *plan.Killed; errors.Is finds the errno, such as
// fs.ErrNotExist, or the context's error.
type StartError struct {
	// Stage is the stage that failed, or "".
	Stage string
	Err   error
}

func (e *StartError) Error() string {
	if e.Stage == "" {
		return e.Err.Error()
	}
	return e.Stage + ": " + e.Err.Error()
}

func (e *StartError) Unwrap() error { return e.Err }

// Hint is a sentence for the user if the failure has one likely cause, or "".
func (e *StartError) Hint() string {
	var op *plan.Error
	if errors.As(e.Err, &op) {
		return op.Hint
	}
	return ""
}

// Cause is the stable name of that cause, as in hk-chain(7), CAUSES, or "".
func (e *StartError) Cause() cause.Name { return cause.In(e.Err) }

func startError(err error) error {
	diagnose(err, true)
	e := &StartError{Err: err}
	var op *plan.Error
	var step *plan.StepError
	var killed *plan.Killed
	switch {
	case errors.As(err, &op):
		e.Stage = op.Stage
	case errors.As(err, &step):
		e.Stage = step.Stage
	case errors.As(err, &killed):
		e.Stage = killed.Stage
	}
	return e
}

// Wait waits until the payload has ended and its output has been copied, and frees the
// command's resources. It returns nil if the exit status is 0, otherwise an
// [ExitError], or an error from copying or from the context.
func (c *Cmd) Wait() error {
	if c.ended == nil {
		return errors.New("chain: the command was not started")
	}
	if c.waited {
		return errors.New("chain: Wait was called already")
	}
	c.waited = true
	end, err := c.reap()
	close(c.ended)
	var given error
	if c.watched != nil {
		given = <-c.watched
	}
	if err == nil {
		c.End = &end
		if end.Status != 0 {
			err = &ExitError{End: end, Err: given}
		} else {
			err = given
		}
	}
	copied := c.awaitCopies(c.WaitDelay)
	c.closeOurs()
	if err == nil {
		err = copied
	}
	return err
}

// reap waits for the process without using a thread: the runtime polls the PID file
// descriptor.
func (c *Cmd) reap() (plan.End, error) {
	p := c.process
	if len(p.Watchers) == 0 {
		awaitEnd(p)
	}
	end, err := p.Wait()
	c.box.said.Remove(c.pid)
	if err != nil {
		err = fmt.Errorf("chain: %w", err)
	}
	c.mu.Lock() // Signal uses the descriptor that is closed here
	defer c.mu.Unlock()
	p.Close()
	c.process = nil
	return end, err
}

// awaitEnd returns when the cloned process has ended, or if that cannot be polled.
func awaitEnd(p *run.Process) {
	fd, err := unix.FcntlInt(uintptr(p.PidFD), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return
	}
	if unix.SetNonblock(fd, true) != nil {
		unix.Close(fd)
		return
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 && err == nil
		})
	}
}

// watch cancels the command when its context ends, and kills it if that is not enough.
func (c *Cmd) watch() {
	select {
	case <-c.ended:
		c.watched <- nil
		return
	case <-c.ctx.Done():
	}
	cancel := c.Cancel
	if cancel == nil {
		cancel = c.Kill
	}
	err := cancel()
	switch {
	case err == nil:
		err = c.ctx.Err()
	case errors.Is(err, os.ErrProcessDone):
		err = nil
	default:
		err = fmt.Errorf("chain: cancel: %w", err)
	}
	if c.WaitDelay > 0 {
		timer := time.NewTimer(c.WaitDelay)
		select {
		case <-c.ended:
		case <-timer.C:
			c.Kill()
		}
		timer.Stop()
	}
	c.watched <- err
}
