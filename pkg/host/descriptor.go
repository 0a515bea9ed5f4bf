package host

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A Descriptor is what a descriptor of the caller refers to, and where that is.
type Descriptor struct {
	// Path has no symbolic links.
	Path     string
	IsDir    bool
	Reach    Reach
	Dev, Ino uint64
}

// descriptor finds out what a descriptor refers to. In a new mount namespace it cannot be
// bind mounted, because it belongs to a mount of the old one: so it must have a path, which
// leads there.
func (h *Host) descriptor(fd int) (Descriptor, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Descriptor{}, errors.New("it is not open")
	}
	if err := h.Procfs(); err != nil {
		return Descriptor{}, err
	}
	proc := fmt.Sprintf("/proc/self/fd/%d", fd)
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlink(proc, b)
	if err != nil {
		return Descriptor{}, fmt.Errorf("%s: %w", proc, err)
	}
	d := Descriptor{Path: string(b[:n]), IsDir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Dev: uint64(st.Dev), Ino: st.Ino}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return d, fmt.Errorf("it refers to the symbolic link %s", d.Path)
	case !strings.HasPrefix(d.Path, "/"):
		return d, fmt.Errorf("it refers to %s, which is in no directory", d.Path)
	case st.Nlink == 0:
		return d, errors.New("it refers to a file that has been deleted, or never had a name")
	}
	return d, h.checkPath(fd, &d)
}

// checkPath makes sure that the path of a descriptor leads to what it refers to, in the
// same mount. In a chain that is not fused, an earlier stage may have created the mount
// namespace, with a copy of that mount.
func (h *Host) checkPath(fd int, d *Descriptor) error {
	mount, err := mountOf(fd)
	if err != nil {
		return err
	}
	table, err := ReadProc("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	foreign := !hasMount(table, mount)
	if foreign && !h.Handover.Mounts {
		return errors.New("it is of a mount that is not in this mount namespace")
	}
	found, err := h.look(d.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	d.Reach = found.Reach
	at, err := unix.Openat2(unix.AT_FDCWD, d.Path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	if there, err := mountOf(at); err != nil || there != mount && !foreign || uint64(st.Dev) != d.Dev || st.Ino != d.Ino {
		return fmt.Errorf("its path %s leads elsewhere: something is mounted over it, or it has been moved", d.Path)
	}
	return nil
}

// mountOf is the ID of the mount that a descriptor belongs to.
func mountOf(fd int) (string, error) {
	info, err := ReadProc(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	return fieldOf(info, "mnt_id:"), err
}

// hasMount reports whether a mountinfo has a mount.
func hasMount(table, id string) bool {
	for line := range strings.SplitSeq(table, "\n") {
		if strings.HasPrefix(line, id+" ") {
			return true
		}
	}
	return false
}

// dirNamed reports whether the name of the working directory leads to it.
func (h *Host) dirNamed() bool {
	var here, there unix.Stat_t
	return unix.Stat(".", &here) == nil && unix.Stat(h.Dir, &there) == nil && here.Dev == there.Dev && here.Ino == there.Ino
}
