package hakoniwa

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/internal/cli"
	"hk/internal/profile"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/idmap"
	"hk/pkg/limit"
)

const usageLine = "hk-run [flags] [--] [COMMAND [args...]]"

// A line is a command line.
type line struct {
	Settings Settings
	Common   chain.Common
	// Config is a configuration file, or "".
	Config string
	// Unit is a unit of systemd whose chain is printed, or "".
	Unit string
	// Print prints the chain; Quiet prints no warnings.
	Print, Quiet bool
	// Again is how the chain is printed for hk-inspect, or nil.
	Again *cli.Again
}

// parse parses the words after the program's name. What they say is added to what is in
// the settings.
func parse(words []string, to Settings) (*line, error) {
	l := &line{Settings: to, Common: chain.Common{StatusFD: -1}}
	for _, w := range words {
		if strings.ContainsRune(w, 0) {
			return nil, errors.New("a null byte in an argument")
		}
	}
	fs := getopt.Flags{Foreign: foreignFlag}
	l.flags(&flags{Flags: &fs})
	rest, err := fs.Parse(words)
	if err != nil {
		return nil, err
	}
	switch n := len(words) - len(rest); {
	case len(rest) == 0 || n > 0 && words[n-1] == "--":
	case rest[0] == "run" && n == 0:
		return nil, errors.New("\"run\": the flags of hakoniwa run are those of hk-run itself: leave it out")
	default:
		return nil, fmt.Errorf("%q: the command and its arguments come after --", rest[0])
	}
	if len(rest) > 0 {
		l.Settings.Command.Words = rest
	}
	return l, nil
}

// flags are flags of which no value is --, after which the command comes.
type flags struct {
	*getopt.Flags
}

// String adds a flag that may be repeated.
func (f *flags) String(name, short string, set func(string) error) {
	f.Flags.String(name, short, func(v string) error {
		if v == "--" {
			return errors.New("a value is needed")
		}
		return set(v)
	})
}

// once adds a flag that may not be repeated: one of two values would not count.
func (f *flags) once(name, short string, set func(string) error) {
	given := false
	f.String(name, short, func(v string) error {
		if given {
			return errors.New("it was given before")
		}
		given = true
		return set(v)
	})
}

// text adds a flag that stores its value, which is not empty.
func (f *flags) text(name, short string, at *string) {
	f.once(name, short, func(v string) error {
		if v == "" {
			return errors.New("an empty value")
		}
		*at = v
		return nil
	})
}

// foreignFlag translates flags of bwrap(1).
func foreignFlag(name string) string {
	switch name {
	case "ro-bind":
		return "--bindmount-ro SRC:DST"
	case "bind", "dev-bind":
		return "--bindmount-rw SRC:DST"
	case "dev":
		return "--devfs DST"
	case "proc", "die-with-parent", "unshare-pid", "unshare-user", "clearenv":
		return "always done"
	case "chdir":
		return "--workdir :DIR"
	case "net":
		return "--unshare-network for none, or --network pasta for the outside"
	case "private":
		return "-w DIR: your files are not there but for what is given"
	case "unshare-net":
		return "--unshare-network"
	case "share-net":
		return "--network host"
	case "new-session":
		return "--setsid"
	case "uid", "gid":
		return "--" + name + "map ID"
	}
	return ""
}

func (l *line) flags(f *flags) {
	l.namespaceFlags(f)
	l.rootFlags(f)
	l.userFlags(f)
	l.networkFlags(f)
	l.limitFlags(f)
	l.cgroupFlags(f)
	l.landlockFlags(f)
	s := &l.Settings
	f.text("seccomp", "", &s.Seccomp.Profile)
	f.Bool("init", "", &s.Process.Init)
	f.Bool("setsid", "", &s.Process.Setsid)
	f.text("report", "", &s.Limits.Report)
	f.text("config", "c", &l.Config)
	f.text("from-systemd", "", &l.Unit)
	f.Optional("print", "sh", func(v string) (err error) {
		if l.Again != nil {
			return cli.ErrPrints
		}
		l.Print = true
		l.Again, err = cli.ParsePrint(v)
		return err
	})
	f.Bool("quiet", "q", &l.Quiet)
	f.Bool("verbose", "v", &l.Common.Verbose)
	f.Bool("help", "h", &l.Common.Help)
	f.Bool("version", "", &l.Common.Version)
	f.Optional("explain", "text", l.Common.SetExplain)
	f.Bool("why", "", &l.Common.Why)
	f.once("status-fd", "", func(v string) (err error) {
		l.Common.StatusFD, err = getopt.ParseFD(v)
		return err
	})
}

