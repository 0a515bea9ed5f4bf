package inspect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/host"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A status is what /proc/PID/status says, as far as it is used.
type status struct {
	uids, gids [4]uint32 // real, effective, saved, file system
	groups     []uint32
	// caps are the permitted, effective, inheritable, bounding and ambient set.
	caps       [5]uint64
	noNewPrivs bool
	// mode and filters are of seccomp(2); filters is -1 if their number is not known.
	mode, filters                     int
	pending, blocked, ignored, caught uint64
	umask                             uint32
}

// setNames are the names of the sets in the file and in the report.
var setNames = [5][2]string{{"CapPrm", "permitted"}, {"CapEff", "effective"}, {"CapInh", "inheritable"}, {"CapBnd", "bounding"}, {"CapAmb", "ambient"}}

// parseStatus parses /proc/PID/status: proc_pid_status(5). A kernel without seccomp has no
// lines for it.
func parseStatus(text string) (s status, err error) {
	lines := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			if _, twice := lines[name]; !twice {
				lines[name] = strings.TrimSpace(value)
			}
		}
	}
	s.filters = -1
	var errs []error
	number := func(name string, base, bits int) uint64 {
		n, err := strconv.ParseUint(lines[name], base, bits)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q", name, lines[name]))
		}
		return n
	}
	for name, at := range map[string]*[4]uint32{"Uid": &s.uids, "Gid": &s.gids} {
		list, ok := numbers(lines[name])
		if !ok || len(list) != 4 {
			errs = append(errs, fmt.Errorf("%s: %q", name, lines[name]))
			continue
		}
		copy(at[:], list)
	}
	list, ok := numbers(lines["Groups"])
	if _, has := lines["Groups"]; !ok || !has {
		errs = append(errs, fmt.Errorf("Groups: %q", lines["Groups"]))
	}
	s.groups = list
	for i, name := range setNames {
		s.caps[i] = number(name[0], 16, 64)
	}
	s.noNewPrivs = number("NoNewPrivs", 10, 1) != 0
	if _, ok := lines["Seccomp"]; ok {
		s.mode = int(number("Seccomp", 10, 8))
	} else {
		s.filters = 0
	}
	if _, ok := lines["Seccomp_filters"]; ok {
		s.filters = int(number("Seccomp_filters", 10, 31))
	}
	s.pending = number("SigPnd", 16, 64) | number("ShdPnd", 16, 64)
	s.blocked, s.ignored, s.caught = number("SigBlk", 16, 64), number("SigIgn", 16, 64), number("SigCgt", 16, 64)
	s.umask = uint32(number("Umask", 8, 32))
	if len(errs) > 0 {
		return status{}, fmt.Errorf("not as in proc_pid_status(5): %w", errors.Join(errs...))
	}
	return s, nil
}

// numbers parses IDs between blanks.
func numbers(text string) (list []uint32, ok bool) {
	list = []uint32{}
	for _, w := range strings.Fields(text) {
		n, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return nil, false
		}
		list = append(list, uint32(n))
	}
	return list, true
}

// status is that of the process.
func (p *process) status() (status, error) {
	text, err := p.read("status")
	if err != nil && !p.own {
		return status{}, err
	}
	s, err := parseStatus(text)
	if !p.own {
		return s, err
	}
	if err != nil {
		s = ownStatus(p.host)
	}
	// The handlers and the mask are those of the Go runtime.
	s.blocked, s.ignored, s.caught = p.host.Sigmask, p.host.Ignored, 0
	s.pending &= s.blocked
	return s, nil
}

