package inspect

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// executes is the program of hk that a process executes: one in the directory of this one, or a
// sealed copy of one; or "". Whatever else it executes is not read: it may be on a file system
// that does not answer.
func (p *process) executes(dir string) (string, error) {
	link, err := p.link("exe")
	if err != nil {
		return "", err
	}
	name, inMemory := programIn(link)
	if !slices.Contains(programs, name) {
		return "", nil
	}
	var there unix.Statx_t
	if err := unix.Statx(p.dir, p.of("exe"), statFlags, unix.STATX_BASIC_STATS, &there); err != nil {
		return "", err
	}
	if inMemory {
		return p.copyOf(dir, there.Size)
	}
	var ours unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, filepath.Join(dir, name), statFlags, unix.STATX_BASIC_STATS, &ours); err != nil {
		return "", nil
	}
	if there.Ino != ours.Ino || there.Dev_major != ours.Dev_major || there.Dev_minor != ours.Dev_minor {
		return "", nil
	}
	return name, nil
}

const statFlags = unix.AT_STATX_DONT_SYNC | unix.AT_NO_AUTOMOUNT

// copyOf is the program of which a process executes a sealed copy, or "". The copy has the name
// of the first stage of its chain.
func (p *process) copyOf(dir string, size uint64) (string, error) {
	for _, name := range programs {
		file := filepath.Join(dir, name)
		var ours unix.Statx_t
		if unix.Statx(unix.AT_FDCWD, file, statFlags, unix.STATX_SIZE, &ours) != nil || ours.Size != size {
			continue
		}
		if is, err := p.sameProgram(file); is || err != nil {
			return name, err
		}
	}
	return "", nil
}

// inFile is the first of the programs that are the same file as another one.
func inFile(dir, name string) string {
	if sameFile(filepath.Join(dir, name), filepath.Join(dir, programs[0])) {
		return programs[0]
	}
	return name
}

// programIn is the name in a link /proc/PID/exe. inMemory is set if it may be that of a file in
// memory.
func programIn(link string) (name string, inMemory bool) {
	name, inMemory = strings.CutPrefix(link, "/memfd:")
	return strings.TrimSuffix(filepath.Base(name), " (deleted)"), inMemory
}

// sameProgram reports whether a program in memory is a sealed copy of a file.
func (p *process) sameProgram(path string) (bool, error) {
	in, err := unix.Openat(p.dir, p.of("exe"), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(in)
	if is, err := isMemfd(in); err != nil || !is {
		return false, err
	}
	memory, err := unix.Open("/proc/self/fd/"+strconv.Itoa(in), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(memory)
	file, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(file)
	if !host.Sealed(memory) {
		return false, nil
	}
	return sameContent(memory, file)
}

// isMemfd reports whether a descriptor is on the file system of memfd_create(2). A file system
// of somebody else, which may not answer, is not asked.
func isMemfd(fd int) (bool, error) {
	memory, err := unix.MemfdCreate("hk-inspect", unix.MFD_CLOEXEC)
	if err != nil {
		return false, err
	}
	defer unix.Close(memory)
	var there, ours unix.Statx_t
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(fd, "", flags, unix.STATX_TYPE, &there); err != nil {
		return false, err
	}
	if err := unix.Statx(memory, "", flags, unix.STATX_TYPE, &ours); err != nil {
		return false, err
	}
	return there.Dev_major == ours.Dev_major && there.Dev_minor == ours.Dev_minor, nil
}

// sameContent compares two files.
func sameContent(a, b int) (bool, error) {
	var x, y [64 << 10]byte
	for at := int64(0); ; {
		n, err := unix.Pread(a, x[:], at)
		if err != nil {
			return false, err
		}
		m, err := unix.Pread(b, y[:max(n, 1)], at)
		if err != nil || m != n || string(x[:n]) != string(y[:n]) {
			return false, err
		}
		if n == 0 {
			return true, nil
		}
		at += int64(n)
	}
}

func sameFile(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}
