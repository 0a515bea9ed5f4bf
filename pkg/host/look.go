package host

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A Found is what a path leads to.
type Found struct {
	IsDir bool
	// Path is the path without symbolic links, if Loose is set; otherwise, or if
	// nothing exists there, it is the path itself.
	Path string
	// Loose is set if a user other than the caller and root can change a directory in
	// the path, even if nothing exists there. Then Path is what is opened, and no
	// symbolic link is followed.
	Loose bool
}

// A StrangerLink is a symbolic link in a path that belongs neither to the caller nor to
// root, in a directory that others can change. It is not followed, because its owner
// could make it lead anywhere, with the caller's rights.
type StrangerLink struct {
	Link  string
	Owner uint32
}

func (e *StrangerLink) Error() string {
	return fmt.Sprintf("%s is a symbolic link of user %d and is not followed: give the path without it", e.Link, e.Owner)
}

// errProcLink is the error for a symbolic link of procfs, which has no path, where a
// path is needed.
var errProcLink = errors.New("it leads through a directory that others can change to a symbolic link of procfs")

// maxLinks is the kernel's MAXSYMLINKS.
const maxLinks = 40

// look follows a path as the kernel does, except for symbolic links of other users.
func (h *Host) look(path string) (Found, error) {
	if f, ok := h.straight(path); ok {
		return f, nil
	}
	return h.walk(path)
}

// straight is look for a path without symbolic links of which no other user can change
// anything. It works with names, which takes a third of the system calls.
func (h *Host) straight(path string) (Found, bool) {
	var dir, st unix.Stat_t
	if len(path) < 2 || strings.Contains(path, "..") || strings.HasSuffix(path, "/") || unix.Lstat("/", &dir) != nil {
		return Found{}, false
	}
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if unix.Lstat(path[:i], &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK || !h.keeps(&dir, &st) {
			return Found{}, false
		}
		dir = st
	}
	return Found{IsDir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Path: path}, true
}

// walk walks a path by directory descriptors.
func (h *Host) walk(path string) (Found, error) {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Found{}, err
	}
	w := walker{host: h, dir: root, todo: strings.Split(path, "/"), found: Found{Path: path}}
	defer func() { unix.Close(w.dir) }()
	if err := unix.Fstat(root, &w.st); err != nil {
		return Found{}, err
	}
	w.isDir()
	for len(w.todo) > 0 && !w.kernel {
		name := w.todo[0]
		w.todo = w.todo[1:]
		if !w.found.IsDir {
			return w.found, unix.ENOTDIR
		}
		if name == "" || name == "." {
			continue
		}
		if err := w.step(name); err != nil {
			return w.found, err
		}
	}
	switch {
	case w.kernel:
		var st unix.Stat_t
		err := unix.Stat(path, &st)
		return Found{IsDir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Path: path}, err
	case w.found.Loose:
		w.found.Path = "/" + strings.Join(w.done, "/")
	}
	return w.found, nil
}

// A walker is the state of walking a path.
type walker struct {
	host *Host
	// dir is the directory it has reached, and st the result of fstat(2) for it.
	dir   int
	st    unix.Stat_t
	done  []string
	todo  []string
	links int
	found Found
	// kernel is set at a symbolic link of procfs, which no user could have created.
	kernel bool
}

func (w *walker) isDir() { w.found.IsDir = w.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// step walks to a name in the directory.
func (w *walker) step(name string) error {
	fd, err := unix.Openat(w.dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	replaceable := name != ".." && !w.host.keeps(&w.st, &st)
	w.found.Loose = w.found.Loose || replaceable
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		defer unix.Close(fd)
		return w.link(fd, name, replaceable, st.Uid)
	}
	if name == ".." {
		w.done = w.done[:max(len(w.done)-1, 0)]
	} else {
		w.done = append(w.done, name)
	}
	unix.Close(w.dir)
	w.dir, w.st = fd, st
	w.isDir()
	return nil
}

// link follows a symbolic link, to which fd refers, in a directory that others can
// change or not.
func (w *walker) link(fd int, name string, replaceable bool, owner uint32) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	switch {
	case fs.Type == unix.PROC_SUPER_MAGIC && w.found.Loose:
		return errProcLink
	case fs.Type == unix.PROC_SUPER_MAGIC:
		w.kernel = true
		return nil
	case replaceable && !w.host.trusts(owner):
		return &StrangerLink{"/" + strings.Join(append(w.done, name), "/"), owner}
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	var b [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", b[:])
	if err != nil {
		return err
	}
	target := string(b[:n])
	w.todo = append(strings.Split(target, "/"), w.todo...)
	if !strings.HasPrefix(target, "/") {
		return nil
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(w.dir)
	w.dir, w.done = root, nil
	return unix.Fstat(root, &w.st)
}

// keeps reports whether only the caller and root can replace a name in a directory.
func (h *Host) keeps(dir, name *unix.Stat_t) bool {
	const others = 0o022
	switch {
	case !h.trusts(dir.Uid):
		return false
	case dir.Mode&others == 0:
		return true
	}
	return dir.Mode&unix.S_ISVTX != 0 && h.trusts(name.Uid)
}

// overflowID is the owner that stat(2) returns if the owner's ID is not mapped in the
// user namespace.
const overflowID = 65534

// trusts reports whether a user may change what the caller's paths lead to: the caller
// and root may. If root's ID is not mapped, it cannot be distinguished from other IDs
// that are not mapped.
func (h *Host) trusts(uid uint32) bool {
	if uid == h.UID {
		return true
	}
	root, known := h.HostRoot()
	return uid == root || (root == ids.None || !known) && uid == overflowID
}
