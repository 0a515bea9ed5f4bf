package bwrap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An option is one of bubblewrap's. It takes the next words as its arguments.
type option struct {
	name string
	args int
	set  func(l *line, args []string) error
}

// arguments is the error for too few arguments.
func (o *option) arguments() error {
	switch {
	case o.args > 1:
		return fmt.Errorf("--%s takes %s arguments", o.name, [...]string{2: "two", 3: "three"}[o.args])
	case o.name == "chdir" || o.name == "argv0" || o.name == "remount-ro": // so bubblewrap says it
		return fmt.Errorf("--%s takes one argument", o.name)
	}
	return fmt.Errorf("--%s takes an argument", o.name)
}

// parseFD parses the number of a descriptor as strtol(3) does, without what comes after it.
func parseFD(v string) (int, error) {
	n, err := strconv.ParseInt(number(v), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("Invalid fd: %s", v)
	}
	return int(n), nil
}

// number is a decimal number without what strtol(3) skips before it.
func number(v string) string { return strings.TrimPrefix(strings.TrimLeft(v, " \t\n\v\f\r"), "+") }

// parseID parses a user or group ID.
func parseID(kind, v string) (int64, error) {
	n, err := strconv.ParseInt(number(v), 10, 64)
	if err != nil || n < 0 || n >= 1<<32-1 {
		return 0, fmt.Errorf("Invalid %s: %s", kind, v)
	}
	return n, nil
}

// notEmpty refuses an empty value, which would have no effect.
func notEmpty(name, v string) error {
	if v == "" {
		return fmt.Errorf("--%s: an empty value has no effect here", name)
	}
	return nil
}

// maxHostname is __NEW_UTS_LEN of Linux.
const maxHostname = 64

// parseMode parses the mode of an option.
func parseMode(name, v string) (uint32, error) {
	n, err := strconv.ParseUint(number(v), 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("--%s takes an octal argument <= 07777", name)
	}
	return uint32(n), nil
}

// maxSize is the maximum size of a tmpfs.
const maxSize = 1<<63 - 1

