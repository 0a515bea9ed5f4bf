package bwrap

import (
	"errors"
	"fmt"
	"strings"

	"hk/internal/cli"
	"hk/pkg/idmap"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// reason is strerror(3) for an error, or its text.
func reason(err error) string {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// Severities of syslog(3).
const (
	severityError   = 3
	severityWarning = 4
)

// dialect reports as bubblewrap does. Programs look for some of its messages.
func (l *line) dialect(f *cli.Front) *cli.Dialect {
	say := func(severity int, text string) {
		if l.LevelPrefix {
			f.Say(fmt.Sprintf("<%d>bwrap", severity), text)
			return
		}
		f.Say("bwrap", text)
	}
	return &cli.Dialect{
		Failed: func(err error, hint string) int {
			say(severityError, l.message(err))
			if hint != "" && l.Common.Verbose {
				say(severityError, "hint: "+hint)
			}
			return exitFailed
		},
		Warn: func(kind, text string) {
			if kind == "warning" {
				say(severityWarning, text)
			}
		},
		Ready: func(pid int, list []plan.Namespace) error {
			if l.report == nil {
				return nil
			}
			return l.report.start(pid, list)
		},
		Ended: func(w unix.WaitStatus) int {
			code := w.ExitStatus()
			if w.Signaled() {
				code = 128 + int(w.Signal())
			}
			if l.report != nil {
				l.report.end(code)
			}
			return code
		},
	}
}

// message is the text of an error. What does not have one of its own is hk's text.
func (l *line) message(err error) string {
	var entry *mount.EntryError
	if errors.As(err, &entry) {
		return l.entryMessage(entry)
	}
	var report *reportError
	if errors.As(err, &report) {
		return report.Error()
	}
	var step *plan.StepError
	if errors.As(err, &step) && askedBy(step.For).name == "--join" {
		return fmt.Sprintf("%s (%v)", joinMessage(askedBy(step.For), unix.EINVAL), step.Err)
	}
	var op *plan.Error
	if !errors.As(err, &op) {
		return inItsWords(err.Error())
	}
	why, by := reason(op.Errno), askedBy(op.For)
	switch {
	case op.Errno == 0 && by.name == "--assert-userns-disabled":
		return "creation of new user namespaces was not disabled as requested"
	case op.Errno == 0:
		return inItsWords(err.Error())
	case op.Exec:
		return fmt.Sprintf("execvp %s: %s", l.Settings.Command[0], why)
	case op.Call == "clone3" || op.Call == "unshare":
		return namespaceMessage(op)
	case op.Call == "setns" || by.name == "--join":
		return joinMessage(by, op.Errno)
	case op.Call == "setresuid":
		return fmt.Sprintf("unable to switch to uid %d: %s", l.Settings.UID, why)
	case op.Call == "setresgid":
		return fmt.Sprintf("unable to switch to gid %d: %s", l.Settings.GID, why)
	case op.Stage == idmap.Kind.Name:
		return withHint("setting up uid map: "+why, op)
	case op.Stage == netns.Kind.Name:
		return withHint("loopback: Failed RTM_NEWADDR: "+why, op)
	case by.name == "--chdir":
		return fmt.Sprintf("Can't chdir to %s: %s", l.Settings.Dir, why)
	case by.name == "--lock" && op.Call == "fcntl":
		return fmt.Sprintf("Unable to lock file %s: %s", by.value, why)
	case by.name == "--lock":
		return fmt.Sprintf("Unable to open lock file %s: %s", by.value, why)
	}
	if text := l.mountMessage(op, by); text != "" {
		return text
	}
	return inItsWords(err.Error())
}

// Asked is what asked for an op: one of hk's, with its value.
type asked struct{ name, value string }

func askedBy(text string) asked {
	name, value, _ := strings.Cut(text, " ")
	return asked{name, value}
}

// inItsWords is a text of hk's that starts with a flag, with the option that was given.
func inItsWords(text string) string {
	if rest, ok := strings.CutPrefix(text, "--bpf fd:"); ok {
		_, why, _ := strings.Cut(rest, ": ")
		return "Unable to set up system call filtering as requested: " + why
	}
	for _, w := range [...][2]string{{"--rw ", "--bind "}, {"--ro ", "--ro-bind "}, {"--try-rw ", "--bind-try "}, {"--try-ro ", "--ro-bind-try "},
		{"--file-from ", "--file "}, {"--data-rw ", "--bind-data "}, {"--data ", "--ro-bind-data "}, {"--read-only ", "--remount-ro "}} {
		if rest, ok := strings.CutPrefix(text, w[0]); ok {
			return w[1] + rest
		}
	}
	return text
}

// withHint adds what was found to be the cause, and its name.
func withHint(text string, op *plan.Error) string {
	if op.Hint != "" {
		text += ": " + op.Hint
	}
	if op.Because != "" {
		text += fmt.Sprintf(" [%s]", op.Because)
	}
	return text
}

// joinMessage is about existing namespaces that cannot be joined.
func joinMessage(f asked, errno unix.Errno) string {
	switch why := reason(errno); {
	case f.name == "--userns-fd":
		return "Setting userns2 failed: " + why
	case strings.HasPrefix(f.value, "pid="):
		return "Setting pidns failed: " + why
	case errno == unix.EINVAL:
		return "Joining the specified user namespace failed, it might not be a descendant of the current user namespace."
	default:
		return "Joining specified user namespace failed: " + why
	}
}

// namespaceMessage is about namespaces that cannot be created.
func namespaceMessage(op *plan.Error) string {
	text := "Creating new namespace failed: " + reason(op.Errno)
	switch op.Errno {
	case unix.EPERM:
		text = "No permissions to create a new namespace"
		if op.Hint == "" {
			text += ", likely because the kernel does not allow non-privileged user namespaces"
		}
	case unix.ENOSPC:
		text = "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
	case unix.EINVAL:
		text = "Creating new namespace failed, likely because the kernel does not support user namespaces"
	}
	return withHint(text, op)
}
