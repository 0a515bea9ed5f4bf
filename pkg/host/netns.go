package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// initialUserNS is what /proc/PID/ns/user of the first user namespace says, on
// every machine (PROC_USER_INIT_INO, Linux 3.8).
const initialUserNS = "user:[4026531837]"

// Inode numbers of the first PID namespace (PROC_PID_INIT_INO, Linux 3.8), and of
// the first network namespace since Linux 6.18; before, any other.
const (
	initialPIDNS = 0xEFFFFFFC
	initialNetNS = 0xEFFFFFF9
)

// nsGetUserNS is NS_GET_USERNS of ioctl_nsfs(2) (Linux 4.9).
const nsGetUserNS = 0xb701

// ownNet reports whether the network namespace is known not to be the
// machine's: PID 1 is in another one, or it belongs to a user namespace that is
// not the first. An ordinary user may not look at PID 1.
func ownNet() bool {
	var own, first unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &own) != nil {
		return false
	}
	if unix.Stat("/proc/1/ns/net", &first) == nil && (own.Dev != first.Dev || own.Ino != first.Ino) {
		return true
	}
	// That it is PID 1's too says nothing: that may be a PID namespace's first.
	if user, err := os.Readlink("/proc/self/ns/user"); err != nil || user == initialUserNS {
		return false
	}
	fd, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// The kernel says EPERM where the owner lies outside of the user namespace.
	owner, err := unix.IoctlRetInt(fd, nsGetUserNS)
	if err != nil {
		return false
	}
	unix.Close(owner)
	return true
}

// machineNet reports whether the network namespace is known to be the machine's:
// by its number, or as that of the first process, as far as the caller may look at
// that.
func machineNet() bool {
	var own, first, pids unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &own) != nil {
		return false
	}
	return own.Ino == initialNetNS || unix.Stat("/proc/1/ns/pid", &pids) == nil && pids.Ino == initialPIDNS &&
		unix.Stat("/proc/1/ns/net", &first) == nil && own.Dev == first.Dev && own.Ino == first.Ino
}
