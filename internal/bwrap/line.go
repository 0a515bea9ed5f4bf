package bwrap

import (
	"errors"
	"fmt"
	"strings"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/host"
)

// A line is a command line.
type line struct {
	Settings Settings
	Common   chain.Common
	Print    bool
	// Again is how the chain is printed for hk-inspect, or nil.
	Again       *cli.Again
	LevelPrefix bool
	// Kernel is set if only the version of the oldest kernel is to be printed.
	Kernel bool
	// Warnings are what bubblewrap would warn of.
	Warnings []string

	// report is what writes the state of the sandbox, or nil.
	report *report

	options map[string]*option
	// readArgs reads what --args names.
	readArgs func(fd int) ([]string, error)
	// within is set while words of a descriptor are parsed.
	within bool
	given  map[string]bool
	// mode, bytes and layers are those of --perms, --size and --overlay-src, for the next
	// option that takes them.
	mode    uint32
	modeSet bool
	bytes   uint64
	layers  []string
}

var errUsage = errors.New("no command")

// parse parses the words after the program's name.
func parse(words []string, readArgs func(fd int) ([]string, error)) (*line, error) {
	l := &line{Settings: NewSettings(), Common: chain.Common{StatusFD: -1}, readArgs: readArgs,
		options: map[string]*option{}, given: map[string]bool{}}
	list := options()
	for i := range list {
		l.options["--"+list[i].name] = &list[i]
	}
	rest, err := l.words(words)
	switch {
	case err != nil || l.prints():
		return l, err
	case len(rest) == 0:
		return l, errUsage
	}
	l.Settings.Command = rest
	return l, l.check()
}

// prints reports whether nothing is run, but something printed.
func (l *line) prints() bool { return l.Common.Help || l.Common.Version || l.Kernel }

// words parses options up to the first word that is none, and returns the remaining
// words.
func (l *line) words(words []string) ([]string, error) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		w := words[0]
		words = words[1:]
		if w == "--" {
			break
		}
		o := l.options[w]
		if how, print := strings.CutPrefix(w, "--print="); print && !l.within {
			o = &option{name: "print", set: func(l *line, _ []string) error { return l.print(how) }}
		}
		switch value, debug := strings.CutPrefix(w, "--debug-opt="); {
		case o == nil && debug:
			return nil, fmt.Errorf("Unknown --debug-opt value: %s", value)
		case o == nil:
			return nil, fmt.Errorf("Unknown option %s", w)
		case len(words) < o.args:
			return nil, o.arguments()
		}
		if err := o.set(l, words[:o.args]); err != nil {
			return nil, err
		}
		if words = words[o.args:]; l.prints() {
			return nil, nil
		}
		if err := l.used(o.name); err != nil {
			return nil, err
		}
	}
	if l.within {
		return nil, nil
	}
	return words, l.layersUsed()
}

// used returns an error if an option had to use what options before it say of the next
// one, and did not. At the end there may be a mode or a size of nothing, as in bubblewrap.
func (l *line) used(name string) error {
	switch {
	case name == "perms", name == "size":
	case l.modeSet:
		return errors.New("--perms must be followed by an option that creates a file")
	case l.bytes != 0:
		return errors.New("--size must be followed by --tmpfs")
	}
	if name == "overlay-src" {
		return nil
	}
	return l.layersUsed()
}

// layersUsed returns an error if there are layers of no overlay.
func (l *line) layersUsed() error {
	if len(l.layers) == 0 {
		return nil
	}
	return errors.New("--overlay-src must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay")
}

func (l *line) perms(args []string) (err error) {
	if l.modeSet {
		return errors.New("--perms given twice for the same action")
	}
	l.modeSet = true
	l.mode, err = parseMode("perms", args[0])
	return err
}

func (l *line) size(args []string) (err error) {
	if l.bytes != 0 {
		return errors.New("--size given twice for the same action")
	}
	l.bytes, err = parseSize(args[0])
	return err
}

