package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Program is the file that this process executes.
type Program struct {
	Path string
	Size int64
	// Sealed is set if it is a sealed file in memory.
	Sealed bool
	// Fixed is set if nobody can write to the file through /proc/PID/exe: it is sealed,
	// or on a read-only mount.
	Fixed bool
	// Writable is set if the caller could write to it if it were not being executed.
	Writable bool
}

// Sealed reports whether the file that a descriptor refers to cannot be modified.
func Sealed(fd int) bool {
	// For files that cannot be sealed the kernel returns EINVAL.
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	return err == nil && seals&unix.F_SEAL_WRITE != 0
}

// Self is the program whose file SelfFD refers to, without its path.
func (h *Host) Self() Program {
	if h.SelfProgram != nil {
		return *h.SelfProgram
	}
	return ProgramAt(h.SelfFD)
}

func program() (Program, error) {
	const link = "/proc/self/exe"
	p, err := programAt(link)
	if err == nil {
		p.Path, err = os.Readlink(link)
	}
	return p, err
}

func programAt(path string) (Program, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Program{}, fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	return ProgramAt(fd), nil
}

// ProgramAt is the program whose file a descriptor refers to, without its path. If
// something cannot be determined, the worse is assumed.
func ProgramAt(fd int) Program {
	p := Program{Writable: true}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		p.Size = st.Size
	}
	var fs unix.Statfs_t
	p.Sealed = Sealed(fd)
	p.Fixed = p.Sealed || unix.Fstatfs(fd, &fs) == nil && fs.Flags&unix.ST_RDONLY != 0
	err := unix.Faccessat2(fd, "", unix.W_OK, unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	p.Writable = !p.Fixed && err != unix.EACCES && err != unix.EROFS
	return p
}
