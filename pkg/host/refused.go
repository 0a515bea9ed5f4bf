package host

import (
	"slices"
	"strings"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// RefusedBy says that a seccomp filter refuses a call.
func RefusedBy(name string) (string, cause.Name) {
	text := "a seccomp filter around this process denies " + name + "(2): that of an earlier hk-seccomp, of a container, or "
	switch {
	case name == "clone3", name == "unshare":
		return text + "RestrictNamespaces= of a systemd unit", cause.UsernsSeccomp
	case name == "socket":
		return text + "RestrictAddressFamilies= of a systemd unit", cause.CallHidden
	case mounting(name):
		return text + "SystemCallFilter= of a systemd unit", cause.MountSeccomp
	}
	return text + "SystemCallFilter= of a systemd unit", cause.CallHidden
}

// Refusing reports whether a filter refuses a call with an errno: it is made with arguments
// that are wrong, which the kernel says with another errno, before it asks for a capability.
// Calls of which that is not true are not made.
func Refusing(name, args string, errno unix.Errno) bool {
	e, known := wrong(name, args)
	return known && e == errno && e != unix.ENOSYS && !usual(e)
}

// filtered is Refusing with any errno.
func filtered(name string) bool {
	e, known := wrong(name, "")
	return known && !usual(e)
}

// NoLandlock says why the kernel tells of no Landlock, with the name of the cause. A kernel on
// which hk runs is not too old for the first ABI.
func NoLandlock() (string, cause.Name) {
	const call = "landlock_create_ruleset"
	e, _ := wrong(call, "")
	switch listed := slices.Contains(strings.Split(strings.TrimSpace(readFile("/sys/kernel/security/lsm")), ","), "landlock"); {
	case e == unix.ENOSYS && listed:
		return "a seccomp filter around this process hides " + call + "(2), which this kernel has", cause.CallHidden
	case e != unix.ENOSYS && !usual(e):
		return RefusedBy(call)
	}
	return "this kernel has no Landlock: " + LandlockABI1.Advice(), cause.LandlockBoot
}

// usual reports whether it is what the kernel says of wrong arguments.
func usual(e unix.Errno) bool {
	switch e {
	case 0, unix.EINVAL, unix.EFAULT, unix.EBADF, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// wrong makes a call that changes nothing, if there is one.
func wrong(name, args string) (e unix.Errno, known bool) {
	switch name {
	case "prctl":
		return call(unix.SYS_PRCTL, option(args), all, all, all, all)
	case "ioctl":
		return call(unix.SYS_IOCTL, none, request(args))
	case "socket":
		return call(unix.SYS_SOCKET, family(args), all)
	case "landlock_restrict_self":
		if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set != 1 {
			return 0, false // it needs a capability then
		}
		return call(unix.SYS_LANDLOCK_RESTRICT_SELF, none, all)
	}
	return wrongByName(name)
}

// No descriptor, and all bits set.
const none, all = ^uintptr(0), ^uintptr(0)

func call(nr uintptr, a ...uintptr) (e unix.Errno, known bool) {
	a = append(a, 0, 0, 0, 0, 0)
	_, _, e = unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], 0)
	return e, true
}

// wrongByName is wrong for the calls whose arguments do not matter.
func wrongByName(name string) (e unix.Errno, known bool) {
	switch name {
	case "clone3":
		return call(unix.SYS_CLONE3)
	case "unshare":
		return call(unix.SYS_UNSHARE, all)
	case "setns":
		return call(unix.SYS_SETNS, none)
	case "chroot":
		return call(unix.SYS_CHROOT)
	case "mount":
		return call(unix.SYS_MOUNT, 1, 1, 1)
	case "open_tree":
		return call(unix.SYS_OPEN_TREE, none, 0, all)
	case "fsconfig":
		return call(unix.SYS_FSCONFIG, none, all)
	case "mount_setattr":
		return call(unix.SYS_MOUNT_SETATTR, none, 0, all)
	case "umount2":
		return call(unix.SYS_UMOUNT2, 0, all)
	case "openat2":
		return call(unix.SYS_OPENAT2, none)
	case "prlimit64":
		return call(unix.SYS_PRLIMIT64, 0, all)
	case "capset":
		return call(unix.SYS_CAPSET)
	case "setresuid":
		return call(unix.SYS_SETRESUID, all, all, all)
	case "setresgid":
		return call(unix.SYS_SETRESGID, all, all, all)
	case "keyctl":
		return call(unix.SYS_KEYCTL, all)
	case "seccomp":
		return call(unix.SYS_SECCOMP, all)
	case "landlock_create_ruleset":
		return call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, all)
	case "landlock_add_rule":
		return call(unix.SYS_LANDLOCK_ADD_RULE, none, 0, 0, all)
	case "pidfd_open":
		return call(unix.SYS_PIDFD_OPEN, 0, all)
	case "close_range":
		return call(unix.SYS_CLOSE_RANGE, 1, 0)
	}
	return 0, false
}

// option is that of prctl(2), if the largest argument is wrong for it whatever the caller may
// do, and otherwise one that does not exist.
func option(args string) uintptr {
	switch word, _, _ := strings.Cut(args, ","); word {
	case "PR_SET_DUMPABLE":
		return unix.PR_SET_DUMPABLE
	case "PR_SET_PDEATHSIG":
		return unix.PR_SET_PDEATHSIG
	case "PR_SET_NO_NEW_PRIVS":
		return unix.PR_SET_NO_NEW_PRIVS
	case "PR_SET_SECCOMP":
		return unix.PR_SET_SECCOMP
	}
	return ^uintptr(0)
}

// request is that of ioctl(2), of those that stages make.
func request(args string) uintptr {
	if strings.Contains(args, "SIOCSIFFLAGS") {
		return unix.SIOCSIFFLAGS
	}
	return 0
}

// family is that of socket(2).
func family(args string) uintptr {
	switch word, _, _ := strings.Cut(args, ","); word {
	case "AF_UNIX":
		return unix.AF_UNIX
	case "AF_INET":
		return unix.AF_INET
	case "AF_INET6":
		return unix.AF_INET6
	case "AF_NETLINK":
		return unix.AF_NETLINK
	}
	return ^uintptr(0)
}
