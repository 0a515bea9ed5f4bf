package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// linked are links in the directory of a thread, by the section that is about them.
var linked = []struct {
	section string
	links   []string
}{
	{"namespaces", []string{"ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/time", "ns/user", "ns/uts"}},
	{"mounts", []string{"ns/mnt", "root"}},
	{"root", []string{"root", "cwd"}},
}

// same reports whether something of a thread is that of the one that is looked at. A thread
// that has ended has none, and what the kernel tells of neither is not read.
func same(read func(name string) (string, error), thread, name string) bool {
	first, err := read(name)
	other, errOther := read("task/" + thread + "/" + name)
	switch {
	case errOther == unix.ENOENT || errOther == unix.ESRCH:
		return true
	case err != nil || errOther != nil:
		return err == errOther
	}
	return first == other
}

// findThread finds the thread that is looked at. Once the first one has ended, the kernel tells
// of it neither namespaces nor descriptors, and with other threads the process goes on.
func (p *process) findThread() {
	first, err := p.read("status")
	if err != nil || !isEnded(first) {
		return
	}
	list, err := p.list("task")
	if err != nil {
		return
	}
	for _, name := range list {
		text, err := p.read("task/" + name + "/status")
		if tid, errName := strconv.Atoi(name); err == nil && errName == nil && !isEnded(text) {
			p.tid = tid
			return
		}
	}
	p.ended = p.lack == nil
}

// shownThread says which thread is shown, or is "" if it is the first one.
func (r *Report) shownThread() string {
	if r.Thread == 0 {
		return ""
	}
	return fmt.Sprintf("what is shown is that of thread %d, as the first one has ended", r.Thread)
}

// hasOthers is said of a thread that has something for itself.
func hasOthers(thread string) string { return "thread " + thread + " has others" }

// readThreads notes what the threads of another process do not have in common, so that
// nothing can be asserted about it: what was read is that of one of them.
func (r *Report) readThreads(p *process, first status) {
	list, err := p.list("task")
	if err != nil {
		return // the process has ended
	}
	if p.tid != p.pid {
		r.Thread = p.tid
	}
	differ := map[string]string{}
	ended := false
	for _, name := range list {
		text, err := p.read("task/" + name + "/status")
		if err == unix.ENOENT || err == unix.ESRCH {
			continue
		}
		s, err := parseStatus(text)
		if ended = ended || isEnded(text) && len(list) > 1 && name == strconv.Itoa(p.tid); isEnded(text) {
			continue
		}
		for section, same := range map[string]bool{
			"ids":             err == nil && s.uids == first.uids && s.gids == first.gids && fmt.Sprint(s.groups) == fmt.Sprint(first.groups),
			"caps":            err == nil && s.caps == first.caps && s.noNewPrivs == first.noNewPrivs,
			"seccomp":         err == nil && s.mode == first.mode && s.filters == first.filters,
			"signals.blocked": err == nil && s.blocked == first.blocked,
			"root":            err == nil && s.umask == first.umask,
			"cgroups":         same(p.read, name, "cgroup"),
		} {
			if !same {
				differ[section] = hasOthers(name)
			}
		}
		for _, l := range linked {
			if slices.ContainsFunc(l.links, func(link string) bool { return !same(p.link, name, link) }) {
				differ[l.section] = hasOthers(name)
			}
		}
		if r.FDs != nil && differ["fds"] == "" && name != strconv.Itoa(p.tid) {
			differ["fds"] = p.otherFiles(name)
		}
	}
	if ended {
		// Its status has no umask then, so that nothing of it is read.
		differ = map[string]string{"fds": fmt.Sprintf("thread %d has ended meanwhile, and others have not", p.tid)}
	}
	for what, why := range differ {
		section, _, _ := strings.Cut(what, ".")
		if why != "" && r.wants(section) {
			r.unreadable(what+".threads", errors.New(why))
		}
	}
}

// isEnded reports whether a status is that of a thread that has ended, and has not all that
// others have.
func isEnded(text string) bool {
	return strings.Contains(text, "\nState:\tZ") || strings.Contains(text, "\nState:\tX")
}

// otherFiles says which descriptors a thread has that the first one does not have, or "" if
// they share them: they do, unless one has called unshare(2) or close_range(2).
func (p *process) otherFiles(thread string) string {
	const tries = 3 // descriptors may be opened meanwhile
	for range tries {
		tid, err := strconv.Atoi(thread)
		if err != nil {
			return ""
		}
		order, err := kcmp(p.tid, tid)
		if err == nil && order == 0 || err == unix.ESRCH {
			return ""
		}
		sure := err == nil
		first, errFirst := p.files("fd")
		other, errOther := p.files("task/" + thread + "/fd")
		switch more := missing(other, first); {
		case errFirst != nil || errOther != nil:
			return "" // it has ended, or they cannot be read
		case len(more) > 0:
			return hasOthers(thread) + ": " + strings.Join(more[:min(len(more), 3)], ", ")
		case sure:
			return hasOthers(thread)
		case len(missing(first, other)) == 0:
			return ""
		}
	}
	return hasOthers(thread)
}

// files are the open descriptors in a directory, each with what it refers to.
func (p *process) files(dir string) ([]string, error) {
	names, err := p.list(dir)
	var list []string
	for _, name := range names {
		if target, err := p.link(dir + "/" + name); err == nil {
			list = append(list, name+" "+target)
		}
	}
	return list, err
}

// missing are those of a list that another one does not have.
func missing(list, other []string) []string {
	has := map[string]bool{}
	for _, w := range other {
		has[w] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(w string) bool { return has[w] })
}

// kcmp compares the descriptors of two threads: kcmp(2). The order is 0 if they share them.
func kcmp(a, b int) (order int, err error) {
	const files = 2 // KCMP_FILES
	n, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), files, 0, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
