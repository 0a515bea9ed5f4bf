package limit

import (
	"fmt"
	"syscall"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// Linux before 7.3 kills a process that is created in a control group (CLONE_INTO_CGROUP) if that
// group and the one of its creator were not killed equally often by cgroup.kill: it compares
// the count of one with that of the other. A new group was never killed, but that of the
// caller may have been, and the caller moved there later.

// mayKillAtBirth reports whether the kernel may do so: the counts came with Linux 6.14, and
// with stable releases of older versions such as 6.12.16, and 7.3 compares them rightly.
func mayKillAtBirth() bool {
	v, _, ok := host.Kernel()
	return !ok || !v.AtLeast(host.Version{Major: 7, Minor: 3})
}

// mostKills is how often a group may be killed to make it equal to another; each takes less
// than a millisecond.
const mostKills = 4096

// survive kills a new control group, dir, as often as the group of this process was, so that
// a process which this one creates there survives.
func survive(dir int) error {
	for range mostKills {
		if survives, err := survivesIn(dir); survives || err != nil {
			return nil // another error is that of the clone too
		}
		fd, err := unix.Openat(dir, "cgroup.kill", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open cgroup.kill: %w", err)
		}
		_, err = unix.Write(fd, []byte("1"))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("write to cgroup.kill: %w", err)
		}
	}
	return nil // the clone says what happens then
}

// survivesIn creates a process in a control group, which ends at once because it cannot
// execute a directory, and reports whether it came that far.
func survivesIn(dir int) (bool, error) {
	pid, err := syscall.ForkExec("/", []string{"/"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: dir}})
	if err == unix.EACCES {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	// It has reported no error.
	for _, err = unix.Wait4(pid, nil, 0, nil); err == unix.EINTR; {
		_, err = unix.Wait4(pid, nil, 0, nil)
	}
	return false, nil
}
