package host

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func mode(fi fs.FileInfo, err error) (fs.FileMode, error) {
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return 0, pe.Err
		}
		return 0, err
	}
	return fi.Mode(), nil
}

func statIn(root, path string) (fs.FileMode, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	fd, err := OpenIn(dir, path, unix.O_PATH)
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return mode(f.Stat())
}

func readOnly(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_RDONLY != 0
}

func inProcfs(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

// isMount reports whether a path is the root of a mount. What does not exist is none; if it
// cannot be told, it is assumed.
func isMount(path string) bool {
	var st unix.Statx_t
	switch err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st); err {
	case nil:
		return st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	case unix.ENOENT, unix.ENOTDIR:
		return false
	default:
		return true
	}
}
