package inspect

import (
	"maps"
	"path"
	"slices"
	"strings"
)

func (c *composer) mount() {
	if !c.apart || len(c.other.Mounts) == 0 {
		return
	}
	root := mountAt(c.other.Mounts, "/")
	if root == nil || root.At != "/" {
		c.note("mounts: the root directory is not a mount point")
		return
	}
	list, inPlace := c.root(root)
	skip := ""
	for i := range c.other.Mounts {
		m := &c.other.Mounts[i]
		switch {
		case m.Hidden, m == root, skip != "" && below(m.At, skip), inPlace && c.has(m):
			continue
		case c.isDev(m):
			list, skip = append(list, "--dev="+escaped(m.At)), m.At
		case m.Type == "proc" && m.From != "/" && m.has("ro"):
			// hk-mount --proc makes it, for a payload that may be the machine's root.
		default:
			list = append(list, c.mounted(m)...)
		}
	}
	if d := c.other.Root; d != nil && strings.HasPrefix(d.Directory, "/") && !inPlace {
		list = append(list, "--chdir="+d.Directory)
	}
	c.add("hk-mount", list)
}

// root are the flags for the root directory; inPlace is set if it is that of the process
// that looks.
func (c *composer) root(m *Mount) (list []string, inPlace bool) {
	source := c.source(m)
	switch {
	case source == "/":
		return []string{"--in-place"}, true
	case source != "" && m.has("ro"):
		return []string{"--root=" + source}, false
	case source != "":
		return []string{"--root-rw=" + source}, false
	case m.Type != "tmpfs":
		c.note("mounts: the root directory is on a file system that is not visible here: %s, %s", m.Type, m.Source)
		return nil, false
	}
	if !m.has("ro") {
		list = append(list, "--writable-root")
	}
	for _, name := range slices.Sorted(maps.Keys(c.other.links)) {
		list = append(list, "--symlink="+escaped(c.other.links[name])+":"+escaped("/"+name))
	}
	for _, name := range c.other.dirs {
		if !slices.ContainsFunc(c.other.Mounts, func(o Mount) bool { return o.At == "/"+name || below(o.At, "/"+name) }) {
			list = append(list, "--dir="+escaped("/"+name))
		}
	}
	return list, false
}

// has reports whether the process that looks has the same mount at the same place.
func (c *composer) has(m *Mount) bool {
	return slices.ContainsFunc(c.own.Mounts, func(o Mount) bool {
		return !o.Hidden && o.At == m.At && o.Device == m.Device && o.From == m.From && slices.Equal(o.Options, m.Options)
	})
}

// source is where the process that looks finds what is mounted, or "".
func (c *composer) source(m *Mount) string {
	best := ""
	found := -1
	for i := range c.own.Mounts {
		o := &c.own.Mounts[i]
		if o.Hidden || o.Device != m.Device || o.From != m.From && !below(m.From, o.From) || len(o.From) <= found {
			continue
		}
		at := path.Join(o.At, strings.TrimPrefix(m.From, strings.TrimSuffix(o.From, "/")))
		if mountAt(c.own.Mounts, at) == o {
			best, found = at, len(o.From)
		}
	}
	return best
}

// isDev reports whether a mount is what hk-mount --dev, and others, make: a tmpfs with a
// devpts in it.
func (c *composer) isDev(m *Mount) bool {
	return m.Type == "tmpfs" && c.source(m) == "" && slices.ContainsFunc(c.other.Mounts, func(o Mount) bool {
		return o.Type == "devpts" && !o.Hidden && o.At == strings.TrimSuffix(m.At, "/")+"/pts"
	})
}

// mounted are the flags for a mount.
func (c *composer) mounted(m *Mount) []string {
	source := c.source(m)
	switch {
	case source != "":
		return []string{bindFlag(source, m)}
	case m.From != "/":
		c.note("mounts: %s is %s of a file system that is not visible here: %s, %s", m.At, m.From, m.Type, m.Source)
		return nil
	}
	switch m.Type {
	case "proc":
		if m.At == "/proc" {
			return []string{"--proc"}
		}
		return []string{"--proc=" + escaped(m.At)}
	case "tmpfs":
		return []string{"--tmpfs=" + escaped(m.At) + tmpfsOptions(m)}
	case "mqueue", "sysfs", "cgroup2":
		return []string{"--" + m.Type + "=" + escaped(m.At)}
	}
	c.note("mounts: %s is a file system that is not visible here: %s, %s, %s", m.At, m.Type, m.Source, strings.Join(m.Super, ","))
	return nil
}

// bindFlag is a bind mount.
func bindFlag(source string, m *Mount) string {
	flag := "--rw="
	if slices.Contains(m.Options, "ro") {
		flag = "--ro="
	}
	var options []string
	for option, without := range map[string]string{"nosuid": "suid", "nodev": "dev"} { // hk-mount's defaults
		if !slices.Contains(m.Options, option) {
			options = append(options, without)
		}
	}
	slices.Sort(options)
	for _, option := range []string{"noexec", "nosymfollow"} {
		if slices.Contains(m.Options, option) {
			options = append(options, option)
		}
	}
	text := flag + escaped(source)
	if source != m.At || len(options) > 0 {
		text += ":" + escaped(m.At)
	}
	if len(options) > 0 {
		text += ":" + strings.Join(options, ",")
	}
	return text
}

// tmpfsOptions are the options of a tmpfs that are worth repeating.
func tmpfsOptions(m *Mount) string {
	var list []string
	for _, o := range m.Super {
		if strings.HasPrefix(o, "size=") || strings.HasPrefix(o, "mode=") {
			list = append(list, o)
		}
	}
	for _, o := range []string{"ro", "noexec"} {
		if slices.Contains(m.Options, o) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return ":" + strings.Join(list, ",")
}