// parseSize parses a size, which may be hexadecimal or octal as in C.
func parseSize(v string) (uint64, error) {
	digits, base := v, 10
	switch {
	case strings.HasPrefix(v, "0x"), strings.HasPrefix(v, "0X"):
		digits, base = v[2:], 16
	case strings.HasPrefix(v, "0"):
		base = 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	switch {
	case err != nil || n == 0:
		return 0, errors.New("--size takes a non-zero number of bytes")
	case n > maxSize:
		return 0, fmt.Errorf("--size (for tmpfs) is limited to %d", uint64(maxSize))
	}
	return n, nil
}

// alone is an option without arguments.
func alone(name string, set func(*line)) option {
	return option{name, 0, func(l *line, _ []string) error {
		set(l)
		return nil
	}}
}

// last is an option of one argument of which the last one counts.
func last(name string, set func(l *line, v string) error) option {
	return option{name, 1, func(l *line, args []string) error {
		if l.given[name] {
			l.warn("Only the last --" + name + " option will take effect")
		}
		l.given[name] = true
		return set(l, args[0])
	}}
}

// fd is an option that stores a descriptor, of which the last one counts.
func fd(name string, at func(*Settings) *int) option {
	return last(name, func(l *line, v string) (err error) {
		*at(&l.Settings), err = parseFD(v)
		return err
	})
}

// op is an option that adds something to the root. fill takes the arguments.
func op(name string, args int, fill func(o *Op, args []string) error) option {
	return option{name, args, func(l *line, args []string) error {
		o := Op{Name: name, FD: -1}
		if err := fill(&o, args); err != nil {
			return err
		}
		return l.add(o)
	}}
}

// paths refuses empty paths.
func paths(name string, list ...string) error {
	if slices.Contains(list, "") {
		return fmt.Errorf("--%s does not take an empty path argument", name)
	}
	return nil
}

func sourceAndDest(o *Op, args []string) error {
	o.Source, o.Dest = args[0], args[1]
	return paths(o.Name, args...)
}

func dest(o *Op, args []string) error {
	o.Dest = args[0]
	return paths(o.Name, args...)
}

func fdAndDest(o *Op, args []string) (err error) {
	o.Dest = args[1]
	if o.FD, err = parseFD(args[0]); err != nil {
		return err
	}
	return paths(o.Name, o.Dest)
}

// options are all options of bubblewrap, and those of hk's own.
func options() []option {
	var list []option
	for _, part := range [][]option{general(), namespaces(), environment(), process(), filesystem(), own()} {
		list = append(list, part...)
	}
	return list
}

func general() []option {
	return []option{
		alone("help", func(l *line) { l.Common.Help = true }),
		alone("version", func(l *line) { l.Common.Version = true }),
		{"args", 1, (*line).args},
		{"argv0", 1, func(l *line, args []string) error {
			if l.Settings.Argv0Set {
				return errors.New("--argv0 used multiple times")
			}
			l.Settings.Argv0, l.Settings.Argv0Set = args[0], true
			return notEmpty("argv0", args[0])
		}},
		alone("level-prefix", func(l *line) { l.LevelPrefix = true }),
		// The mounts that bubblewrap then goes without are made in one call here.
		alone("not-a-security-boundary", func(*line) {}),
		// What these force is for kernels on which hk does not run.
		alone("debug-opt=force-openat-fallback", func(*line) {}),
		alone("debug-opt=force-mount-setattr-fallback", func(*line) {}),
		alone("debug-opt=print-assumed-kernel", func(l *line) { l.Kernel = true }),
	}
}

func namespaces() []option {
	ns := func(name string, set func(*Namespaces)) option {
		return alone(name, func(l *line) { set(&l.Settings.Namespaces) })
	}
	return []option{
		ns("unshare-all", func(n *Namespaces) {
			n.UserTry, n.IPC, n.PID, n.Net, n.UTS, n.CgroupTry = true, true, true, true, true, true
		}),
		ns("share-net", func(n *Namespaces) { n.Net = false }),
		ns("unshare-user", func(n *Namespaces) { n.User = true }),
		ns("unshare-user-try", func(n *Namespaces) { n.UserTry = true }),
		ns("unshare-ipc", func(n *Namespaces) { n.IPC = true }),
		ns("unshare-pid", func(n *Namespaces) { n.PID = true }),
		ns("unshare-net", func(n *Namespaces) { n.Net = true }),
		ns("unshare-uts", func(n *Namespaces) { n.UTS = true }),
		ns("unshare-cgroup", func(n *Namespaces) { n.Cgroup = true }),
		ns("unshare-cgroup-try", func(n *Namespaces) { n.CgroupTry = true }),
		fd("userns", func(s *Settings) *int { return &s.Namespaces.JoinUser }),
		fd("userns2", func(s *Settings) *int { return &s.Namespaces.JoinUser2 }),
		fd("pidns", func(s *Settings) *int { return &s.Namespaces.JoinPID }),
		ns("disable-userns", func(n *Namespaces) { n.Disable = true }),
		ns("assert-userns-disabled", func(n *Namespaces) { n.AssertDisabled = true }),
		last("uid", func(l *line, v string) (err error) {
			l.Settings.UID, err = parseID("uid", v)
			return err
		}),
		last("gid", func(l *line, v string) (err error) {
			l.Settings.GID, err = parseID("gid", v)
			return err
		}),
		last("hostname", func(l *line, v string) error {
			if len(v) > maxHostname {
				return fmt.Errorf("Can't set hostname to %s: %s", v, reason(unix.EINVAL))
			}
			l.Settings.Hostname = v
			return notEmpty("hostname", v)
		}),
	}
}

func environment() []option {
	change := func(l *line, e Env) error {
		l.Settings.Env = append(l.Settings.Env, e)
		return nil
	}
	return []option{
		last("chdir", func(l *line, v string) error {
			l.Settings.Dir, l.Settings.DirSet = v, true
			return paths("chdir", v)
		}),
		{"setenv", 2, func(l *line, args []string) error {
			if args[0] == "" || strings.Contains(args[0], "=") {
				return errors.New("setenv failed")
			}
			return change(l, Env{Name: args[0], Value: args[1]})
		}},
		{"unsetenv", 1, func(l *line, args []string) error {
			if args[0] == "" || strings.Contains(args[0], "=") {
				return errors.New("unsetenv failed")
			}
			return change(l, Env{Unset: true, Name: args[0]})
		}},
		{"clearenv", 0, func(l *line, _ []string) error { return change(l, Env{Clear: true}) }},
	}
}

func process() []option {
	filter := func(l *line, v string) error {
		n, err := parseFD(v)
		l.Settings.Filters = append(l.Settings.Filters, n)
		return err
	}
	capability := func(drop bool) func(*line, []string) error {
		return func(l *line, args []string) error {
			name, err := parseCap(args[0])
			l.Settings.Caps = append(l.Settings.Caps, Cap{drop, name})
			return err
		}
	}
	return []option{
		{"lock-file", 1, func(l *line, args []string) error {
			l.Settings.Locks = append(l.Settings.Locks, args[0])
			return paths("lock-file", args...)
		}},
		{"sync-fd", 1, func(l *line, args []string) error {
			n, err := parseFD(args[0])
			if !slices.Contains(l.Settings.Held, n) {
				l.Settings.Held = append(l.Settings.Held, n)
			}
			return err
		}},
		last("seccomp", func(l *line, v string) error {
			if l.given["add-seccomp-fd"] {
				return errors.New("--seccomp cannot be combined with --add-seccomp-fd")
			}
			l.Settings.Filters = nil
			return filter(l, v)
		}),
		{"add-seccomp-fd", 1, func(l *line, args []string) error {
			if l.given["seccomp"] {
				return errors.New("--add-seccomp-fd cannot be combined with --seccomp")
			}
			l.given["add-seccomp-fd"] = true
			return filter(l, args[0])
		}},
		last("exec-label", func(l *line, v string) error {
			l.Settings.ExecLabel = v
			return notEmpty("exec-label", v)
		}),
		last("file-label", func(l *line, v string) error {
			l.Settings.FileLabel = v
			return notEmpty("file-label", v)
		}),
		fd("block-fd", func(s *Settings) *int { return &s.BlockFD }),
		fd("userns-block-fd", func(s *Settings) *int { return &s.UsernsBlockFD }),
		fd("info-fd", func(s *Settings) *int { return &s.InfoFD }),
		fd("json-status-fd", func(s *Settings) *int { return &s.StatusFD }),
		alone("new-session", func(l *line) { l.Settings.NewSession = true }),
		alone("die-with-parent", func(l *line) { l.Settings.DieWithParent = true }),
		alone("as-pid-1", func(l *line) { l.Settings.AsPID1 = true }),
		{"cap-add", 1, capability(false)},
		{"cap-drop", 1, capability(true)},
	}
}

func filesystem() []option {
	list := []option{
		{"perms", 1, (*line).perms},
		{"size", 1, (*line).size},
		{"overlay-src", 1, func(l *line, args []string) error {
			l.layers = append(l.layers, args[0])
			return paths("overlay-src", args...)
		}},
		op("overlay", 3, func(o *Op, args []string) error {
			o.Source, o.Work, o.Dest = args[0], args[1], args[2]
			return paths(o.Name, args...)
		}),
		op("chmod", 2, func(o *Op, args []string) (err error) {
			o.Dest, o.ModeSet = args[1], true
			if o.Mode, err = parseMode("chmod", args[0]); err != nil {
				return err
			}
			return paths(o.Name, o.Dest)
		}),
	}
	for _, name := range []string{"bind", "bind-try", "dev-bind", "dev-bind-try", "ro-bind", "ro-bind-try", "symlink"} {
		list = append(list, op(name, 2, sourceAndDest))
	}
	for _, name := range []string{"bind-fd", "ro-bind-fd", "file", "bind-data", "ro-bind-data"} {
		list = append(list, op(name, 2, fdAndDest))
	}
	for _, name := range []string{"remount-ro", "tmp-overlay", "ro-overlay", "proc", "dev", "tmpfs", "mqueue", "dir"} {
		list = append(list, op(name, 1, dest))
	}
	return list
}

// own are the options that bubblewrap does not have.
func own() []option {
	explain := func(name, how string) option { return alone(name, func(l *line) { l.Common.Explain = how }) }
	return []option{
		{"print", 0, func(l *line, _ []string) error { return l.print("sh") }},
		alone("deny-tiocsti", func(l *line) { l.Settings.DenyTIOCSTI = true }),
		explain("explain", "text"), explain("explain=text", "text"), explain("explain=json", "json"), explain("explain=why", "why"), explain("explain=diff", "diff"),
		alone("why", func(l *line) { l.Common.Why = true }),
		alone("verbose", func(l *line) { l.Common.Verbose = true }),
	}
}
