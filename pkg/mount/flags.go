package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// Kind is hk-mount.
var Kind = stage.Kind{
	Name: "hk-mount",
	New:  func() stage.Stage { return &Mounts{} },
	Usage: `hk-mount [flags] [--] NEXT [args...]: build a root and enter it

Root: a new tmpfs, finally read-only
 --root DIR, --root-rw DIR   DIR as the root, read-only or writable
 --ephemeral DIR             DIR as the root, writable, changes discarded
 --rootfs DIR                DIR's system directories, read-only; / is the host's
 --writable-root             leave the root writable
 --in-place                  no new root: change the current mount namespace
Mounts, in this order
 -b, --ro SRC[:DST[:OPTS]]   -B, --rw SRC[:DST[:OPTS]]   --dev-bind SRC[:DST]
 --try-ro, --try-rw ...      the same, skipped if SRC does not exist
 --tmpfs DST[:size=N,mode=M] --proc[=DST[:OPTS]]         --dev DST
 --mqueue DST   --sysfs DST  --cgroup2 DST               --read-only DST
 --overlay DST:lower=A:B,upper=U,work=W                  --tmp-overlay SRC:DST
 --ro-overlay DST:lower=A:B  --mask DST   --fs TYPE:SRC:DST[:OPTS]
 --fstab FILE|-              the lines of an fstab(5) file
 OPTS: ro rw nosuid suid nodev dev noexec exec noatime nosymfollow norec
       idmap[=DISK:SEEN:COUNT]
Files, in this order
 --dir DST[:MODE]            --symlink TARGET:DST
 --file DST=TEXT             --file-from DST=HOSTFILE|-
 --chdir DIR                 default: the same directory if it exists, else /
A colon in a path is written \:, and an equals sign in a DST=... \=
`,
}

// foreignFlag translates flags of bwrap(1).
func foreignFlag(name string) string {
	switch name {
	case "bind":
		return "--rw SRC:DST"
	case "ro-bind":
		return "--ro SRC:DST, and --rootfs / or --root / for a root"
	case "bind-try":
		return "--try-rw SRC:DST"
	case "ro-bind-try":
		return "--try-ro SRC:DST"
	case "remount-ro":
		return "--read-only DST"
	case "ro-bind-data", "bind-data":
		return "--file-from DST=HOSTFILE"
	}
	return ""
}

// Flags binds m to the flags of hk-mount(1).
func (m *Mounts) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	entry := func(kind EntryKind, parse func(string) (Entry, error)) func(string) error {
		return func(v string) error {
			e, err := parse(v)
			if err != nil {
				return err
			}
			e.Kind = kind
			m.Entries = append(m.Entries, e)
			return nil
		}
	}
	add := func(short string, kind EntryKind, parse func(string) (Entry, error)) {
		fs.String(string(kind), short, entry(kind, parse))
	}
	m.rootFlags(fs)
	add("", RootFS, func(v string) (Entry, error) { return Entry{Source: v}, nil })
	add("", Fstab, func(v string) (Entry, error) {
		if v == "" {
			return Entry{}, errors.New("an empty path")
		}
		return Entry{Source: v}, nil
	})
	add("b", ReadOnlyBind, parseBind)
	add("B", Bind, parseBind)
	add("", DeviceBind, parseBind)
	add("", TryReadOnly, parseBind)
	add("", TryBind, parseBind)
	add("", Tmpfs, parseTarget)
	fs.Optional(string(Proc), "", entry(Proc, func(v string) (Entry, error) {
		if v == "" || v[0] == ':' {
			v = "/proc" + v
		}
		return parseTarget(v)
	}))
	for _, kind := range []EntryKind{Dev, ReadOnly, Mask} {
		add("", kind, parsePlainTarget)
	}
	for _, kind := range []EntryKind{Mqueue, Sysfs, Cgroup2, Directory} {
		add("", kind, parseTarget)
	}
	for _, kind := range []EntryKind{Overlay, ReadOnlyOverlay} {
		add("", kind, parseOverlay)
	}
	add("", FileSystem, parseFileSystem)
	add("", TmpOverlay, pair("a tmp-overlay is SRC:DST"))
	add("", File, parseFile)
	add("", FileFrom, parseFile)
	add("", Symlink, pair("a link is TARGET:DST"))
	fs.String("chdir", "", func(v string) error {
		m.Dir = v
		return checkTarget(v)
	})
}