// add adds something to the root, with what the options before it say.
func (l *line) add(o Op) error {
	switch o.Name {
	case "overlay", "tmp-overlay":
		if len(l.layers) == 0 {
			return fmt.Errorf("--%s requires at least one --overlay-src", o.Name)
		}
	case "ro-overlay":
		if len(l.layers) < 2 {
			return errors.New("--ro-overlay requires at least two --overlay-src")
		}
	}
	switch o.Name {
	case "tmpfs":
		o.Mode, o.ModeSet, o.Size = l.mode, l.modeSet, l.bytes
		l.modeSet, l.bytes = false, 0
	case "dir", "file", "bind-data", "ro-bind-data":
		o.Mode, o.ModeSet = l.mode, l.modeSet
		l.modeSet = false
	case "overlay", "tmp-overlay", "ro-overlay":
		o.Layers, l.layers = l.layers, nil
	}
	l.Settings.Ops = append(l.Settings.Ops, o)
	return nil
}

// args parses the words that a descriptor has. What comes after the options there is
// ignored, as in bubblewrap.
func (l *line) args(args []string) error {
	if l.within {
		return errors.New("--args not supported in arguments file")
	}
	fd, err := parseFD(args[0])
	if err != nil {
		return err
	}
	for _, before := range l.Settings.Read {
		if before == fd {
			return errors.New("Can't read --args data: Bad file descriptor")
		}
	}
	words, err := l.readArgs(fd)
	if err != nil {
		return fmt.Errorf("Can't read --args data: %s", reason(err))
	}
	l.Settings.Read = append(l.Settings.Read, fd)
	l.within = true
	defer func() { l.within = false }()
	_, err = l.words(words)
	return err
}

// print says how the chain is printed.
func (l *line) print(how string) (err error) {
	if l.Again != nil {
		return cli.ErrPrints
	}
	l.Print = true
	if l.Again, err = cli.ParsePrint(how); l.Again != nil {
		l.readArgs = func(int) ([]string, error) { return nil, cli.ErrReadOnce }
	}
	return err
}

func (l *line) warn(text string) { l.Warnings = append(l.Warnings, text) }

// check refuses what cannot be combined, whoever the caller is.
func (l *line) check() error {
	s, n := &l.Settings, &l.Settings.Namespaces
	switch {
	case n.JoinUser >= 0 && n.User:
		return errors.New("--userns is not compatible with --unshare-user")
	case n.JoinUser >= 0 && n.UserTry:
		return errors.New("--userns is not compatible with --unshare-user-try")
	case s.AsPID1 && !n.PID:
		return errors.New("Specifying --as-pid-1 requires --unshare-pid")
	case s.AsPID1 && len(s.Locks) > 0:
		return errors.New("Specifying --as-pid-1 and --lock-file is not permitted")
	case s.Hostname != "" && !n.UTS:
		return errors.New("Specifying --hostname requires --unshare-uts")
	case n.Disable && !n.User:
		return errors.New("--disable-userns requires --unshare-user")
	case n.Disable && s.UsernsBlockFD >= 0:
		return errors.New("--disable-userns is not compatible with --userns-block-fd")
	case s.UsernsBlockFD >= 0 && !n.User:
		return errors.New("--userns-block-fd requires --unshare-user")
	case s.UsernsBlockFD >= 0 && s.InfoFD < 0:
		return errors.New("--userns-block-fd requires --info-fd")
	}
	return nil
}

// checkCaller refuses what depends on the caller.
func (l *line) checkCaller(h *host.Host) error {
	s, n := &l.Settings, &l.Settings.Namespaces
	user := n.User || n.UserTry || n.JoinUser >= 0 || h.UID != 0
	switch {
	case s.UID >= 0 && s.UID != int64(h.UID) && !user:
		return errors.New("Specifying --uid requires --unshare-user or --userns")
	case s.GID >= 0 && s.GID != int64(h.GID) && !user:
		return errors.New("Specifying --gid requires --unshare-user or --userns")
	}
	return s.checkLabels(h)
}

// checkLabels refuses labels where SELinux is not enabled, and what the policy does not have.
func (s *Settings) checkLabels(h *host.Host) error {
	for _, label := range []string{s.ExecLabel, s.FileLabel} {
		if label == "" {
			continue
		}
		switch err := h.CheckLabel(label); {
		case errors.Is(err, host.ErrNoSELinux):
			return errors.New("labeling not supported on this system")
		case err != nil:
			return fmt.Errorf("invalid label %s: %s", label, reason(err))
		}
	}
	return nil
}
