package plan

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Error is an op that failed: which, and why. Nothing that came after it has
// been done, and the payload has not started.
type Error struct {
	Stage string
	// Op is the op in strace's notation.
	Op string
	// Errno is 0 if the call succeeded with a result that was not the wanted
	// one; Got is that result.
	Errno unix.Errno
	Got   int64
	// For is what asked for the op, if it has been told: [Op.For].
	For string
	// Log is what the kernel said besides, in its own words, on one line.
	Log string
	// Hint is a sentence for the user, or "".
	Hint string
	// Exec is set if the payload could not be executed, and there was nothing
	// else wrong.
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

// Unwrap returns the errno, so that errors.Is(err, unix.EPERM) works.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Killed is a child that a signal ended before it became the payload.
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

// StepError is an outside step that failed.
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

// failure makes the error for record k, whose result says why.
func (p *Plan) failure(l *layout, k int) error {
	op := p.items[l.index[k]].op
	got := int64(l.record(k).result)
	e := &Error{Stage: op.Stage, Op: op.String(), Got: got, For: op.cause}
	if got >= 0 || got < -4095 {
		e.Hint = op.hint(0)
		return e
	}
	e.Errno = unix.Errno(-got)
	e.Exec = op.exec
	if op.logs {
		e.Log = l.log()
	}
	if op.exec {
		// As execvp(3): a file that was found but could not be executed says
		// more than the names after it, at which there was none.
		for j := k - 1; j >= 0 && p.items[l.index[j]].op.exec; j-- {
			if r := int64(l.record(j).result); e.Errno == unix.ENOENT && r == -int64(unix.EACCES) {
				e.Errno = unix.EACCES
				e.Op = p.items[l.index[j]].op.String()
			}
		}
	}
	e.Hint = op.hint(e.Errno)
	if e.Hint == "" && e.Errno == unix.EOVERFLOW {
		e.Hint = "the caller's ids are not in the id map of this user namespace: see hk-idmap(1)"
	}
	return e
}

// log is what was read of the kernel's messages. Each is a letter for how bad it
// is, a space, the text and a newline; they may quote what a user has written.
func (l *layout) log() string {
	text := unsafe.String((*byte)(l.head.log), min(l.head.logged, logSize))
	var messages []string
	for message := range strings.SplitSeq(text, "\x00") {
		message = strings.TrimSuffix(message, "\n")
		if len(message) > 2 && message[1] == ' ' {
			message = message[2:]
		}
		if quoted := quote(message); message != "" {
			messages = append(messages, quoted[1:len(quoted)-1])
		}
	}
	return strings.Join(messages, "; ")
}
