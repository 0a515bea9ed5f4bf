package learn

import (
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/access"
	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A capabilities is which capabilities were used, as the kernel has told or, if it does not, as
// far as the calls that have succeeded show.
type capabilities struct {
	used uint64
	// has are those that the payload has, in the user namespace ns.
	has uint64
	ns  string
	// ids are the user and group IDs of a thread before a call that can change them.
	ids map[int]ids
	// memory is that of the tracer.
	memory *ptrace.Memory
	// checks are nil if the kernel does not tell.
	checks *checks
	// stuck is set once a file system has not answered.
	stuck bool
}

// An ids is the IDs of a thread, and its inheritable and permitted capabilities.
type ids struct {
	user, group            []string
	inheritable, permitted uint64
}

// byCall are the capabilities without which a call fails.
var byCall = map[string]int{
	"mount": unix.CAP_SYS_ADMIN, "umount": unix.CAP_SYS_ADMIN, "umount2": unix.CAP_SYS_ADMIN, "pivot_root": unix.CAP_SYS_ADMIN, "setns": unix.CAP_SYS_ADMIN,
	"sethostname": unix.CAP_SYS_ADMIN, "setdomainname": unix.CAP_SYS_ADMIN, "fsopen": unix.CAP_SYS_ADMIN, "move_mount": unix.CAP_SYS_ADMIN,
	"fsmount": unix.CAP_SYS_ADMIN, "mount_setattr": unix.CAP_SYS_ADMIN, "swapon": unix.CAP_SYS_ADMIN, "swapoff": unix.CAP_SYS_ADMIN,
	"chroot": unix.CAP_SYS_CHROOT, "setgroups": unix.CAP_SETGID, "setgroups32": unix.CAP_SETGID,
	"settimeofday": unix.CAP_SYS_TIME, "clock_settime": unix.CAP_SYS_TIME, "reboot": unix.CAP_SYS_BOOT, "init_module": unix.CAP_SYS_MODULE,
	"finit_module": unix.CAP_SYS_MODULE, "delete_module": unix.CAP_SYS_MODULE, "iopl": unix.CAP_SYS_RAWIO, "ioperm": unix.CAP_SYS_RAWIO,
	"acct": unix.CAP_SYS_PACCT, "open_by_handle_at": unix.CAP_DAC_READ_SEARCH,
}

func (k *capabilities) use(bit int) { k.used |= 1 << bit }

func nameOf(c ptrace.Call) string {
	if arch := filter.ArchOf(c.Arch, c.Nr); arch != nil {
		if name, ok := arch.CallName(c.Nr); ok {
			return name
		}
	}
	return ""
}

// sets reports whether a call sets user or group IDs.
func sets(name string) (user, group bool) {
	name = strings.TrimSuffix(name, "32")
	return slices.Contains([]string{"setuid", "setreuid", "setresuid", "setfsuid"}, name),
		slices.Contains([]string{"setgid", "setregid", "setresgid", "setfsgid"}, name)
}

func (k *capabilities) entered(tid int, c ptrace.Call) {
	if k.has == 0 {
		return
	}
	if user, group := sets(nameOf(c)); user || group || nameOf(c) == "capset" {
		if k.ids == nil {
			k.ids = map[int]ids{}
		}
		k.ids[tid] = idsOf(tid)
	}
}

func (k *capabilities) gone(tid int) {
	k.told(tid, "")
	if k.checks != nil {
		k.checks.end(tid)
	}
	delete(k.ids, tid)
}

// idsOf are the IDs of a thread, as this process sees them.
func idsOf(tid int) (i ids) {
	s, _ := ptrace.ReadStatus("/proc/" + strconv.Itoa(tid))
	i.user, i.group = s.Field("Uid"), s.Field("Gid")
	set := func(field string) uint64 {
		n, _ := strconv.ParseUint(strings.Join(s.Field(field), ""), 16, 64)
		return n
	}
	i.inheritable, i.permitted = set("CapInh"), set("CapPrm")
	return i
}

func status(tid int, field string) []string {
	s, _ := ptrace.ReadStatus("/proc/" + strconv.Itoa(tid))
	return s.Field(field)
}

// left looks at a call that returns.
func (k *capabilities) left(tid int, c ptrace.Call, result int64, errno unix.Errno) {
	if k.has == 0 {
		return
	}
	call := nameOf(c)
	k.told(tid, call)
	if errno == 0 {
		k.asked(tid, c, call)
		if !k.complete() {
			k.shown(tid, c, call, result)
		}
	}
}

// shown is which capability a call has needed that has succeeded, as far as that can be seen.
func (k *capabilities) shown(tid int, c ptrace.Call, call string, result int64) {
	if bit, ok := byCall[call]; ok {
		k.use(bit)
	}
	user, group := sets(call)
	switch {
	case user && gained(k.ids[tid].user, status(tid, "Uid")):
		k.use(unix.CAP_SETUID)
	case group && gained(k.ids[tid].group, status(tid, "Gid")):
		k.use(unix.CAP_SETGID)
	}
	switch call {
	case "unshare":
		k.namespaces(c.Args[0])
	case "clone":
		k.namespaces(c.Args[0])
	case "clone3":
		k.namespaces(k.word(tid, c.Args[0]))
	case "socket":
		const kind = 0xf
		if c.Args[0] == unix.AF_PACKET || c.Args[1]&kind == unix.SOCK_RAW && (c.Args[0] == unix.AF_INET || c.Args[0] == unix.AF_INET6) {
			k.use(unix.CAP_NET_RAW)
		}
	case "bind":
		k.bound(tid, c)
	case "mknod", "mknodat":
		mode := c.Args[1]
		if call == "mknodat" {
			mode = c.Args[2]
		}
		if t := mode & unix.S_IFMT; t == unix.S_IFCHR || t == unix.S_IFBLK {
			k.use(unix.CAP_MKNOD)
		}
	case "fchown", "fchown32":
		k.owner(tid, "fd/"+strconv.Itoa(int(int32(c.Args[0]))), c.Args[1])
	case "chown", "lchown", "chown32", "lchown32":
		k.owned(tid, c, 0, 1)
	case "fchownat":
		k.owned(tid, c, 1, 2)
	case "open", "openat", "openat2":
		if k.created(tid, c, call) {
			return // its mode says nothing about that
		}
		k.opened(tid, "fd/"+strconv.FormatInt(result, 10))
	}
}

// word is the beginning of a structure in the memory of a thread.
func (k *capabilities) word(tid int, addr uint64) uint64 {
	var b [8]byte
	k.memory.Peek(tid, addr, b[:])
	return binary.NativeEndian.Uint64(b[:])
}

// created reports whether a call may have created the file that it has opened.
func (k *capabilities) created(tid int, c ptrace.Call, name string) bool {
	flags := c.Args[1]
	switch name {
	case "openat":
		flags = c.Args[2]
	case "openat2":
		flags = k.word(tid, c.Args[2])
	}
	return flags&unix.O_CREAT != 0
}

func gained(before, after []string) bool {
	return len(before) > 0 && slices.ContainsFunc(after, func(id string) bool { return !slices.Contains(before, id) })
}

const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// namespaces is for new namespaces, which with a new user namespace take nothing.
func (k *capabilities) namespaces(flags uint64) {
	if flags&namespaces != 0 && flags&unix.CLONE_NEWUSER == 0 {
		k.use(unix.CAP_SYS_ADMIN)
	}
}

// bound is for a port below 1024.
func (k *capabilities) bound(tid int, c ptrace.Call) {
	var b [4]byte
	if k.memory.Peek(tid, c.Args[1], b[:]) < len(b) {
		return
	}
	family, port := int(b[0])|int(b[1])<<8, int(b[2])<<8|int(b[3])
	if (family == unix.AF_INET || family == unix.AF_INET6) && port > 0 && port < 1024 {
		k.use(unix.CAP_NET_BIND_SERVICE)
	}
}

// owned is owner for a name in an argument.
func (k *capabilities) owned(tid int, c ptrace.Call, at, user int) {
	name, ok := k.memory.PeekString(tid, c.Args[at])
	if !ok || int32(c.Args[user]) == -1 {
		return
	}
	from := "cwd"
	if at > 0 && int32(c.Args[0]) != unix.AT_FDCWD {
		from = "fd/" + strconv.Itoa(int(int32(c.Args[0])))
	}
	if strings.HasPrefix(name, "/") {
		from, name = "root", name[1:]
	}
	k.owner(tid, from+"/"+name, c.Args[user])
}

// look looks at a file, and not again once a file system has not answered. What the kernel
// has of its attributes suffices.
func (k *capabilities) look(name string, flags int) (st unix.Statx_t, ok bool) {
	if k.stuck {
		return st, false
	}
	var at unix.Statx_t
	var err error
	if !access.Patiently(func() {
		err = unix.Statx(unix.AT_FDCWD, name, flags|unix.AT_STATX_DONT_SYNC, unix.STATX_BASIC_STATS, &at)
	}) {
		k.stuck = true
		return st, false
	}
	return at, err == nil
}

// owner is for a change of the owner, which takes a capability unless it is the thread's own
// user ID.
func (k *capabilities) owner(tid int, file string, user uint64) {
	own := status(tid, "Uid")
	if int32(user) == -1 || len(own) < 4 {
		return
	}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if strings.HasPrefix(file, "fd/") && strings.Count(file, "/") == 1 {
		flags = 0
	}
	st, ok := k.look("/proc/"+strconv.Itoa(tid)+"/"+file, flags)
	if ok && strconv.Itoa(int(st.Uid)) != own[3] {
		k.use(unix.CAP_CHOWN)
	}
}

// opened is for a file whose mode would not have permitted that. Directories in its path are
// not looked at, and neither are access control lists.
func (k *capabilities) opened(tid int, file string) {
	link := "/proc/" + strconv.Itoa(tid) + "/" + file
	own, group := status(tid, "Uid"), status(tid, "Gid")
	st, ok := k.look(link, 0)
	if len(own) < 4 || len(group) < 4 || !ok {
		return
	}
	bits := st.Mode & 7
	switch {
	case own[3] == strconv.Itoa(int(st.Uid)):
		bits = st.Mode >> 6 & 7
	case group[3] == strconv.Itoa(int(st.Gid)), slices.Contains(status(tid, "Groups"), strconv.Itoa(int(st.Gid))):
		bits = st.Mode >> 3 & 7
	}
	b, _ := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
	_, text, _ := strings.Cut(string(b), "flags:")
	line, _, _ := strings.Cut(text, "\n")
	flags, _ := strconv.ParseUint(strings.TrimSpace(line), 8, 64)
	if flags&unix.O_PATH != 0 {
		return
	}
	switch acc := flags & unix.O_ACCMODE; {
	case acc != unix.O_RDONLY && bits&2 == 0, acc == unix.O_RDWR && bits&4 == 0:
		k.use(unix.CAP_DAC_OVERRIDE)
	case acc == unix.O_RDONLY && bits&4 == 0:
		k.use(unix.CAP_DAC_READ_SEARCH)
	}
}
