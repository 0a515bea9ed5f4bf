package inspect

import (
	"slices"

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
}

// Read reads what holds for a process. It fails if there is no such process; what cannot be
// read is in [Report.Unreadable].
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
		{"mounts", false, func() { r.readMounts(p) }},
		{"root", false, func() { r.readRoot(p, s, err) }},
		{"limits", false, func() { r.readLimits(p) }},
		{"cgroups", false, func() { r.readCgroups(p) }},
		{"seccomp", true, func() { r.readSeccomp(s) }},
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
	return r, nil
}

// wants reports whether a section was asked for.
func (r *Report) wants(section string) bool {
	return len(r.only) == 0 || slices.Contains(r.only, section)
}
