package inspect

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// linked are links in the directory of a thread, by the section that is about them.
var linked = map[string][]string{
	"namespaces": {"ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/time", "ns/user", "ns/uts"},
	"mounts":     {"ns/mnt", "root"},
	"root":       {"root", "cwd"},
}

// sameLink reports whether a thread's link leads to the same as the first one's. One that has
// ended has none, and what the kernel tells of neither is not read of the first one.
func (p *process) sameLink(thread, name string) bool {
	first, err := p.link(name)
	other, errOther := p.link("task/" + thread + "/" + name)
	switch {
	case errOther == unix.ENOENT || errOther == unix.ESRCH:
		return true
	case err != nil || errOther != nil:
		return err == errOther
	}
	return first == other
}

// readThreads notes what the threads of another process do not have in common, so that
// nothing can be asserted about it: what was read is that of the first one.
func (r *Report) readThreads(p *process, first status) {
	list, err := p.list("task")
	if err != nil {
		return // the process has ended
	}
	differ := map[string]string{}
	ended := false
	for _, name := range list {
		text, err := p.read("task/" + name + "/status")
		if err == unix.ENOENT || err == unix.ESRCH {
			continue
		}
		s, err := parseStatus(text)
		for section, same := range map[string]bool{
			"ids":     err == nil && s.uids == first.uids && s.gids == first.gids && fmt.Sprint(s.groups) == fmt.Sprint(first.groups),
			"caps":    err == nil && s.caps == first.caps && s.noNewPrivs == first.noNewPrivs,
			"seccomp": err == nil && s.mode == first.mode && s.filters == first.filters,
		} {
			if !same {
				differ[section] = "thread " + name + " has others"
			}
		}
		for section, links := range linked {
			for _, link := range links {
				if !p.sameLink(name, link) {
					differ[section] = "thread " + name + " has others"
				}
			}
		}
		ended = ended || strings.Contains(text, "\nState:\tZ") && len(list) > 1
	}
	if ended {
		// Its status has no umask then, so that nothing of it is read.
		differ = map[string]string{"fds": "the first thread has ended, and others have not"}
	}
	for section, why := range differ {
		if r.wants(section) {
			r.unreadable(section+".threads", errors.New(why))
		}
	}
}
