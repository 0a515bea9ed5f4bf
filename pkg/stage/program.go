package stage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Program is the file that this process executes.
type Program struct {
	Path string
	Size int64
	// Fixed is set if nobody can write the file by way of /proc/PID/exe: it is
	// sealed, or on a mount that is read-only.
	Fixed bool
}

func program() (Program, error) {
	const link = "/proc/self/exe"
	var p Program
	fd, err := unix.Open(link, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return p, fmt.Errorf("%s: %w", link, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return p, fmt.Errorf("%s: %w", link, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return p, fmt.Errorf("%s: %w", link, err)
	}
	// Files that cannot be sealed say EINVAL.
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	p.Size = st.Size
	p.Fixed = err == nil && seals&unix.F_SEAL_WRITE != 0 || fs.Flags&unix.ST_RDONLY != 0
	p.Path, err = os.Readlink(link)
	return p, err
}
