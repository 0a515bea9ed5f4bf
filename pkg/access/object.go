package access

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A found is what a descriptor of a process refers to.
type found struct {
	object
	// unsearchable is set if its directory may not be searched from outside, so that it is
	// known by its mount.
	unsearchable bool
}

func fdName(fd int) string { return "fd/" + strconv.Itoa(fd) }

// statLink looks at what a link of procfs to an open file of a process leads to.
func (r *Recorder) statLink(tid int, what string) (st unix.Statx_t, err error) {
	var at unix.Statx_t
	late := r.tree.try(inMount(aside), func() {
		err = unix.Statx(unix.AT_FDCWD, proc(tid)+"/"+what, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT,
			unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &at)
	})
	if late != nil {
		return st, late
	}
	return at, err
}

// descriptor looks at a link of procfs to an open file of a process, such as fd/3 or exe.
// ok is false, which is noted, unless a name in the tree leads to that file.
func (r *Recorder) descriptor(tid int, what string) (f found, ok bool) {
	f, shown, err := r.inTree(tid, what)
	if err != nil && shown != "" {
		r.refuse(shown, err)
	}
	return f, err == nil
}

// refuse notes what gets no rule, by the name that procfs shows.
func (r *Recorder) refuse(shown string, err error) {
	r.refused = noted(r.refused, "not understood, so that no rule is for it: "+shown+": "+err.Error())
}

var (
	errNoFile  = errors.New("it is not a file")
	errDeleted = errors.New("it has been removed, or is in no directory")
)

// inTree is descriptor, without the note. shown is what procfs shows of a file; it is empty
// for what has no name.
func (r *Recorder) inTree(tid int, what string) (f found, shown string, err error) {
	if r.tree == nil {
		return f, "", errOutside
	}
	shown, err = os.Readlink(proc(tid) + "/" + what)
	if err != nil || !path.IsAbs(shown) {
		return f, "", errNoFile
	}
	if f.st, err = r.statLink(tid, what); err != nil {
		return f, shown, err
	}
	name, ok := r.tree.within(shown)
	if !ok {
		return f, shown, errOutside
	}
	f.name = name
	f.unsearchable, err = r.tree.is(name, &f.st)
	if err != nil && strings.HasSuffix(name, deleted) {
		err = errDeleted
	}
	return f, shown, err
}

// deleted is what the kernel adds to the name of a file that has been removed, and that the
// name of any file can end in.
const deleted = " (deleted)"

// is returns an error unless a name leads to the file of which st is known.
//
// In a directory that may not be searched from outside, and in a procfs, whose inodes are
// made anew for each lookup, the kernel is believed that this is the name, if the file was
// opened in a mount of the tree, and that mount is the one in which the name is.
func (t *tree) is(name string, st *unix.Statx_t) (unsearchable bool, err error) {
	s, err := t.exact(name)
	switch {
	case err == unix.EACCES && !strings.HasSuffix(name, deleted) && t.governs(t.root.Mnt_id, name, st.Mnt_id):
		return true, nil
	case err != nil:
		return false, err
	case !s.there:
		return false, unix.ENOENT
	case s.id() == idOf(st):
		return false, nil
	case s.st.Mnt_id == st.Mnt_id && t.inProc(s.object, idOf(st)):
		return false, nil
	}
	return false, errReplaced
}

// inProc reports whether an inode and what has its name now are of one procfs, which makes inodes
// for each lookup, and has others for each network namespace.
func (t *tree) inProc(o object, was id) bool {
	return t.now[o.st.Mnt_id].kind == "proc" && o.id().major == was.major && o.id().minor == was.minor
}

var errForeign = errors.New("the process has another root directory or mount namespace than the first program")

// sameRoot returns an error unless a process has the root directory and the mounts of the tree.
func (r *Recorder) sameRoot(tid int) error {
	if r.tree == nil {
		return errOutside
	}
	ns, err := os.Readlink(proc(tid) + "/ns/mnt")
	if err != nil || ns != r.tree.link {
		return errForeign
	}
	root, err := r.statLink(tid, "root")
	if err == nil && (idOf(&root) != idOf(&r.tree.root) || root.Mnt_id != r.tree.root.Mnt_id) {
		return errForeign
	}
	return err
}

