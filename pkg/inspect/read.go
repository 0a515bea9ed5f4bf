package inspect

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/host"
)

// What says what is read of a process.
type What struct {
	// PID is the process; 0 is the calling one, as its caller has started it: what the start
	// of this program has changed, and what it has opened, is left out.
	PID int
	// Sections are words of --only; none means all.
	Sections []string
	// Values reads the values of the environment, too.
	Values bool
	// Probe tries accesses: see [Landlock].
	Probe bool
	// Contents reads what the filters of another process do, for which the process is
	// stopped for a moment.
	Contents bool

	// paths are those of assertions.
	paths []string
}

// Read reads what holds for a process. It fails if there is no such process, and for another
// process if descriptors or memory run out; what else cannot be read is in [Report.Unreadable].
//
// Preconditions: for the calling process, it has changed nothing yet, and the calling
// goroutine is locked to its first thread.
func Read(h *host.Host, w What) (*Report, error) {
	p, err := openProcess(h, w.PID)
	if err != nil {
		return nil, err
	}
	defer p.close()
	r := &Report{Version: Version, only: w.Sections}
	s, err := p.status()
	for _, section := range []struct {
		name   string
		status bool // needs it
		read   func()
	}{
		{"fds", false, func() { r.readFDs(p) }}, // first, as long as nothing else is open
		{"ids", true, func() { r.readIDs(p, s) }},
		{"caps", true, func() { r.readCaps(p, s) }},
		{"namespaces", false, func() { r.readNamespaces(p) }},
		{"mounts", false, func() { r.readMounts(p); r.followed = p.followed(w.paths, r.Mounts) }},
		{"root", false, func() { r.readRoot(p, s, err) }},
		{"limits", false, func() { r.readLimits(p) }},
		{"cgroups", false, func() { r.readCgroups(p) }},
		{"seccomp", true, func() {
			if r.readSeccomp(s); w.Contents {
				r.readContents(p, s)
			}
		}},
		{"landlock", false, func() { r.readLandlock(p, w.Probe) }},
		{"signals", true, func() { r.readSignals(s) }},
		{"session", false, func() { r.readSession(p) }},
		{"keyrings", false, func() { r.readKeyrings(p) }},
		{"env", false, func() { r.readEnv(p, w.Values) }},
	} {
		switch {
		case !r.wants(section.name):
		case section.status && err != nil:
			r.unreadable(section.name, err)
		default:
			section.read()
		}
	}
	if !p.own {
		r.readThreads(p, s)
		if stat, err := p.stat(); err == nil {
			r.start = stat.start
		}
	}
	if r.lack == nil {
		r.lack = p.lack
	}
	if r.lack != nil && !p.own {
		return nil, fmt.Errorf("process %d: %w", p.pid, r.lack)
	}
	return r, nil
}

// keep drops the sections that are not in the list; an empty one keeps all.
func (r *Report) keep(list []string) {
	r.only = list
	all := *r
	*r = Report{Version: all.Version, Thread: all.Thread, only: list}
	for name, keep := range map[string]func(){
		"ids": func() { r.IDs = all.IDs }, "caps": func() { r.Caps = all.Caps }, "namespaces": func() { r.Namespaces = all.Namespaces },
		"mounts": func() { r.Mounts = all.Mounts }, "root": func() { r.Root = all.Root }, "limits": func() { r.Limits = all.Limits },
		"cgroups": func() { r.Cgroups = all.Cgroups }, "seccomp": func() { r.Seccomp = all.Seccomp },
		"landlock": func() { r.Landlock = all.Landlock }, "fds": func() { r.FDs = all.FDs }, "signals": func() { r.Signals = all.Signals },
		"session": func() { r.Session = all.Session }, "keyrings": func() { r.Keyrings = all.Keyrings }, "env": func() { r.Env = all.Env },
	} {
		if r.wants(name) {
			keep()
		}
	}
	for what, why := range all.Unreadable {
		if section, _, _ := strings.Cut(what, "."); r.wants(section) {
			if r.Unreadable == nil {
				r.Unreadable = map[string]string{}
			}
			r.Unreadable[what] = why
		}
	}
}

// has reports whether a section was read.
func (r *Report) has(section string) bool {
	switch section {
	case "ids":
		return r.IDs != nil
	case "caps":
		return r.Caps != nil
	case "namespaces":
		return r.Namespaces != nil
	case "mounts":
		return r.Mounts != nil
	case "root":
		return r.Root != nil
	case "limits":
		return r.Limits != nil
	case "seccomp":
		return r.Seccomp != nil
	case "fds":
		return r.FDs != nil
	case "signals":
		return r.Signals != nil
	case "session":
		return r.Session != nil
	case "env":
		return r.Env != nil
	}
	return false
}

// wants reports whether a section was asked for.
func (r *Report) wants(section string) bool {
	return len(r.only) == 0 || slices.Contains(r.only, section)
}
