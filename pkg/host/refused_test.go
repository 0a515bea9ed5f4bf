package host

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestRefusing makes each call without a filter: none of its errnos is taken for one of a
// filter. test/testdata/script/chain_blocked.txtar has the filters.
func TestRefusing(t *testing.T) {
	for _, name := range []string{"clone3", "unshare", "setns", "chroot", "mount", "open_tree", "fsconfig", "mount_setattr",
		"umount2", "openat2", "prlimit64", "capset", "setresuid", "setresgid", "keyctl", "seccomp", "landlock_create_ruleset",
		"landlock_add_rule", "pidfd_open", "close_range", "prctl", "ioctl", "socket"} {
		for _, args := range []string{"", "PR_SET_DUMPABLE, SUID_DUMP_DISABLE", "PR_SET_PDEATHSIG, SIGKILL", "PR_SET_NO_NEW_PRIVS, 1",
			"PR_SET_SECCOMP, 2", "AF_UNIX, SOCK_STREAM", "AF_INET, SOCK_DGRAM", "AF_INET6, SOCK_DGRAM", "AF_NETLINK, SOCK_RAW", "$socket, SIOCSIFFLAGS"} {
			e, known := wrong(name, args)
			if !known {
				t.Errorf("%s(%s) is not made", name, args)
			}
			if e == unix.EAFNOSUPPORT || e == unix.ENOSYS {
				continue // a kernel without it
			}
			if !usual(e) || Refusing(name, args, e) {
				t.Errorf("%s(%s) = %v; want what the kernel says of wrong arguments", name, args, e)
			}
		}
	}
	for _, name := range []string{"execve", "fsopen", "landlock_restrict_self"} {
		if _, known := wrong(name, ""); known {
			t.Errorf("%s() is made", name)
		}
	}
}
