package host

import (
	"strings"

	"golang.org/x/sys/unix"
)

// filterByPrctl tries prctl(2) without a filter: the kernel returns EFAULT. seccomp(2)
// is not tried, because a filter might kill for it.
func filterByPrctl() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return (err != nil || mode == unix.SECCOMP_MODE_FILTER) &&
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0) == unix.EFAULT
}

// keepsNoNewPrivs sets the attribute only if that changes nothing.
func keepsNoNewPrivs() bool {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil && procfs() == nil {
		status, e := ReadProc("/proc/self/status")
		if e == nil && strings.Contains(status, "\nNoNewPrivs:\t1\n") {
			set, err = 1, nil
		}
	}
	return err == nil && set == 1 && unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != nil
}
