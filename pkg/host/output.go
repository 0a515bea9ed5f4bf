package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// What is written to a file that the caller names goes to no other one, whoever owns a directory
// in its path: as in [Host.Look], no symbolic link of another user is followed. The name itself is
// often in a directory of the payload, which may have made a link of it in an earlier run, with
// the caller's own user ID: so no link at all is followed there.

var errLink = errors.New("it is a symbolic link, which a payload may have made: give the path that it leads to")

// Create opens a file for writing, which is created, or emptied if it exists, so that nobody
// takes for new what was there before. Nobody waits for the reader of a FIFO.
func Create(path string) (fd int, err error) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC | unix.O_NOCTTY | unix.O_NONBLOCK | unix.O_CLOEXEC
	dir, base, err := parent(path)
	if err == nil {
		defer unix.Close(dir)
		if !ownLinks(dir) {
			flags |= unix.O_NOFOLLOW
		}
		fd, err = unix.Openat(dir, base, flags, 0o666)
	}
	if err == nil {
		if err = unix.SetNonblock(fd, false); err != nil {
			unix.Close(fd)
		}
	}
	switch err {
	case nil:
		return fd, nil
	case unix.ENXIO: // of a device, too, as /dev/tty without a terminal
		var stat unix.Stat_t
		if unix.Stat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO {
			err = fmt.Errorf("nobody reads this FIFO: %w", err)
		}
	case unix.ELOOP:
		err = errLink
	}
	return -1, err
}

// MakeDir creates a directory for files that are to be written, unless it exists.
func MakeDir(path string) error {
	dir, base, err := parent(filepath.Clean(path))
	if err == nil {
		defer unix.Close(dir)
		err = unix.Mkdirat(dir, base, 0o777)
	}
	if err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// OpenRoot opens a directory for files that are to be written.
func OpenRoot(path string) (*os.Root, error) {
	dir, err := walkTo(path)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(dir)
	return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(dir))
}

// Straight is a path without symbolic links, or the path itself if nothing exists there.
func Straight(path string) (string, error) {
	h := &Host{UID: uint32(os.Geteuid()), HostRoot: hostRoot}
	f, err := h.walk(path)
	var stranger *StrangerLink
	switch {
	case errors.As(err, &stranger):
		return "", err
	case err != nil || f.Straight == "":
		return path, nil
	}
	return f.Straight, nil
}

// parent opens the directory in which a name is.
func parent(path string) (dir int, base string, err error) {
	switch path {
	case "/dev/stdout", "/dev/stderr": // links to these
		path = "/proc/self/fd/" + map[string]string{"/dev/stdout": "1", "/dev/stderr": "2"}[path]
	}
	name, base := filepath.Split(path)
	if name == "" {
		name = "."
	}
	if base == "" || base == "." || base == ".." {
		return -1, "", unix.EISDIR
	}
	dir, err = walkTo(name)
	return dir, base, err
}

// walkTo opens a directory.
func walkTo(path string) (dir int, err error) {
	h := &Host{UID: uint32(os.Geteuid()), HostRoot: hostRoot}
	w, err := h.start(path)
	if err != nil {
		return -1, err
	}
	if err = w.walk(); err == nil && !w.found.IsDir {
		err = unix.ENOTDIR
	}
	if err != nil {
		unix.Close(w.dir)
		return -1, err
	}
	return w.dir, nil
}

// ownLinks reports whether a directory is in a procfs, the links in which nobody makes.
func ownLinks(dir int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(dir, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC
}
