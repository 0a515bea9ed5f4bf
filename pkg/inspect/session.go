package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// readSession reads the section.
func (r *Report) readSession(p *process) {
	s := &Session{PID: p.pid}
	r.Session = s
	var stat processStat
	text, err := p.read("stat")
	if err == nil {
		stat, err = parseStat(text)
	}
	switch {
	case err == nil:
		s.Parent, s.Group, s.ID, s.Nice = stat.parent, stat.group, stat.session, &stat.nice
		terminal := terminalName(stat.terminal)
		s.Terminal, s.Foreground = &terminal, stat.terminal != 0 && stat.foreground == stat.group
	case !p.own:
		r.unreadable("session", err)
		r.Session = nil
		return
	}
	if p.own {
		r.ownSession(p.host, err)
	}
	if s.OOMScoreAdj, err = p.read("oom_score_adj"); err != nil {
		r.unreadable("session.oom_score_adj", err)
	}
	s.OOMScoreAdj = strings.TrimSpace(s.OOMScoreAdj)
	// Without a security module that has labels it is EINVAL.
	if s.Label, err = p.read("attr/current"); err != nil && err != unix.EINVAL {
		r.unreadable("session.label", err)
	}
	s.Label = strings.TrimRight(s.Label, "\x00\n ")
}

// ownSession asks the kernel; err is why the file could not be read, or nil.
func (r *Report) ownSession(h *host.Host, err error) {
	s := r.Session
	s.Parent, s.Group = h.Parent, unix.Getpgrp()
	s.ID, _ = unix.Getsid(0)
	if err != nil {
		r.unreadable("session.terminal", err)
	}
	if h.ParentDeathSignal != 0 {
		s.ParentDeathSignal = strings.TrimPrefix(unix.SignalName(h.ParentDeathSignal), "SIG")
	}
	var reaper int32
	if unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, pointer(&reaper), 0, 0, 0) == nil {
		is := reaper != 0
		s.Subreaper = &is
	}
}

// processStat is what /proc/PID/stat says, as far as it is used.
type processStat struct {
	parent, group, session, terminal, foreground, nice int
	// faults are its page faults so far, of both kinds.
	faults [2]int
	// start is one more than when it was started, in clock ticks since the machine was: with its
	// number, that is one process.
	start int
}

// parseStat parses /proc/PID/stat: proc_pid_stat(5). The program's name is in parentheses,
// and may contain some.
func parseStat(text string) (s processStat, err error) {
	at := strings.LastIndexByte(text, ')')
	f := strings.Fields(text[at+1:])
	if at < 0 || len(f) < 20 {
		return s, errors.New("it is not as in proc_pid_stat(5)")
	}
	for i, to := range map[int]*int{1: &s.parent, 2: &s.group, 3: &s.session, 4: &s.terminal, 5: &s.foreground, 7: &s.faults[0], 9: &s.faults[1], 16: &s.nice, 19: &s.start} {
		if *to, err = strconv.Atoi(f[i]); err != nil {
			return processStat{}, fmt.Errorf("it is not as in proc_pid_stat(5): %q", f[i])
		}
	}
	s.start++ // 0 is not known
	return s, nil
}

// terminalName is the usual name of a terminal by its number in proc_pid_stat(5).
func terminalName(dev int) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	switch {
	case dev == 0:
		return ""
	case major >= 136 && major <= 143:
		return fmt.Sprintf("/dev/pts/%d", (major-136)<<20|minor)
	case major == 4 && minor < 64:
		return fmt.Sprintf("/dev/tty%d", minor)
	case major == 4:
		return fmt.Sprintf("/dev/ttyS%d", minor-64)
	case major == 5 && minor == 1:
		return "/dev/console"
	}
	return fmt.Sprintf("device %d:%d", major, minor)
}

// readRoot reads the section.
func (r *Report) readRoot(p *process, s status, err error) {
	r.Root = &Root{}
	if err == nil {
		r.Root.Umask = fmt.Sprintf("%03o", s.umask)
	} else {
		r.unreadable("root.umask", err)
	}
	for _, l := range []struct {
		link, name string
		to         *string
	}{{"root", "root", &r.Root.Root}, {"cwd", "cwd", &r.Root.Directory}, {"exe", "exe", &r.Root.Program}} {
		if p.own && l.link == "exe" {
			continue // it is this program
		}
		var err error
		if *l.to, err = p.link(l.link); err == nil {
			continue
		}
		if p.own && l.link == "cwd" && p.host.Dir != "" {
			*l.to = p.host.Dir
			continue
		}
		r.unreadable("root."+l.name, err)
	}
}

// readKeyrings reads the section.
func (r *Report) readKeyrings(p *process) {
	if !p.own {
		r.unreadable("keyrings", errors.New("the kernel tells a process only its own"))
		return
	}
	r.Keyrings = map[string]Keyring{}
	for _, k := range [...]struct {
		name string
		id   int
	}{{"thread", unix.KEY_SPEC_THREAD_KEYRING}, {"process", unix.KEY_SPEC_PROCESS_KEYRING}, {"session", unix.KEY_SPEC_SESSION_KEYRING}} {
		serial, err := unix.KeyctlGetKeyringID(k.id, false)
		if err == unix.ENOKEY {
			continue
		}
		var text string
		if err == nil {
			text, err = unix.KeyctlString(unix.KEYCTL_DESCRIBE, serial)
		}
		if err != nil {
			r.unreadable("keyrings."+k.name, err)
			continue
		}
		f := strings.SplitN(text, ";", 5)
		r.Keyrings[k.name] = Keyring{serial, f[len(f)-1]}
	}
}

// readEnv reads the section.
func (r *Report) readEnv(p *process, values bool) {
	var list []string
	if p.own {
		list = p.host.Env
	} else {
		text, err := p.readWords("environ")
		if err != nil {
			r.unreadable("env", err)
			return
		}
		list = words(strings.TrimSuffix(text, "\x00"), "\x00")
	}
	r.Env = &Env{Names: []string{}}
	if values {
		r.Env.Values = map[string]string{}
	}
	seen := map[string]bool{}
	for _, v := range list {
		name, value, _ := strings.Cut(v, "=")
		if seen[name] {
			continue // most programs use the first
		}
		seen[name] = true
		r.Env.Names = append(r.Env.Names, name)
		if values {
			r.Env.Values[name] = value
		}
	}
	slices.Sort(r.Env.Names)
}
