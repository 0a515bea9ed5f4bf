package bwrap

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"hk/internal/cli"
	"hk/pkg/mount"
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
		Ready: func(pid int, list []plan.Namespace) {
			if l.report != nil {
				l.report.start(pid, list)
			}
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
		return entryMessage(entry)
	}
	var op *plan.Error
	if !errors.As(err, &op) || op.Errno == 0 {
		return inItsWords(err.Error())
	}
	why := reason(op.Errno)
	call, _, _ := strings.Cut(op.Op, "(")
	switch {
	case op.Exec:
		return fmt.Sprintf("execvp %s: %s", l.Settings.Command[0], why)
	case call == "clone3" || call == "unshare":
		return namespaceMessage(op)
	case call == "setns" || strings.HasPrefix(op.For, "--join "):
		return joinMessage(op)
	case call == "setresuid":
		return fmt.Sprintf("unable to switch to uid %d: %s", l.Settings.UID, why)
	case call == "setresgid":
		return fmt.Sprintf("unable to switch to gid %d: %s", l.Settings.GID, why)
	case op.Stage == "hk-idmap":
		return withHint("setting up uid map: "+why, op)
	case op.Stage == "hk-net":
		return withHint("loopback: Failed RTM_NEWADDR: "+why, op)
	case strings.HasPrefix(op.For, "--chdir "):
		return fmt.Sprintf("Can't chdir to %s: %s", l.Settings.Dir, why)
	case strings.HasPrefix(op.For, "--lock ") && call == "fcntl":
		return fmt.Sprintf("Unable to lock file %s: %s", argument(op.For), why)
	case strings.HasPrefix(op.For, "--lock "):
		return fmt.Sprintf("Unable to open lock file %s: %s", argument(op.For), why)
	}
	return mountMessage(op, call, err)
}

// argument is what a flag is given.
func argument(flag string) string {
	_, text, _ := strings.Cut(flag, " ")
	return text
}

// entryMessage is about an option that cannot be done with what is known in advance.
func entryMessage(err *mount.EntryError) string {
	e, at := err.Entry, err.Entry.Target
	var there *mount.ExistsError
	switch {
	case errors.As(err, &there) && there.Link != "":
		return fmt.Sprintf("Can't make symlink at %s: existing destination is %s", at, there.Link)
	case errors.As(err, &there):
		return fmt.Sprintf("Can't make symlink at %s: destination exists and is not a symlink", at)
	case errors.Is(err, mount.ErrIsFile):
		return fmt.Sprintf("Can't mkdir parents for %s: %s", at, reason(unix.ENOTDIR))
	case e.Kind == mount.Chmod && errors.Is(err, mount.ErrLink):
		return fmt.Sprintf("Can't chmod %s %s: %s", e.Options, at, reason(unix.EOPNOTSUPP))
	case e.Kind == mount.Chmod && errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("Can't open %s: %s", at, reason(unix.ENOENT))
	case e.Kind == mount.FileFrom && errors.Is(err, mount.ErrLink):
		return fmt.Sprintf("Can't create file %s: %s", at, reason(unix.ELOOP))
	case e.Kind == mount.FileFrom && errors.Is(err, unix.EEXIST):
		return fmt.Sprintf("Can't create file %s: %s", at, reason(unix.EEXIST))
	case e.Kind == mount.Directory && (errors.Is(err, mount.ErrLink) || errors.Is(err, unix.ENOTDIR)), errors.Is(err, mount.ErrOnFile):
		return "Destination is not a directory " + at
	case errors.Is(err, mount.ErrOnDirectory):
		return "Destination is not a file " + at
	case e.Kind == mount.Mqueue && strings.Contains(err.Error(), "hk-unshare --ipc"):
		return fmt.Sprintf("Can't mount mqueue on %s: %s: in a new user namespace it also needs --unshare-ipc", at, reason(unix.EPERM))
	case errors.Is(err, mount.ErrLink):
		return "Can't mount on symlink destination " + at
	}
	return inItsWords(err.Error())
}

// mountMessage is about the root, when it is made.
func mountMessage(op *plan.Error, call string, err error) string {
	why, at := reason(op.Errno), destination(op.For)
	lookup := strings.HasPrefix(op.Op, "openat2($root,")
	switch {
	case lookup && op.Errno == unix.ENOENT && strings.HasPrefix(op.For, "--chmod "):
		return fmt.Sprintf("Can't open %s: %s", at, why)
	case lookup && op.Errno == unix.ENOENT && !strings.HasPrefix(op.For, "--read-only "):
		// Nothing is created there: it is not writable.
		return fmt.Sprintf("Can't create file %s: %s", at, reason(unix.EROFS))
	case lookup && op.Errno == unix.ENOENT:
		return fmt.Sprintf("Can't create file %s: %s", at, why)
	case lookup && op.Errno == unix.ENOTDIR && strings.HasPrefix(op.For, "--dir "):
		return "Destination is not a directory " + at
	case call == "move_mount" && op.Errno == unix.EINVAL:
		return mismatch(op.For)
	case strings.HasPrefix(op.For, "--proc "):
		return procMessage(op)
	case call == "symlinkat" || call == "mkdirat" || call == "mknodat":
		return fmt.Sprintf("Can't create file %s: %s (%s)", at, why, op.Op)
	}
	return inItsWords(err.Error())
}

// destination is the path in the root that a flag names.
func destination(flag string) string {
	text := argument(flag)
	if i := strings.LastIndex(text, ":/"); i > 0 {
		return text[i+1:]
	}
	return text
}

// mismatch is about a file that is to be mounted on a directory, or the other way round.
func mismatch(flag string) string {
	what := "directory"
	switch name, _, _ := strings.Cut(flag, " "); name {
	case "--data", "--data-rw":
		what = "file"
	case "--ro", "--rw", "--try-ro", "--try-rw", "--dev-bind":
		source := strings.TrimSuffix(argument(flag), ":"+destination(flag))
		if st, err := os.Stat(source); err == nil && !st.IsDir() {
			what = "file"
		}
	}
	return fmt.Sprintf("Destination is not a %s %s", what, destination(flag))
}

// inItsWords is a text of hk's that starts with a flag, with the option that was given.
func inItsWords(text string) string {
	for _, w := range [...][2]string{{"--rw ", "--bind "}, {"--ro ", "--ro-bind "}, {"--try-rw ", "--bind-try "}, {"--try-ro ", "--ro-bind-try "},
		{"--file-from ", "--file "}, {"--data-rw ", "--bind-data "}, {"--data ", "--ro-bind-data "}, {"--read-only ", "--remount-ro "}} {
		if rest, ok := strings.CutPrefix(text, w[0]); ok {
			return w[1] + rest
		}
	}
	return text
}

// procMessage is about a procfs. Programs look for the text that bubblewrap has before
// 0.12, and for that of later ones, which goes without /newroot.
func procMessage(op *plan.Error) string {
	target, _, _ := strings.Cut(strings.TrimPrefix(op.For, "--proc "), ":")
	why := reason(op.Errno)
	return withHint(fmt.Sprintf("Can't mount proc on /newroot%s: %s (Can't mount proc on %s: %s)", target, why, target, why), op)
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
func joinMessage(op *plan.Error) string {
	switch why := reason(op.Errno); {
	case strings.HasPrefix(op.For, "--userns-fd "):
		return "Setting userns2 failed: " + why
	case strings.HasPrefix(op.For, "--join pid="):
		return "Setting pidns failed: " + why
	case op.Errno == unix.EINVAL:
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
