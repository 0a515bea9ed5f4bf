package cli

import (
	"errors"
	"fmt"
	"io"

	"hk/internal/vis"
	"hk/pkg/cause"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Stderr is standard error. If nobody reads it, a write fails; with that of package os the
// process would end by SIGPIPE, and its payload with it.
type Stderr struct{}

func (Stderr) Write(b []byte) (n int, err error) {
	for n < len(b) {
		m, err := unix.Write(unix.Stderr, b[n:])
		switch err {
		case nil:
			n += m
		case unix.EAGAIN:
			if _, err := unix.Poll([]unix.PollFd{{Fd: 2, Events: unix.POLLOUT}}, -1); err != nil && err != unix.EINTR {
				return n, err
			}
		case unix.EINTR:
		default:
			return n, err
		}
	}
	return n, nil
}

// say writes a line to standard error.
func say(stage, text string) {
	io.WriteString(Stderr{}, vis.Text(stage+": "+text)+"\n")
}

// complain writes the line of an error, and a hint if there is one.
func complain(stage, text, hint string) int {
	say(stage, text)
	if hint != "" {
		say(stage, "hint: "+hint)
	}
	return exitFailed
}

// bracketed ends the line that says a cause with the cause's name.
func bracketed(text string, name cause.Name) string {
	if text == "" || name == "" {
		return text
	}
	return fmt.Sprintf("%s [%s]", text, name)
}

// report reports an error on standard error and on the status descriptor, and returns
// its exit status.
func (p program) report(status *status, err error) int {
	chain.Diagnose(err)
	ev := event{Event: "failed", Stage: p.name}
	code := exitFailed
	var (
		usage  *chain.UsageError
		op     *plan.Error
		killed *plan.Killed
		step   *plan.StepError
	)
	switch {
	case errors.As(err, &usage):
		ev.Stage = usage.Stage
	case errors.As(err, &op):
		ev.Stage, ev.Op, ev.Hint = op.Stage, op.Op, op.Hint
		if op.Errno != 0 {
			ev.Errno = unix.ErrnoName(op.Errno)
		}
		if op.Exec {
			code = exitNotExecutable
			if op.Errno == unix.ENOENT || op.Errno == unix.ENOTDIR {
				code = exitNotFound
			}
		}
	case errors.As(err, &killed):
		ev.Stage, ev.Op = killed.Stage, killed.Op
	case errors.As(err, &step):
		ev.Stage = step.Stage
	}
	if ev.Hint == "" && errors.Is(err, unix.ENOSYS) {
		ev.Hint, ev.Cause = host.Hidden, cause.CallHidden
	}
	if ev.Hint == "" && errors.Is(err, unix.EOVERFLOW) {
		ev.Hint, ev.Cause = "the caller's IDs are not mapped in this user namespace: see hk-idmap(1)", cause.Unmapped
	}
	if ev.Hint == "" && errors.Is(err, unix.EMFILE) {
		var limit unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
		ev.Hint = fmt.Sprintf("RLIMIT_NOFILE (ulimit -n) is %d, too low for the files that a stage opens; hk-limit --nofile sets it for the payload alone", limit.Cur)
		ev.Cause = cause.FileLimit
	}
	if ev.Cause == "" {
		ev.Cause = cause.In(err)
	}
	ev.Error, ev.Hint = status.words(ev.Stage, err.Error()), status.words(ev.Stage, ev.Hint)
	if said(err, &ev) {
		// Nothing is to be added to that.
	} else if p.dialect != nil {
		code = p.dialect.Failed(err, bracketed(ev.Hint, ev.Cause))
	} else if ev.Hint != "" {
		complain(ev.Stage, ev.Error, bracketed(ev.Hint, ev.Cause))
	} else {
		complain(ev.Stage, bracketed(ev.Error, ev.Cause), "")
	}
	status.write(ev)
	return code
}

// said reports whether another program has said what the error is. Its stage and its op are
// those of the event.
func said(err error, ev *event) bool {
	var unfit *plan.Unfit
	if !errors.As(err, &unfit) {
		return false
	}
	ev.Stage, ev.Op = unfit.Stage, unfit.Op
	return unfit.Said()
}
