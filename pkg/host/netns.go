package host

import "golang.org/x/sys/unix"

// InitialInode is the inode number in procfs of the initial namespace of a type, given
// as a CLONE_NEW* flag. For network and mount namespaces these numbers are fixed only
// since [InitialInodes], and can be anything before.
func InitialInode(flag uint64) uint64 {
	switch flag {
	case unix.CLONE_NEWIPC:
		return 0xEFFFFFFF
	case unix.CLONE_NEWUTS:
		return 0xEFFFFFFE
	case unix.CLONE_NEWUSER:
		return 0xEFFFFFFD
	case unix.CLONE_NEWPID:
		return 0xEFFFFFFC
	case unix.CLONE_NEWCGROUP:
		return 0xEFFFFFFB
	case unix.CLONE_NEWTIME:
		return 0xEFFFFFFA
	case unix.CLONE_NEWNET:
		return 0xEFFFFFF9
	case unix.CLONE_NEWNS:
		return 0xEFFFFFF8
	}
	panic("host: not a namespace")
}

// nsGetUserNS is NS_GET_USERNS of ioctl_nsfs(2) (Linux 4.9).
const nsGetUserNS = 0xb701

// ownNet reports whether the network namespace is known not to be the initial one: PID
// 1 is in another one, or it belongs to a user namespace other than the initial one. An
// ordinary user may not inspect PID 1.
func ownNet() bool {
	var own, first unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &own) != nil {
		return false
	}
	if unix.Stat("/proc/1/ns/net", &first) == nil && (own.Dev != first.Dev || own.Ino != first.Ino) {
		return true
	}
	// That it is also PID 1's says nothing: that may be PID 1 of a PID namespace.
	var user unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &user) != nil || user.Ino == InitialInode(unix.CLONE_NEWUSER) {
		return false
	}
	fd, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// The kernel returns EPERM if the owner is outside the user namespace.
	owner, err := unix.IoctlRetInt(fd, nsGetUserNS)
	if err != nil {
		return false
	}
	unix.Close(owner)
	return true
}

// initialNet reports whether the network namespace is known to be the initial one: by
// its number, or because it is that of the initial PID 1, as far as the caller may
// inspect that process.
func initialNet() bool {
	var own, first, pids unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &own) != nil {
		return false
	}
	return own.Ino == InitialInode(unix.CLONE_NEWNET) || unix.Stat("/proc/1/ns/pid", &pids) == nil && pids.Ino == InitialInode(unix.CLONE_NEWPID) &&
		unix.Stat("/proc/1/ns/net", &first) == nil && own.Dev == first.Dev && own.Ino == first.Ino
}
