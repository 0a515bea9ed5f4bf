package access

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A tree is the root directory of the first program, in which names are looked up from
// outside.
type tree struct {
	// fd is the directory, and ns keeps its mount namespace, and so what is mounted there.
	fd, ns int
	// shown is what procfs shows of the root directory, and prefix what it therefore shows
	// before each name: "" for "/".
	shown, prefix string
	// link is the mount namespace.
	link string
	// stuck is set once a file system has not answered.
	stuck bool
}

// patience is how long a file system may take to answer.
const patience = 10 * time.Second

var errStuck = errors.New("a file system does not answer: nothing is recorded from then on")

// try has something done that a file system may never answer to: that of a FUSE daemon which
// is traced too, and stopped. Unless it is done, nothing that it sets may be used.
func (t *tree) try(do func()) error {
	if t.stuck {
		return errStuck
	}
	done := make(chan struct{})
	go func() {
		do()
		close(done)
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
		t.stuck = true
		return errStuck
	}
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
func newTree(tid int) (t *tree, err error) {
	t = &tree{fd: -1, ns: -1}
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
	return t, nil
}

func (t *tree) close() {
	if t.fd >= 0 {
		unix.Close(t.fd)
	}
	if t.ns >= 0 {
		unix.Close(t.ns)
	}
}

// open opens a name with O_PATH. Links of procfs are not followed.
func (t *tree) open(name string, flags uint64) (fd int, st unix.Stat_t, _ error) {
	var err error
	name = strings.TrimLeft(name, "/")
	if name == "" {
		name = "."
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	var opened int
	var at unix.Stat_t
	late := t.try(func() {
		opened, err = unix.Openat2(t.fd, name, &how)
		for tries := 0; (err == unix.EAGAIN || err == unix.EINTR) && tries < 100; tries++ { // something is being renamed
			opened, err = unix.Openat2(t.fd, name, &how)
		}
		if err != nil {
			return
		}
		if err = unix.Fstat(opened, &at); err != nil {
			unix.Close(opened)
		}
	})
	switch {
	case late != nil:
		return -1, st, late
	case err != nil:
		return -1, st, err
	}
	return opened, at, nil
}

// stat is what a name leads to, not following a last symbolic link.
func (t *tree) stat(name string) (unix.Stat_t, error) {
	fd, st, err := t.open(name, unix.O_NOFOLLOW)
	if err == nil {
		unix.Close(fd)
	}
	return st, err
}

// resolve is the name without symbolic links of what a name leads to.
func (t *tree) resolve(name string, flags uint64) (string, unix.Stat_t, error) {
	fd, st, err := t.open(name, flags)
	if err != nil {
		return "", st, err
	}
	defer unix.Close(fd)
	shown, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "", st, err
	}
	name, ok := t.within(shown)
	if !ok {
		return "", st, errOutside
	}
	return name, st, nil
}

var errOutside = errors.New("it is not in the root directory")

// within is the name in the tree for one that procfs shows.
func (t *tree) within(shown string) (string, bool) {
	rest, ok := strings.CutPrefix(shown, t.prefix)
	switch {
	case ok && rest == "":
		return "/", true
	case !ok || rest[0] != '/':
		return "", false
	}
	return rest, true
}

// is reports whether a name leads to the file of which st is known. A directory that may
// not be searched from outside says nothing: then the kernel is believed. A procfs has other
// inodes for each namespace.
func (t *tree) is(name string, st unix.Stat_t) bool {
	at, err := t.stat(name)
	return err == nil && at.Dev == st.Dev && (at.Ino == st.Ino || strings.HasPrefix(name, "/proc/")) || errors.Is(err, unix.EACCES)
}

// list are the names in a directory.
func (t *tree) list(name string) []string {
	fd, _, err := t.open(name, unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var names []string
	if t.try(func() {
		d, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			return
		}
		defer d.Close()
		names, _ = d.Readdirnames(maxListed)
	}) != nil {
		return nil
	}
	slices.Sort(names)
	return names
}

// maxListed is how many entries of a directory are read.
const maxListed = 10_000

// A found is what a descriptor of a process refers to.
type found struct {
	name string
	st   unix.Stat_t
	// gone is set if the name has been removed.
	gone bool
}

// descriptor looks at a link of procfs to an open file of a process, such as fd/3 or exe.
// ok is false if it has no name in the tree.
func (r *Recorder) descriptor(tid int, what string) (f found, ok bool) {
	f, shown, ok := r.inTree(tid, what)
	if !ok && shown != "" {
		r.note("a file outside the root directory of the payload: " + shown)
	}
	return f, ok
}

// inTree is descriptor, for a file that may have been open before. shown is what procfs shows
// of one that is outside the tree.
func (r *Recorder) inTree(tid int, what string) (f found, outside string, ok bool) {
	link := proc(tid) + "/" + what
	shown, err := os.Readlink(link)
	if err != nil || !path.IsAbs(shown) || r.tree == nil {
		return f, "", false
	}
	var st unix.Stat_t
	if late := r.tree.try(func() { err = unix.Stat(link, &st) }); late != nil || err != nil {
		return f, "", false
	}
	f.st = st
	name, ok := r.tree.within(shown)
	if ok && r.tree.is(name, f.st) {
		f.name = name
		return f, "", true
	}
	if f.name, f.gone = strings.CutSuffix(name, " (deleted)"); !ok || !f.gone {
		return f, shown, false
	}
	// Memory that has a name is in no directory.
	dir, err := r.tree.stat(path.Dir(f.name))
	if err != nil || dir.Dev != f.st.Dev && path.Dir(f.name) == "/" {
		return f, "", false
	}
	r.create(f.name)
	return f, "", true
}

// base is the directory from which a process looks up a name, as a name in the tree.
func (r *Recorder) base(tid, dir int, name string) (string, error) {
	if r.tree == nil {
		return "", errOutside
	}
	root, err := os.Readlink(proc(tid) + "/root")
	ns, err2 := os.Readlink(proc(tid) + "/ns/mnt")
	if err != nil || err2 != nil || root != r.tree.shown || ns != r.tree.link {
		return "", errors.New("the process has another root directory or mount namespace than the first program")
	}
	if path.IsAbs(name) {
		return "/", nil
	}
	from := "/cwd"
	if dir != unix.AT_FDCWD {
		from = "/fd/" + strconv.Itoa(dir)
	}
	shown, err := os.Readlink(proc(tid) + from)
	if err != nil {
		return "", err
	}
	if at, ok := r.tree.within(shown); ok && path.IsAbs(shown) {
		return at, nil
	}
	return "", errOutside
}

// A takes says which arguments of a call are a directory, a path in it and flags, and which
// a second directory and path; -1 is none.
type takes struct{ dir, path, flags, dir2, path2 int }

// argument is a name in an argument of a call, from the root of the tree, and not yet
// resolved. A "/proc/self" in it is that of the thread.
func (r *Recorder) argument(tid int, c ptrace.Call, dir, at int) (string, error) {
	name, ok := ptrace.PeekString(tid, c.Args[at])
	if !ok {
		return "", errors.New("the name cannot be read from the memory of the process")
	}
	from := unix.AT_FDCWD
	if dir >= 0 {
		from = int(int32(c.Args[dir]))
	}
	base, err := r.base(tid, from, name)
	if err != nil {
		return "", err
	}
	if name = join(base, name); strings.HasPrefix(name, "/proc/self/") {
		if own := ids(tid, "NStgid"); len(own) > 0 {
			name = "/proc/" + own[len(own)-1] + strings.TrimPrefix(name, "/proc/self")
		}
	}
	return name, nil
}

// missing reports whether the name in an argument leads nowhere.
func (r *Recorder) missing(tid int, c ptrace.Call, at takes, follow uint64) bool {
	name, err := r.argument(tid, c, at.dir, at.path)
	if err != nil || r.tree == nil {
		return false
	}
	fd, _, err := r.tree.open(name, follow)
	if err == nil {
		unix.Close(fd)
	}
	return err == unix.ENOENT
}

// place is the directory of the name in an argument, and its last component.
func (r *Recorder) place(c call, dir, at int) (in, base string, err error) {
	name, err := r.argument(c.tid, c.Call, dir, at)
	if err != nil {
		return "", "", err
	}
	name = strings.TrimRight(name, "/")
	base = path.Base(name)
	if name == "" || base == "." || base == ".." {
		return "", "", unix.EINVAL
	}
	in, _, err = r.tree.resolve(name[:len(name)-len(base)], unix.O_DIRECTORY)
	return in, base, err
}

// ids are the numbers of a field of /proc/PID/status, the last of which is that in the
// innermost PID namespace.
func ids(tid int, field string) []string {
	s, _ := ptrace.ReadStatus(proc(tid))
	return s.Field(field)
}
