package access

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A tree is the root directory of the first program, in which names are looked up from
// outside.
type tree struct {
	// fd is the directory, and ns keeps its mount namespace, and so what is mounted there.
	fd, ns int
	root   unix.Statx_t
	// shown is what procfs shows of the root directory, and prefix what it therefore shows
	// before each name: "" for "/".
	shown, prefix string
	// link is the mount namespace.
	link string
	mounts
}

var errProcfs = errors.New("a procfs of this PID namespace is needed at /proc")

// CheckProcfs returns an error if processes cannot be looked at in /proc.
func CheckProcfs() error {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return errProcfs
	}
	return nil
}

func proc(tid int) string { return "/proc/" + strconv.Itoa(tid) }

// newTree opens the root directory of a thread.
func newTree(tid int) (_ *tree, err error) {
	t := &tree{fd: -1, ns: -1, mounts: mounts{info: -1}}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.link, err = os.Readlink(proc(tid) + "/ns/mnt"); err != nil {
		return nil, err
	}
	if t.ns, err = unix.Open(proc(tid)+"/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if t.fd, err = unix.Open(proc(tid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if t.shown, err = os.Readlink(proc(tid) + "/root"); err != nil {
		return nil, err
	}
	if t.prefix = t.shown; t.prefix == "/" {
		t.prefix = ""
	}
	if err = t.mounts.open(tid); err != nil {
		return nil, err
	}
	var root unix.Statx_t
	if late := t.try(inMount(aside), func() { err = statx(t.fd, "", &root) }); late != nil {
		err = late
	}
	if err != nil {
		return nil, err
	}
	t.root = root
	return t, nil
}

func (t *tree) close() {
	for _, fd := range []int{t.fd, t.ns, t.info} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// statx looks at a file, not following a last symbolic link. A network file system or a FUSE
// server is not asked for attributes that the kernel has.
func statx(dir int, name string, st *unix.Statx_t) error {
	const flags = unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
	return unix.Statx(dir, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME|unix.STATX_MNT_ID, st)
}

// An id is an inode: Landlock's rules are for inodes.
type id struct {
	major, minor uint32
	ino          uint64
}

// An object is a file or directory that exists. The name is from the root of the tree and
// without symbolic links.
type object struct {
	name string
	st   unix.Statx_t
}

// A ref is the name of a directory, and which one that was.
type ref struct {
	name string
	id   id
}

func (o *object) id() id       { return idOf(&o.st) }
func (o *object) ref() ref     { return ref{o.name, o.id()} }
func (o *object) kind() uint32 { return uint32(o.st.Mode) & unix.S_IFMT }

func idOf(st *unix.Statx_t) id { return id{st.Dev_major, st.Dev_minor, st.Ino} }

// A spot is where a name leads: to a directory, the last component, which is empty if there
// is none, and what that is, unless it is missing.
type spot struct {
	dir  object
	base string
	object
	there bool
}

var (
	errOutside  = errors.New("it is not in the root directory of the payload")
	errReplaced = errors.New("its name leads to something else")
	errMounted  = errors.New("it is in a mount that was not there at the start")
)

// exact looks up a name that has no symbolic link in it.
func (t *tree) exact(name string) (spot, error) {
	w, err := t.walk(name, false)
	if err != nil {
		return spot{}, err
	}
	defer w.close()
	if w.turned {
		return spot{}, errReplaced
	}
	return w.spot(path.Clean(name)), nil
}

// lookup looks up a name, and finds its name without symbolic links.
func (t *tree) lookup(name string, follow bool) (spot, error) {
	w, err := t.walk(name, follow)
	if err != nil {
		return spot{}, err
	}
	defer w.close()
	if !w.turned {
		return w.spot(path.Clean(name)), nil
	}
	fd := w.dirFD
	if w.base == "" {
		fd = w.fd
	}
	shown, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return spot{}, err
	}
	real, ok := t.within(shown)
	if !ok {
		return spot{}, errOutside
	}
	if w.base != "" {
		real = join(real, w.base)
	}
	s, err := t.exact(real)
	if err == nil && (s.there != w.there || s.there && s.id() != idOf(&w.obj) || w.base != "" && s.dir.id() != idOf(&w.dir)) {
		err = errReplaced
	}
	return s, err
}

// within is the name in the tree for one that procfs shows.
func (t *tree) within(shown string) (string, bool) {
	rest, ok := strings.CutPrefix(shown, t.prefix)
	switch {
	case ok && rest == "" && t.prefix != "":
		return "/", true
	case !ok || rest == "" || rest[0] != '/':
		return "", false
	}
	return rest, true
}

// among are those of the names that are seen to be in a directory.
func (t *tree) among(dir string, names []string) (list []string) {
	w, err := t.walk(dir, false)
	if err != nil {
		return nil
	}
	defer w.close()
	var found []string
	fd := w.fd
	if t.try(inMount(w.obj.Mnt_id), func() {
		for _, name := range names {
			at, err := unix.Openat2(fd, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
				Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS})
			if err == nil {
				unix.Close(at)
			}
			if err == nil || err == unix.EXDEV { // a mount
				found = append(found, name)
			}
		}
	}) != nil {
		w.abandon()
		return nil
	}
	return found
}

// list are the names in a directory.
func (t *tree) list(name string) []string {
	w, err := t.walk(name, false)
	if err != nil {
		return nil
	}
	defer w.close()
	var names []string
	fd := w.fd
	if t.try(inMount(w.obj.Mnt_id), func() {
		d, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return
		}
		defer d.Close()
		names, _ = d.Readdirnames(maxListed)
	}) != nil {
		w.abandon()
		return nil
	}
	slices.Sort(names)
	return names
}

// maxListed is how many entries of a directory are read.
const maxListed = 10_000
