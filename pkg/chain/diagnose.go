package chain

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Diagnose checks whether an op has failed because of something that the kernel lacks.
// If so, the error is [host.ErrNotSupported], and has a hint. Otherwise the hint says what
// prevents this process from doing it, if that can be found out. It probes the kernel:
// [host.Feature.Check], [host.Blocker].
func Diagnose(err error) { diagnose(err, false) }

// diagnose is Diagnose, also for a program that continues to run.
func diagnose(err error, continues bool) {
	var e *plan.Error
	if !errors.As(err, &e) {
		return
	}
	f, lacks := host.Cause(e.Op, e.Errno)
	if !lacks {
		call, _, _ := strings.Cut(e.Op, "(")
		text, name := host.Blocker(e.Stage, e.Op, e.Errno, continues)
		if text == "" && !continues && (e.Errno == unix.EPERM || e.Errno == unix.EACCES) && refusedInside(call, e.Errno) {
			text, name = host.RefusedBy(call)
		}
		if text != "" {
			e.Hint, e.Because = text, name
		}
		e.Hint = host.Elaborate(e.Because, e.Hint)
		return
	}
	e.Unsupported = true
	if e.Because == "" {
		e.Because = f.Cause()
	}
	switch {
	case e.Hint != "":
	case e.Errno == unix.ENOSYS:
		e.Hint = f.Advice() // the error names the call
	default:
		e.Hint = fmt.Sprintf("%v: %s", f, f.Advice())
	}
}
