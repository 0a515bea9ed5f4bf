package systemd

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/internal/cli"
	"hk/pkg/mount"
)

// A set of directories that the manager creates: those of StateDirectory=, or another one.
type directorySet struct {
	// variable has their paths, separated by colons.
	variable, paths string
	list            []string
	readOnly        []bool
	// setup are commands of a shell that create them.
	setup []string
}

// directories sets what the manager creates before the service starts.
func (c *compiler) directories() {
	owner := []string{}
	if u := &c.account; u.dynamic {
		id := strconv.Itoa(u.Uid)
		owner = []string{"-o", id, "-g", id}
	} else if u.name != "" {
		owner = []string{"-o", u.name}
		group := c.text("Group")
		if group == "" && u.known {
			group = strconv.Itoa(u.Gid)
		}
		if group != "" {
			owner = append(owner, "-g", group)
		}
	}
	for _, d := range []struct{ name, below, variable string }{
		{"RuntimeDirectory", "/run", "RUNTIME_DIRECTORY"}, {"StateDirectory", "/var/lib", "STATE_DIRECTORY"}, {"CacheDirectory", "/var/cache", "CACHE_DIRECTORY"},
		{"LogsDirectory", "/var/log", "LOGS_DIRECTORY"}, {"ConfigurationDirectory", "/etc", "CONFIGURATION_DIRECTORY"},
	} {
		mode := "0755"
		if a, ok := c.one(d.name + "Mode"); ok {
			if n, err := strconv.ParseUint(a.Value, 8, 32); err != nil || n > 0o7777 {
				c.failf(a, "not an octal mode")
			}
			mode = a.Value
		}
		own := owner
		if d.name == "ConfigurationDirectory" {
			own = nil
		}
		if set := c.directorySet(d.name, d.below, append([]string{"install", "-d", "-m", mode}, own...)); len(set.list) > 0 {
			set.variable = d.variable
			set.paths = strings.Join(set.list, ":")
			c.created = append(c.created, set)
		}
	}
}

// directorySet are the directories of a directive: NAME[:LINK[:ro]] below a directory.
func (c *compiler) directorySet(name, below string, command []string) (set directorySet) {
	for _, i := range c.words(name) {
		f := strings.Split(i.word, ":")
		for _, p := range f[:min(len(f), 2)] {
			if path.IsAbs(p) || slices.Contains(strings.Split(p, "/"), "..") || f[0] == "" || len(f) > 3 || len(f) == 3 && f[2] != "ro" && f[2] != "" {
				c.failf(i.Assignment, "%q is not NAME[:LINK[:ro]] with relative names", i.word)
				return set
			}
		}
		dir := path.Join(below, f[0])
		if !slices.Contains(set.list, dir) {
			set.list = append(set.list, dir)
			set.readOnly = append(set.readOnly, len(f) == 3 && f[2] == "ro")
			set.setup = append(set.setup, shellWords(append(slices.Clone(command), dir)))
		}
		if len(f) > 1 && f[1] != "" {
			set.setup = append(set.setup, shellWords([]string{"ln", "-sfn", dir, path.Join(below, f[1])}))
		}
	}
	if name == "RuntimeDirectory" && len(set.list) > 0 {
		a, _ := c.one(name)
		c.note(unsaid, a, "the directories are not removed at the end")
	}
	return set
}

// mount makes the directories writable, or mounts them in another root.
func (d *directorySet) mount(c *compiler, r *root) {
	for i, dir := range d.list {
		w := allowed
		if d.readOnly[i] {
			w = denied
		}
		if c.rootDir != "" || strings.HasPrefix(string(nearest(r.spots, dir, true).kindOrEmpty()), string(mount.Tmpfs)) {
			r.mount(mount.Bind, dir, dir, "")
			c.creates = true
		}
		if s := r.at(dir, false); s.write == inherited || w == denied {
			s.write = w
		}
	}
}

// kindOrEmpty is the kind of a spot that may be nil.
func (s *spot) kindOrEmpty() mount.EntryKind {
	if s == nil {
		return ""
	}
	return s.kind
}

func quote(word string) string { return cli.Quote(word) }

// shellWords is a command of sh(1).
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}