// rootFlags are the flags that determine the root.
func (m *Mounts) rootFlags(fs *getopt.Flags) {
	root := func(writable, ephemeral bool) func(string) error {
		return func(v string) error {
			if v == "" || m.Root != "" {
				return errors.New("only one directory can be the root")
			}
			m.Root, m.Writable, m.Ephemeral = v, m.Writable || writable, ephemeral
			return nil
		}
	}
	fs.String("root", "", root(false, false))
	fs.String("root-rw", "", root(true, false))
	fs.String("ephemeral", "", root(false, true))
	fs.Bool("writable-root", "", &m.Writable)
	fs.Bool("in-place", "", &m.InPlace)
}

// parsePlainTarget is parseTarget for entries without options.
func parsePlainTarget(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil && e.Options != "" {
		err = errors.New("it takes no options")
	}
	return e, err
}

func parseFileSystem(v string) (Entry, error) {
	f := getopt.Value(v).Fields(4)
	if len(f) < 3 || f[0] == "" || strings.Contains(f[0].Text(), ":") {
		return Entry{}, errors.New("a file system is TYPE:SRC:DST[:OPTS]")
	}
	e := Entry{Source: f[0].Text() + ":" + f[1].Text(), Target: f[2].Text()}
	if len(f) == 4 {
		e.Options = string(f[3])
	}
	return e, checkTarget(e.Target)
}

// pair parses SRC:DST; form is the error for anything else.
func pair(form string) func(string) (Entry, error) {
	return func(v string) (Entry, error) {
		f := getopt.Value(v).Split(':')
		if len(f) != 2 || f[0] == "" {
			return Entry{}, errors.New(form)
		}
		e := Entry{Source: f[0].Text(), Target: f[1].Text()}
		return e, checkTarget(e.Target)
	}
}

func checkTarget(t string) error {
	if !strings.HasPrefix(t, "/") {
		return fmt.Errorf("%q is not an absolute path", t)
	}
	return nil
}

func parseBind(v string) (Entry, error) {
	f := getopt.Value(v).Fields(3)
	e := Entry{Source: f[0].Text()}
	if len(f) > 2 {
		e.Options = string(f[2])
	}
	// Of the options only an ID map contains colons: any other colon belongs to a path.
	more := slices.ContainsFunc(getopt.Value(e.Options).Split(','), func(o getopt.Value) bool {
		return len(o.Split(':')) > 1 && !strings.HasPrefix(string(o), "idmap=")
	})
	if more || f[0] == "" {
		return Entry{}, errors.New("a bind is SRC[:DST[:OPTS]]")
	}
	if len(f) > 1 && f[1] != "" {
		e.Target = f[1].Text()
		return e, checkTarget(e.Target)
	}
	return e, nil
}

func parseTarget(v string) (Entry, error) {
	target, options, _ := getopt.Value(v).Cut(':')
	e := Entry{Target: target.Text(), Options: string(options)}
	return e, checkTarget(e.Target)
}

func parseOverlay(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil && e.Options == "" {
		err = errors.New("an overlay is DST:lower=...")
	}
	if err == nil {
		_, err = parseLayers(e.Options)
	}
	return e, err
}

func parseFile(v string) (Entry, error) {
	target, text, ok := getopt.Value(v).Cut('=')
	if !ok {
		return Entry{}, errors.New("a file is DST=...")
	}
	e := Entry{Source: string(text), Target: target.Text()}
	return e, checkTarget(e.Target)
}

// Args prints m as flags.
func (m *Mounts) Args() []string {
	var a getopt.Args
	switch {
	case m.Ephemeral:
		a.String("ephemeral", m.Root)
	case m.Writable:
		a.Set("root-rw", m.Root)
	default:
		a.Set("root", m.Root)
	}
	a.Bool("writable-root", m.Writable && (m.Ephemeral || m.Root == ""))
	a.Bool("in-place", m.InPlace)
	for _, e := range m.Entries {
		a.String(string(e.Kind), e.value())
	}
	a.Set("chdir", m.Dir)
	return a
}

func (e Entry) value() string {
	switch e.Kind {
	case RootFS, Fstab:
		return e.Source
	case File, FileFrom:
		return string(getopt.Escape(e.Target, "=")) + "=" + e.Source
	}
	v := string(getopt.Escape(e.Target, ":"))
	switch e.Kind {
	case Symlink, TmpOverlay:
		v = string(getopt.Escape(e.Source, ":")) + ":" + v
	case FileSystem:
		fstype, source, _ := strings.Cut(e.Source, ":")
		v = string(getopt.Escape(fstype, ":")+":"+getopt.Escape(source, ":")) + ":" + v
	case ReadOnlyBind, Bind, DeviceBind, TryReadOnly, TryBind:
		if source := string(getopt.Escape(e.Source, ":")); e.Target != "" || e.Options != "" {
			v = source + ":" + v
		} else {
			v = source
		}
	}
	if e.Options != "" {
		v += ":" + e.Options
	}
	return v
}
