package hakoniwa

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hk/internal/profile"
	"hk/pkg/getopt"
	"hk/pkg/mount"
)

// root sets what the root consists of: the root directory, what is mounted, sorted by
// target so that a directory comes before what is in it, what is created, and what is
// covered.
func (c *compiler) root() error {
	m := &c.mounts
	m.Dir, m.Create = cmp.Or(c.Command.Dir, "/"), true
	skip := false
	if c.Root.Dir != "" {
		dir, err := c.abs(c.Root.Dir)
		if err != nil {
			return err
		}
		mode, err := c.stat(dir)
		if err != nil {
			return c.Root.Place.Wrap("path", fmt.Errorf("rootdir %s: %w", c.Root.Dir, err))
		}
		if !mode.IsDir() {
			return c.Root.Place.Wrap("path", fmt.Errorf("rootdir %s: not a directory", c.Root.Dir))
		}
		m.Root, m.Writable = dir, c.Root.Writable
		_, err = c.stat(path.Join(dir, "bin"))
		skip = err == nil && c.Root.DefaultFS
	}
	if fs := c.Root.FS; fs != "" && fs != "none" && !skip {
		fs, err := c.abs(fs)
		if err != nil {
			return err
		}
		if _, err := c.stat(fs); err != nil {
			return fmt.Errorf("rootfs %s: %w", c.Root.FS, err)
		}
		m.Entries = append(m.Entries, mount.Entry{Kind: mount.RootFS, Source: fs})
	}
	list := append([]Mount{{Type: "proc", Target: "/proc"}}, c.Mounts...)
	if w := c.Command.Workdir; w != "" {
		dir, err := c.abs(w)
		if err != nil {
			return err
		}
		m.Dir = dir
	}
	if err := c.mount(list); err != nil {
		return err
	}
	c.create()
	for _, p := range c.Protect.ReadOnly {
		m.Entries = append(m.Entries, mount.Entry{Kind: mount.ReadOnly, Target: p})
	}
	for _, p := range c.Protect.Names {
		e := mount.Entry{Kind: mount.Protect, Target: p.Target}
		if p.ReadOnly {
			e.Options = "ro"
		}
		m.Entries = append(m.Entries, e)
	}
	for _, p := range c.Protect.Masks {
		m.Entries = append(m.Entries, mount.Entry{Kind: mount.Mask, Target: p})
	}
	return nil
}

// abs is a path of the host as an absolute one.
func (c *compiler) abs(p string) (string, error) {
	if filepath.IsAbs(p) {
		return p, nil
	}
	if c.Host.Dir == "" {
		return "", fmt.Errorf("%s: the path is relative, and the working directory has no name", p)
	}
	return c.Host.Dir + "/" + p, nil
}

// mount adds what is mounted.
func (c *compiler) mount(list []Mount) error {
	entries := map[string]mount.Entry{}
	for _, m := range list {
		e, err := c.entry(m)
		if err != nil {
			return m.Place.Wrap("", err)
		}
		entries[e.Target] = e
		if m.Type == "" && m.Place == (profile.Place{}) {
			c.given = append(c.given, e)
		}
	}
	c.mounts.Entries = append(c.mounts.Entries, sorted(entries)...)
	return nil
}

func sorted(entries map[string]mount.Entry) []mount.Entry {
	var list []mount.Entry
	for _, e := range entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b mount.Entry) int { return strings.Compare(a.Target, b.Target) })
	return list
}

// entry returns what hk-mount is to mount.
func (c *compiler) entry(m Mount) (mount.Entry, error) {
	e := mount.Entry{Kind: mount.EntryKind(m.Type), Source: m.Source, Target: cmp.Or(m.Target, m.Source), Options: m.Options}
	switch m.Type {
	case "devfs":
		e.Kind, e.Source = mount.Dev, ""
	case "tmpfs":
		e.Source = ""
		if !slices.ContainsFunc(getopt.List(e.Options), func(o string) bool { return strings.HasPrefix(o, "mode=") }) {
			e.Options = strings.TrimPrefix(e.Options+",mode=1777", ",")
		}
	case "":
		e.Kind = mount.ReadOnlyBind
		switch {
		case m.Writable && m.Optional:
			e.Kind = mount.TryBind
		case m.Writable:
			e.Kind = mount.Bind
		case m.Optional:
			e.Kind = mount.TryReadOnly
		}
		var err error
		if e.Source, err = c.abs(m.Source); err != nil {
			return e, err
		}
		mode, err := c.stat(e.Source)
		if err != nil && !m.Optional {
			return e, fmt.Errorf("path %s: %w", m.Source, err)
		}
		if m.Target == "" {
			e.Target = e.Source
		}
		// Elsewhere a directory with devices is not what is meant.
		if from := path.Clean(e.Source); err == nil && (mode&fs.ModeDevice != 0 || strings.HasPrefix(from+"/", "/dev/")) {
			e.Options = strings.TrimPrefix(e.Options+",dev", ",")
		}
	}
	if !path.IsAbs(e.Target) {
		return e, fmt.Errorf("%s: the target is not an absolute path", e.Target)
	}
	e.Target = path.Clean(e.Target)
	return e, nil
}

// create adds what is created.
func (c *compiler) create() {
	entries := map[string]mount.Entry{}
	for _, f := range c.Files {
		e := mount.Entry{Kind: mount.EntryKind(f.Type), Source: f.Text, Target: path.Clean(f.Target)}
		if e.Kind == mount.Directory {
			e.Options = cmp.Or(f.Mode, c.newMode(e.Target))
		}
		entries[e.Target] = e
	}
	c.mounts.Entries = append(c.mounts.Entries, sorted(entries)...)
}

// newMode is the mode of a directory that is created. For one that an earlier run has
// created in the root directory with this mode, it is "", which leaves it as it is.
func (c *compiler) newMode(target string) string {
	const mode = "0700"
	if c.Root.Dir == "" {
		return mode
	}
	there, err := os.Lstat(filepath.Join(c.Root.Dir, target))
	if err == nil && there.IsDir() && there.Mode() == fs.ModeDir|0o700 {
		return ""
	}
	return mode
}
