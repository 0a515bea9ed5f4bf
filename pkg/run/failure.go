package run

import (
	"strings"
	"unsafe"

	"hk/internal/vis"
	"hk/pkg/execdeps"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// failure makes the error for record k, whose result is the reason.
func (l *layout) failure(k int) error {
	op := l.op(k)
	got := int64(l.record(k).result)
	if op.Succeeds && got >= 0 {
		return &plan.Unfit{Stage: op.Stage, Op: l.text(k), Status: l.observed(k)}
	}
	e := &plan.Error{Stage: op.Stage, Op: l.text(k), Call: op.Name, Got: got, For: op.Cause}
	if got >= 0 || got < -4095 {
		e.Hint, e.Because = op.HintFor(0)
		return e
	}
	e.Errno = unix.Errno(-got)
	e.Exec = op.Is(plan.Executes)
	if op.Is(plan.Logs) {
		e.Log = l.log()
	}
	if op.Is(plan.Executes) {
		// As in execvp(3), a file that was found but could not be executed is reported
		// rather than the names tried after it that do not exist.
		for j := k - 1; j >= 0 && l.op(j).Is(plan.Executes); j-- {
			if r := int64(l.record(j).result); e.Errno == unix.ENOENT && r == -int64(unix.EACCES) {
				e.Errno = unix.EACCES
				e.Op = l.text(j)
			}
		}
	}
	e.Hint, e.Because = op.HintFor(e.Errno)
	if j, interpreter := l.interpreter(); e.Exec && e.Errno == unix.ENOENT && interpreter != "" {
		e.Op, e.Hint = l.text(j), "the file exists; its interpreter or loader, "+vis.Text(interpreter)+", is missing or cannot be executed"
	}
	return e
}

// interpreter is the interpreter or loader that a file names whose beginning was read after
// it could not be executed, and the record that would have executed it.
func (l *layout) interpreter() (k int, path string) {
	n := min(l.head.logged, logSize)
	if n <= 8 {
		return 0, ""
	}
	k = int(*(*uint64)(l.head.log))
	if k < 0 || k >= len(l.index) || !l.op(k).Is(plan.Executes) {
		return 0, ""
	}
	head := unsafe.Slice((*byte)(l.head.log), n)[8:]
	return k, execdeps.Interpreter(head)
}

// log is the kernel's messages that were read. Each is a letter for its severity, a
// space, the text and a newline; they may quote what a user has written.
func (l *layout) log() string {
	text := strings.Clone(unsafe.String((*byte)(l.head.log), min(l.head.logged, logSize)))
	var messages []string
	for message := range strings.SplitSeq(text, "\x00") {
		message = strings.TrimSuffix(message, "\n")
		if len(message) > 2 && message[1] == ' ' {
			message = message[2:]
		}
		if message != "" {
			messages = append(messages, vis.Text(message))
		}
	}
	return strings.Join(messages, "; ")
}