func (l *line) namespaceFlags(f *flags) {
	s := &l.Settings
	all := []string{"cgroup", "ipc", "network", "uts"}
	add := func(types ...string) func(bool) error {
		return func(on bool) error {
			for _, t := range types {
				if on {
					s.Namespaces = append(s.Namespaces, Namespace{Type: t})
				}
			}
			return nil
		}
	}
	f.BoolFunc("unshare-all", "", add(all...))
	for _, t := range all {
		f.BoolFunc("unshare-"+t, "", add(t))
	}
	f.text("hostname", "", &s.Hostname)
}

func (l *line) rootFlags(f *flags) {
	s := &l.Settings
	f.once("rootdir", "", func(v string) error {
		dir, option, given := getopt.Value(v).Cut(':')
		if dir == "" || given && option != "rw" {
			return errors.New("a root directory is DIR[:rw]")
		}
		s.Root.Dir, s.Root.Writable, s.Root.Place = dir.Text(), given, profile.Place{}
		return nil
	})
	f.once("rootfs", "", func(v string) error {
		if v == "" {
			return errors.New("an empty path")
		}
		s.Root.FS, s.Root.DefaultFS = v, false
		return nil
	})
	bind := func(writable bool) func(string) error {
		return func(v string) error {
			source, target, err := pair(v, true)
			s.Mounts = append(s.Mounts, Mount{Source: source, Target: target, Writable: writable})
			return err
		}
	}
	f.String("bindmount-ro", "b", bind(false))
	f.String("bindmount-rw", "B", bind(true))
	for _, t := range []string{"devfs", "tmpfs"} {
		f.String(t, "", func(v string) error {
			s.Mounts = append(s.Mounts, Mount{Type: t, Target: v})
			return absolute(v)
		})
	}
	f.String("dir", "", func(v string) error {
		s.Files = append(s.Files, File{Type: "dir", Target: v})
		return absolute(v)
	})
	f.String("symlink", "", func(v string) error {
		text, target, err := pair(v, false)
		s.Files = append(s.Files, File{Type: "symlink", Target: target, Text: text})
		if err == nil {
			err = absolute(target)
		}
		return err
	})
	f.once("workdir", "w", func(v string) error {
		inside, ok := strings.CutPrefix(v, ":")
		switch {
		case inside == "":
			return errors.New("an empty path")
		case ok:
			s.Command.Dir, s.Command.Workdir = inside, ""
			return absolute(inside)
		}
		s.Command.Dir, s.Command.Workdir = "", v
		s.Mounts = append(s.Mounts, Mount{Source: v, Writable: true})
		return nil
	})
}

// pair parses SOURCE:TARGET, in which a colon of a path is written \:. With one, SOURCE
// alone is enough.
func pair(v string, one bool) (source, target string, err error) {
	fields := getopt.Value(v).Split(':')
	switch {
	case len(fields) == 2 && fields[0] != "" && fields[1] != "":
		return fields[0].Text(), fields[1].Text(), nil
	case len(fields) == 1 && one && v != "":
		return fields[0].Text(), "", nil
	case one:
		return "", "", errors.New(`not SOURCE[:TARGET], in which a colon of a path is \:`)
	}
	return "", "", errors.New(`not TEXT:LINK, in which a colon of a path is \:`)
}

func absolute(p string) error {
	if !strings.HasPrefix(p, "/") {
		return fmt.Errorf("%q is not an absolute path", p)
	}
	return nil
}

