package host

import (
	"errors"
	"fmt"
	"path/filepath"
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
	// Straight is the path without symbolic links and without "..", as far as links of
	// procfs have not led there; otherwise it is "".
	Straight string
	// Loose is set if a user other than the caller and root can change a directory in
	// the path, even if nothing exists there, or if the path or a symbolic link leads up to
	// the root directory: from there the kernel goes to what is mounted over it meanwhile.
	// Then Path is what is opened, and no symbolic link is followed.
	Loose bool
	// Reach is who may search the directories in the path.
	Reach Reach
}

// Reach says who may search a directory, as far as its mode tells.
type Reach uint8

const (
	// ReachAll is every user.
	ReachAll Reach = iota
	// ReachOwner is the caller, who owns it.
	ReachOwner
	// ReachOther is the caller by a group, a capability or an access control list.
	ReachOther
)

func (h *Host) reach(dir *unix.Stat_t) Reach {
	const all, owner = 0o111, 0o100
	switch {
	case dir.Mode&all == all:
		return ReachAll
	case dir.Uid == h.UID && dir.Mode&owner != 0:
		return ReachOwner
	}
	return ReachOther
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

// errUp is the error for a path that leads up to the root directory where the path without
// symbolic links is not known.
var errUp = errors.New("it leads up to the root directory by \"..\": give the path without that")

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
	reach := ReachAll
	if len(path) < 2 || path[0] != '/' || strings.Contains(path, "..") || strings.HasSuffix(path, "/") || unix.Lstat("/", &dir) != nil {
		return Found{}, false
	}
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if unix.Lstat(path[:i], &st) != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK || !h.keeps(&dir, &st) {
			return Found{}, false
		}
		reach = max(reach, h.reach(&dir))
		dir = st
	}
	return Found{IsDir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Path: path, Straight: filepath.Clean(path), Reach: reach}, true
}

// walk walks a path by directory descriptors.
func (h *Host) walk(path string) (Found, error) {
	w, err := h.start(path)
	if err != nil {
		return Found{}, err
	}
	defer func() { unix.Close(w.dir) }()
	if err := w.walk(); err != nil {
		return w.found, err
	}
	switch {
	case w.up && (w.kernel || w.relative):
		return w.found, errUp
	case w.kernel:
		return Found{IsDir: w.found.IsDir, Path: path, Reach: w.found.Reach}, nil
	case w.up:
		w.found.Loose = true
	}
	if w.found.Loose {
		w.found.Path = w.name(w.done)
	}
	w.found.Straight = w.name(w.done)
	return w.found, nil
}

// start returns a walker where a path starts. Its directory must be closed.
func (h *Host) start(path string) (*walker, error) {
	w := &walker{host: h, todo: strings.Split(path, "/"), found: Found{Path: path}, relative: !strings.HasPrefix(path, "/")}
	start := "/"
	if w.relative {
		start = "."
	}
	var err error
	if w.dir, err = unix.Open(start, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if err := unix.Fstat(w.dir, &w.st); err != nil {
		unix.Close(w.dir)
		return nil, err
	}
	w.isDir()
	return w, nil
}

// walk walks to the end.
func (w *walker) walk() error {
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		if !w.found.IsDir {
			return unix.ENOTDIR
		}
		if name == "" || name == "." {
			continue
		}
		if err := w.step(name); err != nil {
			return err
		}
	}
	return nil
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
	// relative is set if done starts at the working directory.
	relative bool
	// kernel is set after a symbolic link of procfs, which no user could have created. The
	// names that lead to where the walk is are not known then.
	kernel bool
	// up is set if .. has led to the root directory.
	up bool
}

// name is the path of names from the start.
func (w *walker) name(names []string) string {
	switch p := strings.Join(names, "/"); {
	case !w.relative:
		return "/" + p
	case p == "":
		return "."
	default:
		return p
	}
}

func (w *walker) isDir() { w.found.IsDir = w.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// step walks to a name in the directory.
func (w *walker) step(name string) error {
	w.found.Reach = max(w.found.Reach, w.host.reach(&w.st))
	fd, err := unix.Openat(w.dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return err
	}
	replaceable := !w.kernel && name != ".." && !w.host.keeps(&w.st, &st)
	w.found.Loose = w.found.Loose || replaceable
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		defer unix.Close(fd)
		return w.link(fd, name, replaceable, st.Uid)
	}
	if name == ".." {
		var root unix.Stat_t
		if err := unix.Stat("/", &root); err != nil {
			unix.Close(fd)
			return err
		}
		w.up = w.up || st.Dev == root.Dev && st.Ino == root.Ino
	}
	switch n := len(w.done); {
	case name != "..", w.relative && (n == 0 || w.done[n-1] == ".."):
		w.done = append(w.done, name)
	default:
		w.done = w.done[:max(n-1, 0)]
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
		return w.follow(name)
	case replaceable && !w.host.Trusts(owner):
		return &StrangerLink{w.name(append(w.done, name)), owner}
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
	w.dir, w.done, w.relative = root, nil, false
	return unix.Fstat(root, &w.st)
}

// follow has the kernel follow a symbolic link of procfs.
func (w *walker) follow(name string) error {
	w.kernel = true
	fd, err := unix.Openat(w.dir, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(w.dir)
	w.dir = fd
	err = unix.Fstat(fd, &w.st)
	w.isDir()
	return err
}

// keeps reports whether only the caller and root can replace a name in a directory.
func (h *Host) keeps(dir, name *unix.Stat_t) bool {
	const others = 0o022
	switch {
	case !h.Trusts(dir.Uid):
		return false
	case dir.Mode&others == 0:
		return true
	}
	return dir.Mode&unix.S_ISVTX != 0 && h.Trusts(name.Uid)
}

// overflowID is the owner that stat(2) returns if the owner's ID is not mapped in the
// user namespace.
const overflowID = 65534

// Trusts reports whether a user may change what the caller's paths lead to: the caller
// and root may. If root's ID is not mapped, it cannot be distinguished from other IDs
// that are not mapped.
func (h *Host) Trusts(uid uint32) bool {
	if uid == h.UID {
		return true
	}
	root, known := h.HostRoot()
	return uid == root || (root == ids.None || !known) && uid == overflowID
}

func owner(path string) (uid, gid uint32, err error) {
	var st unix.Stat_t
	err = unix.Stat(path, &st)
	return st.Uid, st.Gid, err
}

// readlink opens the link once, so that the target and the owner are of one link.
func inode(path string) (dev, ino uint64, err error) {
	var st unix.Stat_t
	err = unix.Stat(path, &st)
	return uint64(st.Dev), st.Ino, err
}

func readlink(path string) (target string, owner uint32, err error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", 0, err
	}
	var b [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", b[:])
	if err != nil {
		return "", 0, err
	}
	return string(b[:n]), st.Uid, nil
}