// ownStatus is what this process can find out without a procfs.
func ownStatus(h *host.Host) status {
	s := status{filters: -1, noNewPrivs: h.NoNewPrivs,
		caps: [5]uint64{h.Permitted, h.Effective, h.Inheritable, h.Bounding, h.Ambient}}
	r, e, saved := unix.Getresuid()
	fs, _ := unix.SetfsuidRetUid(-1)
	s.uids = [4]uint32{uint32(r), uint32(e), uint32(saved), uint32(fs)}
	r, e, saved = unix.Getresgid()
	fs, _ = unix.SetfsgidRetGid(-1)
	s.gids = [4]uint32{uint32(r), uint32(e), uint32(saved), uint32(fs)}
	s.groups = []uint32{}
	if groups, err := unix.Getgroups(); err == nil {
		for _, g := range groups {
			s.groups = append(s.groups, uint32(g))
		}
	}
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil {
		s.mode = mode
	}
	if s.mode != unix.SECCOMP_MODE_FILTER {
		s.filters = 0
	}
	// There is no other way than to set it.
	old := unix.Umask(0)
	unix.Umask(old)
	s.umask = uint32(old)
	return s
}

func idSet(n [4]uint32) IDSet { return IDSet{n[0], n[1], n[2], n[3]} }

// ids reads the section.
func (r *Report) readIDs(p *process, s status) {
	r.IDs = &IDs{UID: idSet(s.uids), GID: idSet(s.gids), Groups: s.groups, UIDMap: []string{}, GIDMap: []string{}}
	for _, m := range []struct {
		name string
		text *[]string
		at   *ids.Map
	}{{"uid_map", &r.IDs.UIDMap, &r.IDs.uids}, {"gid_map", &r.IDs.GIDMap, &r.IDs.gids}} {
		text, err := p.read(m.name)
		if err != nil {
			r.unreadable("ids."+m.name, err)
			*m.text = nil
			continue
		}
		*m.at = ids.ParseMap(text)
		for _, e := range *m.at {
			*m.text = append(*m.text, e.String())
		}
	}
	text, err := p.read("setgroups")
	if err != nil {
		r.unreadable("ids.setgroups", err)
	}
	r.IDs.Setgroups = strings.TrimSpace(text)
}

// readCaps reads the section.
func (r *Report) readCaps(p *process, s status) {
	c := &Caps{NoNewPrivs: s.noNewPrivs, sets: s.caps, last: p.host.LastCap}
	for i, at := range []*[]string{&c.Permitted, &c.Effective, &c.Inheritable, &c.Bounding, &c.Ambient} {
		*at = capNames(s.caps[i])
	}
	if p.own {
		c.Held = p.host.Handover.Ambient
		bits := securebits(p.host.Securebits)
		c.Securebits = &bits
	} else {
		r.unreadable("caps.securebits", errors.New("the kernel tells a process only its own"))
	}
	r.Caps = c
}

// securebits are the names that hk-setuser(1) has for bits of securebits.
func securebits(bits uint32) []string {
	names := [...]string{"noroot", "noroot-locked", "no-setuid-fixup", "no-setuid-fixup-locked", "keep-caps", "keep-caps-locked",
		"no-cap-ambient-raise", "no-cap-ambient-raise-locked", "exec-restrict-file", "exec-restrict-file-locked",
		"exec-deny-interactive", "exec-deny-interactive-locked"}
	list := []string{}
	for i := range 32 {
		switch {
		case bits>>i&1 == 0:
		case i < len(names):
			list = append(list, names[i])
		default:
			list = append(list, fmt.Sprintf("bit-%d", i))
		}
	}
	return list
}

// readSeccomp reads the section.
func (r *Report) readSeccomp(s status) {
	r.Seccomp = &Seccomp{Mode: fmt.Sprint(s.mode)}
	if names := [...]string{"none", "strict", "filter"}; s.mode < len(names) {
		r.Seccomp.Mode = names[s.mode]
	}
	if s.filters >= 0 {
		r.Seccomp.Filters = &s.filters
	} else {
		r.unreadable("seccomp.filters", errNoProcfs)
	}
}

// readSignals reads the section.
func (r *Report) readSignals(s status) {
	r.Signals = &Signals{signals(s.blocked), signals(s.ignored), signals(s.caught), signals(s.pending)}
}

// signals are the names of the signals of a set.
func signals(set uint64) []string {
	names := []string{}
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if set>>(sig-1)&1 == 0 {
			continue
		}
		if name := unix.SignalName(sig); name != "" {
			names = append(names, strings.TrimPrefix(name, "SIG"))
		} else {
			names = append(names, strconv.Itoa(int(sig)))
		}
	}
	return names
}
