package plan

import (
	"errors"
	"fmt"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// An Error is an op that failed: which, and why. Nothing after it has been done, and
// the payload has not started.
type Error struct {
	Stage string
	// Op is the op in strace's notation, and Call its system call: [Op.Name].
	Op, Call string
	// Errno is 0 if the call succeeded with a result other than the expected one; Got
	// is that result.
	Errno unix.Errno
	Got   int64
	// For is what asked for the op, if known: [Op.For].
	For string
	// Log is the kernel's messages about the failure, on one line.
	Log string
	// Hint is a sentence for the user, or "".
	Hint string
	// Because is the name of the cause that the hint states, or "".
	Because cause.Name
	// Unsupported is set if the kernel lacks what the op needs: the error then matches
	// errors.ErrUnsupported, as for ENOSYS, although Errno can also mean other things.
	Unsupported bool
	// Exec is set if the payload could not be executed, and nothing else was wrong.
	Exec bool
}

func (e *Error) Error() string {
	text := e.Op
	if e.For != "" {
		text = e.For + ": " + text
	}
	if e.Errno == 0 {
		return fmt.Sprintf("%s: returned %d", text, e.Got)
	}
	text = fmt.Sprintf("%s: %v", text, e.Errno)
	if e.Log != "" {
		text += ": " + e.Log
	}
	return text
}

// Cause is [Error.Because], for [cause.In].
func (e *Error) Cause() cause.Name { return e.Because }

// Is reports whether the error is errors.ErrUnsupported.
func (e *Error) Is(target error) bool { return e.Unsupported && target == errors.ErrUnsupported }

// Unwrap returns the errno, so that errors.Is(err, unix.EPERM) works.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Killed is a child that was terminated by a signal before it became the payload.
type Killed struct {
	Stage, Op string
	// For is what asked for the op, or "".
	For    string
	Signal unix.Signal
}

func (k *Killed) Error() string {
	if k.For != "" {
		return fmt.Sprintf("%s: %s: killed by %s", k.For, k.Op, unix.SignalName(k.Signal))
	}
	return fmt.Sprintf("%s: killed by %s", k.Op, unix.SignalName(k.Signal))
}

// Unfit is a process beside the child that has ended with another status than 0: what it
// was to find out does not hold, or it could not.
type Unfit struct {
	Stage, Op string
	Status    unix.WaitStatus
}

// Said reports whether the process has said why.
func (u *Unfit) Said() bool { return u.Status.Exited() }

func (u *Unfit) Error() string {
	if u.Said() {
		return fmt.Sprintf("%s: exit status %d: it has said why", u.Op, u.Status.ExitStatus())
	}
	return fmt.Sprintf("%s: killed by %s", u.Op, unix.SignalName(u.Status.Signal()))
}

// StepError is a supervisor step that failed.
type StepError struct {
	Stage string
	// For is what asked for it, or "".
	For string
	Err error
}

func (e *StepError) Error() string {
	if e.For != "" {
		return e.For + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

func (e *StepError) Unwrap() error { return e.Err }
