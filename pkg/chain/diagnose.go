package chain

import (
	"errors"
	"fmt"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Diagnose checks whether an op has failed because of something that the kernel lacks.
// If so, the error is [host.ErrNotSupported], and has a hint. It probes the kernel:
// [host.Feature.Check].
func Diagnose(err error) {
	var e *plan.Error
	if !errors.As(err, &e) {
		return
	}
	f, lacks := host.Cause(e.Op, e.Errno)
	if !lacks {
		return
	}
	e.Unsupported = true
	switch {
	case e.Hint != "":
	case e.Errno == unix.ENOSYS:
		e.Hint = f.Advice() // the error names the call
	default:
		e.Hint = fmt.Sprintf("%v: %s", f, f.Advice())
	}
}
