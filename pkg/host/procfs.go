package host

import (
	"errors"
	"fmt"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// ReadProc reads a file of procfs. Package os would start its poller for it.
func ReadProc(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	var text []byte
	var b [4096]byte
	for {
		n, err := unix.Read(fd, b[:])
		if err != nil || n <= 0 {
			return string(text), err
		}
		text = append(text, b[:n]...)
	}
}

func procfs() error {
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); err != nil {
		return cause.Because(cause.NoProcfs, fmt.Errorf("/proc: %w", err))
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return cause.Because(cause.NoProcfs, errors.New("/proc is not a procfs"))
	}
	return nil
}
