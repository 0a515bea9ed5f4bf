package mount

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// Kind is hk-mount.
var Kind = stage.Kind{
	Name: "hk-mount",
	New:  func() stage.Stage { return &Mounts{} },
	Usage: `hk-mount [flags] [--] NEXT [args...]: build a root and enter it

Root: a new tmpfs, finally read-only (--root-tmpfs size=N,...)
 --root DIR, --root-rw DIR   DIR as the root: --root-dev --root-suid --root-noexec
 --ephemeral DIR             DIR as the root, writable, changes discarded
 --rootfs DIR                DIR's system directories, read-only; / is the host's
 --writable-root[=size=N]    leave the root writable     --context LABEL  for SELinux
 --in-place                  no new root: change the current mount namespace
Mounts, in this order
 -b, --ro SRC[:DST[:OPTS]]   -B, --rw SRC[:DST[:OPTS]]   --dev-bind SRC[:DST]
 --try-ro, --try-rw SRC...   skipped if SRC does not exist; SRC fd:N: a descriptor
 --tmpfs DST[:size=N,mode=M] --proc[=DST[:OPTS]]         --dev DST[:OPTS]
 --mqueue DST   --sysfs DST  --cgroup2 DST               --read-only DST[:norec]
 --overlay DST:lower=A:B,upper=U,work=W                  --tmp-overlay SRC:DST
 --ro-overlay DST:lower=A:B  --mask DST   --fs TYPE:SRC:DST[:OPTS]
 --try-read-only, --try-mask the same, skipped if DST does not exist
 --fstab FILE|-              an fstab(5) file        --protect DST[:deny|ro]
 OPTS: ro rw nosuid suid nodev dev noexec exec noatime nosymfollow norec
       private idmap[=DISK:SEEN:COUNT]
Files, in this order (--create[=writable]: on the host too, if something is missing)
 --dir DST[:MODE[:UID:GID]]  --symlink TARGET:DST  --chmod DST:MODE  --parents MODE
 --file DST[:MODE...]=TEXT  --file-from, --data, --data-rw DST[:MODE...]=HOSTFILE|-
 --chdir DIR, --else-chdir DIR   default: the same directory, else /    --lock FILE
 --nofollow  no DST is a symbolic link     Colons in a path are \:, and = in DST=... is \=
`,
	Rules: []stage.Rule{
		{Needs: stage.Mounting | stage.SysAdmin | stage.IDs | stage.Calls},
	},
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
	case "bind-fd":
		return "--rw fd:N:DST"
	case "ro-bind-fd":
		return "--ro fd:N:DST"
	case "ro-bind-data", "bind-data":
		return "--file-from DST=HOSTFILE, with /dev/fd/N for a descriptor"
	case "perms":
		return "--dir DST:MODE, --file DST:MODE=TEXT or --tmpfs DST:mode=MODE"
	case "size":
		return "--tmpfs DST:size=N"
	}
	return ""
}

// Flags binds m to the flags of hk-mount(1).
func (m *Mounts) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	m.rootFlags(fs)
	m.entryFlags(fs)
	directory := func(at *string) func(string) error {
		return func(v string) error {
			*at = v
			return checkTarget(v)
		}
	}
	fs.String("chdir", "", directory(&m.Dir))
	fs.String("else-chdir", "", directory(&m.ElseDir))
	fs.String("lock", "", func(v string) error {
		m.Locks = append(m.Locks, v)
		return checkTarget(v)
	})
}

