package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// readNamespaces reads the section.
func (r *Report) readNamespaces(p *process) {
	r.Namespaces = map[string]Namespace{}
	origins := host.ParseOrigins(p.host.Handover.Origins)
	var self *process
	if !p.own {
		own, err := openProcess(p.host, 0)
		if err == nil {
			defer own.close()
			self = own
			defer func() { p.notes(own.lack) }()
		}
	}
	for _, t := range host.NamespaceTypes {
		id, err := p.namespace(t.Name)
		if err != nil {
			r.unreadable("namespaces."+t.Name, err)
			continue
		}
		origin := origins[t.Name]
		if n := host.MachineNamespace(t.Name, t.Flag); n != 0 {
			origin.Machine = n
		}
		switch {
		case self != nil:
			origin.Caller, _ = self.namespace(t.Name)
		case origin.Caller == 0 && p.host.Handover.Origins == "":
			origin.Caller = id // the caller of this program is in the same
		}
		r.Namespaces[t.Name] = Namespace{ID: id, Host: compare(id, origin.Machine), Caller: compare(id, origin.Caller), inChain: self == nil && len(origins) > 0}
	}
}

// compare says whether a namespace is another one, which is 0 if it is not known.
func compare(id, other uint64) string {
	switch other {
	case 0:
		return "unknown"
	case id:
		return "same"
	}
	return "other"
}

// namespace is the number of one of the process's namespaces.
func (p *process) namespace(name string) (uint64, error) {
	text, err := p.link("ns/" + name)
	if err != nil && p.own {
		if id, errno := ownNamespace(name); errno == nil {
			return id, nil
		}
	}
	if err != nil {
		return 0, err
	}
	return parseNamespace(text, name)
}

// ownNamespace asks the kernel for one of this process's namespaces without a procfs:
// PIDFD_GET_*_NAMESPACE (Linux 6.11).
func ownNamespace(name string) (uint64, error) {
	request := map[string]uint{"cgroup": 0xff01, "ipc": 0xff02, "mnt": 0xff03, "net": 0xff04, "pid": 0xff05, "time": 0xff07, "user": 0xff09, "uts": 0xff0a}[name]
	self, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(self)
	ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(self), uintptr(request), 0)
	if errno != 0 {
		return 0, errno
	}
	defer unix.Close(int(ns))
	var st unix.Stat_t
	err = unix.Fstat(int(ns), &st)
	return st.Ino, err
}

// parseNamespace parses a link in /proc/PID/ns: "net:[4026531840]".
func parseNamespace(text, name string) (uint64, error) {
	number, ok := strings.CutPrefix(text, name+":[")
	if ok {
		number, ok = strings.CutSuffix(number, "]")
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is not a link of namespaces(7)", text)
	}
	return n, nil
}