func (l *line) userFlags(f *flags) {
	s := &l.Settings
	f.once("userns", "", func(v string) error {
		if v != "auto" {
			return errors.New("not auto")
		}
		s.IDs.Auto = true
		return nil
	})
	ids := func(list *[]idmap.Range) func(string) error {
		return func(v string) error {
			r, err := idmap.ParseRange(v)
			*list = append(*list, r)
			return err
		}
	}
	f.String("uidmap", "u", ids(&s.IDs.UID))
	f.String("gidmap", "g", ids(&s.IDs.GID))
	f.text("user", "", &s.User.Name)
	f.text("caps", "", &s.User.Caps)
	f.Bool("allow-new-privs", "", &s.User.AllowNewPrivs)
	f.String("setenv", "e", func(v string) error {
		name, value, given := strings.Cut(v, "=")
		if name == "" {
			return errors.New("a variable is NAME or NAME=VALUE")
		}
		e := Env{Name: name}
		if given {
			e.Value = &value
		}
		s.Env = append(s.Env, e)
		return nil
	})
}

func (l *line) networkFlags(f *flags) {
	f.once("network", "", func(v string) error {
		mode, options, given := strings.Cut(v, ":")
		n := Network{Mode: mode}
		switch {
		case mode != "none" && mode != "host" && mode != "pasta":
			return errors.New("not none, host or pasta[:ARG,...]")
		case given && mode != "pasta":
			return fmt.Errorf("%s takes no options", mode)
		case options != "":
			n.Options = getopt.List(options)
		}
		l.Settings.Network = n
		return nil
	})
}

func (l *line) limitFlags(f *flags) {
	s := &l.Settings.Limits
	limits := func(parse func(string) (uint64, error), names ...string) {
		for _, name := range names {
			f.once("limit-"+name, "", func(v string) error {
				n, err := parse(v)
				s.List = append(s.List, limit.Limit{Resource: name, Soft: n, Hard: n})
				return err
			})
		}
	}
	limits(size, "as", "core", "fsize")
	limits(number, "cpu", "nofile")
	f.once("limit-walltime", "", func(v string) (err error) {
		s.Walltime, err = number(v)
		return err
	})
}

func number(v string) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n == limit.Unlimited {
		return 0, fmt.Errorf("%q is not a number", v)
	}
	return n, nil
}

func (l *line) landlockFlags(f *flags) {
	s := &l.Settings.Landlock
	resources := []string{"fs", "tcp.bind", "tcp.connect"}
	restrict := func(list ...string) {
		for _, t := range list {
			s.Resources = append(s.Resources, Resource{Type: t})
		}
	}
	on := func(list ...string) func(bool) error {
		return func(on bool) error {
			if on {
				restrict(list...)
			}
			return nil
		}
	}
	f.BoolFunc("landlock-restrict-all", "", on(resources...))
	for _, t := range resources {
		f.BoolFunc("landlock-restrict-"+strings.ReplaceAll(t, ".", "-"), "", on(t))
	}
	f.String("landlock-restrict", "", func(v string) error {
		for _, w := range getopt.List(v) {
			t := strings.ReplaceAll(w, "-", ".")
			if t != "fs" && t != "tcp.bind" && t != "tcp.connect" {
				return fmt.Errorf("%q is not fs, tcp.bind or tcp.connect", w)
			}
			restrict(t)
		}
		return nil
	})
	for _, name := range []string{"ro", "rw", "rx"} {
		access := strings.TrimSuffix(name, "o")
		f.String("landlock-fs-"+name, "", func(v string) error {
			for _, w := range getopt.Value(v).Split(',') {
				for _, p := range w.Split(':') {
					if p == "" {
						return errors.New("an empty path")
					}
					s.FS = append(s.FS, FSRule{Path: p.Text(), Access: access})
				}
			}
			return nil
		})
	}
	for _, t := range resources[1:] {
		f.String("landlock-"+strings.ReplaceAll(t, ".", "-"), "", func(v string) error {
			for _, w := range strings.Split(v, ",") {
				port, err := strconv.ParseUint(w, 10, 16)
				if err != nil {
					return fmt.Errorf("%q is not a port from 0 to 65535", w)
				}
				s.Net = append(s.Net, NetRule{Port: uint16(port), Access: t})
			}
			return nil
		})
	}
}
