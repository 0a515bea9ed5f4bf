package why

import (
	"slices"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// needsCap are calls that fail with EPERM without a capability over a namespace.
var needsCap = map[string]int{
	"mount": unix.CAP_SYS_ADMIN, "umount2": unix.CAP_SYS_ADMIN, "pivot_root": unix.CAP_SYS_ADMIN, "setns": unix.CAP_SYS_ADMIN,
	"sethostname": unix.CAP_SYS_ADMIN, "setdomainname": unix.CAP_SYS_ADMIN, "fsopen": unix.CAP_SYS_ADMIN, "open_tree": unix.CAP_SYS_ADMIN,
	"move_mount": unix.CAP_SYS_ADMIN, "fsmount": unix.CAP_SYS_ADMIN, "mount_setattr": unix.CAP_SYS_ADMIN,
	"chroot": unix.CAP_SYS_CHROOT, "setgroups": unix.CAP_SETGID, "capset": unix.CAP_SETPCAP,
	"setuid": unix.CAP_SETUID, "setreuid": unix.CAP_SETUID, "setresuid": unix.CAP_SETUID,
	"setgid": unix.CAP_SETGID, "setregid": unix.CAP_SETGID, "setresgid": unix.CAP_SETGID,
}

// needsHostCap are those that ask for it over the initial user namespace.
var needsHostCap = map[string]int{
	"swapon": unix.CAP_SYS_ADMIN, "swapoff": unix.CAP_SYS_ADMIN, "quotactl": unix.CAP_SYS_ADMIN, "acct": unix.CAP_SYS_PACCT,
	"settimeofday": unix.CAP_SYS_TIME, "clock_settime": unix.CAP_SYS_TIME, "adjtimex": unix.CAP_SYS_TIME, "clock_adjtime": unix.CAP_SYS_TIME,
	"reboot": unix.CAP_SYS_BOOT, "kexec_load": unix.CAP_SYS_BOOT, "init_module": unix.CAP_SYS_MODULE, "finit_module": unix.CAP_SYS_MODULE,
	"delete_module": unix.CAP_SYS_MODULE, "syslog": unix.CAP_SYSLOG, "iopl": unix.CAP_SYS_RAWIO, "ioperm": unix.CAP_SYS_RAWIO,
	"setrlimit": unix.CAP_SYS_RESOURCE, "prlimit64": unix.CAP_SYS_RESOURCE,
	"open_by_handle_at": unix.CAP_DAC_READ_SEARCH, "vhangup": unix.CAP_SYS_TTY_CONFIG,
}

// takesCap is the capability that a call takes, and whether over the initial user namespace.
func (f *follower) takesCap(tid int, c ptrace.Call, name string) (bit int, host, ok bool) {
	if bit, ok = needsHostCap[name]; ok {
		return bit, true, true
	}
	if bit, ok = needsCap[name]; ok {
		return bit, false, true
	}
	newNS := uint64(unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWNET)
	switch name {
	case "mknod", "mknodat":
		mode := c.Args[paths[name].more] & unix.S_IFMT
		return unix.CAP_MKNOD, true, mode == unix.S_IFCHR || mode == unix.S_IFBLK
	case "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat":
		attr := f.attribute(tid, c, name)
		if attr == "security.capability" {
			return unix.CAP_SETFCAP, false, true
		}
		return unix.CAP_SYS_ADMIN, true, strings.HasPrefix(attr, "trusted.") || strings.HasPrefix(attr, "security.")
	case "socket":
		packet := c.Args[0] == unix.AF_PACKET
		raw := (c.Args[0] == unix.AF_INET || c.Args[0] == unix.AF_INET6) && c.Args[1]&0xf == unix.SOCK_RAW
		return unix.CAP_NET_RAW, false, packet || raw
	case "unshare", "clone":
		return unix.CAP_SYS_ADMIN, false, c.Args[0]&newNS != 0 && c.Args[0]&unix.CLONE_NEWUSER == 0
	case "clone3":
		flags := f.flags(tid, c.Args[0])
		return unix.CAP_SYS_ADMIN, false, flags&newNS != 0 && flags&unix.CLONE_NEWUSER == 0
	}
	return 0, false, false
}

// lacksCap is what is refused for lack of a capability.
func (s *subject) lacksCap(q question) []reason {
	list := s.capability(q.bit)
	const newUser = unix.CLONE_NEWUSER
	if !q.host || len(list) > 0 && s.state.NS.New&newUser == 0 || s.state.NS.New&newUser == 0 {
		return list
	}
	name := plan.CapName(q.bit)
	if s.host.Effective>>q.bit&1 == 0 {
		return []reason{{class: notSandbox, verdict: denied, what: "the caller lacks " + name}}
	}
	return []reason{{class: byCapability, verdict: denied, what: "it takes " + name + " over the initial user namespace, and that of the payload is new"}}
}

// capable is why a call fails that takes a capability which the chain leaves to the payload.
func (f *follower) capable(tid int, c ptrace.Call, name string, bit int) (list []reason, q question) {
	if name == "setgroups" {
		q.kind, list = "setgroups", f.noGroups()
	}
	if q.changes = f.changes(tid, c, name); len(list) == 0 && len(q.changes) > 0 {
		q.kind, q.bit = "change", bit
		list = f.notOwned(q)
	}
	if id, err := identify("/proc/" + strconv.Itoa(tid)); len(list) == 0 && err == nil && id.caps>>bit&1 == 0 {
		list = []reason{{class: notSandbox, verdict: denied, what: "the process does not use " + plan.CapName(bit) + ", which the payload has: it, or one before it, has given that up"}}
	}
	return list, q
}

// beyond is why a call fails with an error that is in most cases no refusal.
func (f *follower) beyond(tid int, c ptrace.Call, name string, errno unix.Errno) (r reason, ok bool) {
	switch r, ok = f.exceeded(c, name, errno); {
	case ok:
		return r, true
	case errno == unix.EINVAL:
		return f.unmapped(tid, c, name)
	}
	return r, false
}

// mounting is what Landlock refuses of a call that changes mounts: with rights on files, all
// of it.
func (s *subject) mounting(name string) []reason {
	switch name {
	case "mount", "umount2", "move_mount", "pivot_root":
		if slices.ContainsFunc(s.domains, func(d *domain) bool { return d.files != 0 }) {
			return []reason{{class: byLandlock, verdict: denied, what: "a domain with rights on files forbids to change mounts"}}
		}
	}
	return nil
}