// base is the directory from which a process looks up a name, as a name in the tree.
func (r *Recorder) base(tid, dir int, name string) (string, error) {
	if err := r.sameRoot(tid); err != nil {
		return "", err
	}
	if path.IsAbs(name) {
		return "/", nil
	}
	from := "cwd"
	if dir != unix.AT_FDCWD {
		from = "fd/" + strconv.Itoa(dir)
	}
	f, _, err := r.inTree(tid, from)
	return f.name, err
}

// A takes says which arguments of a call are a directory, a path in it and flags, and which
// a second directory and path; -1 if it has none.
type takes struct{ dir, path, flags, dir2, path2 int }

var errMemory = errors.New("the name cannot be read from the memory of the process")

// argument is a name in an argument of a call, from the root of the tree, and not yet
// resolved. A "/proc/self" in it is that of the thread.
func (r *Recorder) argument(tid int, c ptrace.Call, dir, at int) (string, error) {
	name, ok := r.memory().PeekString(tid, c.Args[at])
	if !ok {
		return "", errMemory
	}
	from := unix.AT_FDCWD
	if dir >= 0 {
		from = int(int32(c.Args[dir]))
	}
	return r.absolute(tid, from, name)
}

func (r *Recorder) absolute(tid, dir int, name string) (string, error) {
	if name == "" {
		return "", unix.ENOENT
	}
	if fd, rest, ok := throughDescriptor(name); ok {
		dir, name = fd, rest
	}
	base, err := r.base(tid, dir, name)
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

// throughDescriptor is for a name below a directory that is open: "/proc/self/fd/3/name".
func throughDescriptor(name string) (fd int, rest string, ok bool) {
	for _, prefix := range []string{"/proc/self/fd/", "/dev/fd/"} {
		number, rest, _ := strings.Cut(strings.TrimPrefix(name, prefix), "/")
		rest = strings.TrimLeft(rest, "/")
		if n, err := strconv.Atoi(number); strings.HasPrefix(name, prefix) && err == nil && rest != "" {
			return n, rest, true
		}
	}
	return 0, "", false
}

// spot looks up the name in an argument.
func (r *Recorder) spot(tid int, c ptrace.Call, dir, at int, follow bool) (spot, error) {
	name, err := r.argument(tid, c, dir, at)
	if err != nil {
		return spot{}, err
	}
	return r.tree.lookup(name, follow)
}

// again looks up what was found before: the same name in the same directory.
func (t *tree) again(s spot) (spot, error) {
	if s.base == "" {
		return s, unix.EINVAL
	}
	now, err := t.exact(join(s.dir.name, s.base))
	if err == nil && now.dir.id() != s.dir.id() {
		err = errReplaced
	}
	return now, err
}

// ids are the numbers of a field of /proc/PID/status, the last of which is that in the
// innermost PID namespace.
func ids(tid int, field string) []string {
	s, _ := ptrace.ReadStatus(proc(tid))
	return s.Field(field)
}

// named is the name by which a rule can be made: files of a process have others in each run.
func (r *Recorder) named(tid int, name string) string {
	rest, ok := strings.CutPrefix(name, "/proc/")
	if !ok {
		return name
	}
	pid, rest, _ := strings.Cut(rest, "/")
	if _, err := strconv.Atoi(pid); err != nil {
		return name
	}
	if host := ids(tid, "Tgid"); len(host) == 0 || host[0] != strconv.Itoa(r.main) {
		return "/proc"
	}
	if own := ids(tid, "NStgid"); !slices.Contains(own, pid) {
		return "/proc"
	}
	top, _, _ := strings.Cut(rest, "/")
	if slices.Contains([]string{"task", "fd", "fdinfo", "map_files"}, top) {
		rest = top // what is in them has other names in each run
	}
	return strings.TrimSuffix(self+"/"+rest, "/")
}

const self = "/proc/self"
