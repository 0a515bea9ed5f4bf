package run

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited closes the descriptors above 2 that this process inherited, except
// keep: they are for the payload, and a reader at the other end of a pipe sees the end
// only when all processes have closed it. The program's own descriptors are
// close-on-exec, which distinguishes them.
func CloseInherited(keep []int) {
	for _, fd := range descriptors() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 && !slices.Contains(keep, fd) {
			unix.Close(fd)
		}
	}
}

// descriptors lists the descriptors above 2 that are open, or that may be if there is
// no procfs.
func descriptors() (list []int) {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return possible()
	}
	defer unix.Close(dir)
	var b [4096]byte
	for {
		n, err := unix.Getdents(dir, b[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return possible()
		}
		if n == 0 {
			return list
		}
		_, _, names := unix.ParseDirent(b[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd > 2 && fd != dir {
				list = append(list, fd)
			}
		}
	}
}

// possible are all descriptors that could be open.
func possible() (list []int) {
	limit := unix.Rlimit{Cur: 1024}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	const most = 1 << 16
	for fd := 3; fd < int(min(limit.Cur, most)); fd++ {
		list = append(list, fd)
	}
	return list
}