// entryFlags are the flags that add an entry, each in its place.
func (m *Mounts) entryFlags(fs *getopt.Flags) {
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
	add := func(parse func(string) (Entry, error), kinds ...EntryKind) {
		for _, kind := range kinds {
			fs.String(string(kind), shortFlag(kind), entry(kind, parse))
		}
	}
	add(func(v string) (Entry, error) { return Entry{Source: v}, nil }, RootFS)
	add(func(v string) (Entry, error) {
		if v == "" {
			return Entry{}, errors.New("an empty path")
		}
		return Entry{Source: v}, nil
	}, Fstab)
	add(parseBind, ReadOnlyBind, Bind, DeviceBind, TryReadOnly, TryBind)
	add(parseTarget, Tmpfs)
	fs.Optional(string(Proc), "", entry(Proc, parseProc))
	add(parseDevTarget, Dev)
	add(parsePlainTarget, Mask, TryMask)
	add(parseReadOnly, ReadOnly, TryMakeReadOnly)
	add(parseTarget, Mqueue, Sysfs, Cgroup2)
	add(parseDirectory, Directory)
	add(parseChmod, Chmod)
	add(parseOverlay, Overlay, ReadOnlyOverlay)
	add(parseProtected, Protect)
	add(parseFileSystem, FileSystem)
	add(parseTmpOverlay, TmpOverlay)
	add(parseFile, File, FileFrom, Data, WritableData)
	add(pair("a link is TARGET:DST"), Symlink)
	add(parseParents, Parents)
}

// shortFlag is the letter for a kind of entry, or "".
func shortFlag(kind EntryKind) string {
	switch kind {
	case ReadOnlyBind:
		return "b"
	case Bind:
		return "B"
	}
	return ""
}

// parseProc is parseTarget for --proc, whose target is /proc unless it is given.
func parseProc(v string) (Entry, error) {
	if v == "" || v[0] == ':' {
		v = "/proc" + v
	}
	return parseTarget(v)
}

// parseDevTarget is parseTarget for --dev.
func parseDevTarget(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil {
		_, err = parseDev(e.Options)
	}
	return e, err
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
	fs.String("root-tmpfs", "", func(v string) error { return m.setTmpfs(v) })
	fs.Optional("writable-root", "true", func(v string) error {
		if on, err := strconv.ParseBool(v); err == nil {
			m.Writable = on
			return nil
		}
		m.Writable = true
		return m.setTmpfs(v)
	})
	fs.Bool("in-place", "", &m.InPlace)
	fs.Bool("nofollow", "", &m.NoFollow)
	fs.String("context", "", func(v string) error {
		if m.Label = v; v == "" {
			return errors.New("an empty label")
		}
		return nil
	})
	fs.Bool("root-dev", "", &m.RootDev)
	fs.Bool("root-suid", "", &m.RootSuid)
	fs.Bool("root-noexec", "", &m.RootNoexec)
	fs.Optional("create", "true", func(v string) error {
		if v == "writable" {
			m.CreateWritable = true
			return nil
		}
		on, err := strconv.ParseBool(v)
		if m.Create = on; err != nil {
			return errors.New("neither true, false nor writable")
		}
		return nil
	})
}

// setTmpfs sets the options of the tmpfs of the root.
func (m *Mounts) setTmpfs(options string) error {
	if m.Tmpfs != "" {
		return errors.New("the options of the root were already given")
	}
	m.Tmpfs = options
	_, _, err := tmpfsOptions(options, 0)
	return err
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
	if n := getopt.Value(v).Fields(4); n[0] == "fd" && len(n) > 1 && isNumber(string(n[1])) {
		fd, err := getopt.ParseFD(string(n[1]))
		switch {
		case err != nil:
			return Entry{}, err
		case fd <= 2:
			return Entry{}, errors.New("a descriptor above 2 is needed")
		case len(n) < 3:
			return Entry{}, errors.New("a bind of a descriptor is fd:N:DST[:OPTS]")
		}
		e, f = Entry{FD: fd}, n[1:]
	}
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

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
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
		return Entry{}, errors.New("a file is DST[:MODE[:UID:GID]]=...")
	}
	e, err := parseDirectory(string(target))
	e.Source = string(text)
	return e, err
}

func parseDirectory(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil {
		_, err = parsePermission(e.Options, 0)
	}
	return e, err
}

func parseChmod(v string) (Entry, error) {
	e, err := parseDirectory(v)
	if p, _ := parsePermission(e.Options, 0); err == nil && (e.Options == "" || p.owned) {
		err = errors.New("a change of mode is DST:MODE")
	}
	return e, err
}

func parseParents(v string) (Entry, error) {
	p, err := parsePermission(v, 0)
	if err == nil && (v == "" || p.owned) {
		err = errors.New("a mode of directories is octal")
	}
	return Entry{Options: v}, err
}
