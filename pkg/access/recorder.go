package access

import (
	"path"
	"slices"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// The rights are bits of LANDLOCK_ACCESS_FS_*.
const (
	execute    = unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeFile  = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	readFile   = unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir    = unix.LANDLOCK_ACCESS_FS_READ_DIR
	removeDir  = unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	removeFile = unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	makeChar   = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR
	makeDir    = unix.LANDLOCK_ACCESS_FS_MAKE_DIR
	makeReg    = unix.LANDLOCK_ACCESS_FS_MAKE_REG
	makeSock   = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	makeFifo   = unix.LANDLOCK_ACCESS_FS_MAKE_FIFO
	makeBlock  = unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	makeSym    = unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	refer      = unix.LANDLOCK_ACCESS_FS_REFER
	truncate   = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	ioctlDev   = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	// onFile are the rights that a rule for a file can grant.
	onFile = execute | writeFile | readFile | truncate | ioctlDev
)

// maxPaths is how many different names are told apart, so that a payload cannot have the
// recorder use any amount of memory.
const maxPaths = 100_000

// maxUnseen is how many notes there are of what could not be seen.
const maxUnseen = 20

// A Recorder records. The zero value is ready. Its methods are for one thread: [Recorder.Executed],
// [Recorder.Entered] and [Recorder.Left] are for a [ptrace.Tracer].
type Recorder struct {
	tree  *tree
	begun bool
	// main is the process that has executed the first program.
	main int
	// files are the rights that were used, by name in the tree. A right that only a file
	// has is, on a directory, for what is created below it.
	files map[string]uint64
	// created are the names that were given to something while it was recorded: a rule for
	// them could not be added before they exist, or would be for what they led to before.
	created map[string]bool
	moves   map[move]bool
	// pending is what was found out when a call was entered, by thread.
	pending map[int]entry
	names   map[uint64]string

	network
	signals

	// mounts is set if mounts were changed.
	mounts bool
	unseen []string
}

// A move is a link or rename between directories.
type move struct {
	from, to string
	dir      bool
}

// An entry is what was found out when a call was entered.
type entry struct {
	// missing is set if a name did not exist, and flags are those of openat2(2).
	missing bool
	flags   uint64
}

// A call is one that has returned.
type call struct {
	ptrace.Call
	tid    int
	name   string
	result int64
	errno  unix.Errno
	entry
}

// Entered looks at a call before it is made.
func (r *Recorder) Entered(tid int, c ptrace.Call) {
	name := r.name(c)
	r.seen(tid)
	switch name {
	case "open", "openat", "openat2", "rename", "renameat", "renameat2":
		var e entry
		e.flags = openFlags(tid, c, name)
		if name[0] == 'o' && e.flags&unix.O_CREAT == 0 {
			r.keep(tid, e)
			return
		}
		at := paths()[name]
		if name[0] == 'r' {
			at = takes{at.dir2, at.path2, -1, -1, -1}
		}
		follow := uint64(0)
		if name[0] == 'r' || e.flags&(unix.O_EXCL|unix.O_NOFOLLOW) != 0 {
			follow = unix.O_NOFOLLOW
		}
		e.missing = r.missing(tid, c, at, follow)
		r.keep(tid, e)
	case "creat":
		r.keep(tid, entry{missing: r.missing(tid, c, paths()[name], 0), flags: unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC})
	case "clone":
		if c.Args[0]&unix.CLONE_UNTRACED != 0 {
			r.untraced()
		}
	case "clone3":
		if word(tid, c.Args[0])&unix.CLONE_UNTRACED != 0 {
			r.untraced()
		}
	}
}

func (r *Recorder) untraced() {
	r.note("a process was created with CLONE_UNTRACED: what it does is not recorded")
}

func (r *Recorder) keep(tid int, e entry) {
	if r.pending == nil {
		r.pending = map[int]entry{}
	}
	r.pending[tid] = e
}

// Gone is for a thread that has ended.
func (r *Recorder) Gone(tid int) {
	delete(r.pending, tid)
	delete(r.known, tid)
}

// Left looks at a call that returns.
func (r *Recorder) Left(tid int, c ptrace.Call, result int64, errno unix.Errno) {
	name := r.name(c)
	look, ok := looks()[name]
	if !ok {
		return
	}
	e := r.pending[tid]
	delete(r.pending, tid)
	if errno != 0 && !checked(name, errno) {
		return
	}
	look(r, call{c, tid, name, result, errno, e})
}

// checked reports whether a call that fails so has been checked by Landlock before, which
// would have failed with another error.
func checked(name string, errno unix.Errno) bool {
	switch name {
	case "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2":
		return errno == unix.ENOTEMPTY || errno == unix.EISDIR || errno == unix.EBUSY
	case "open", "openat", "openat2":
		return errno == unix.ENXIO
	case "ioctl":
		return errno == unix.ENOTTY || errno == unix.EINVAL || errno == unix.EIO || errno == unix.EOPNOTSUPP
	case "connect", "bind", "socketcall":
		return !slices.Contains([]unix.Errno{unix.EFAULT, unix.EBADF, unix.ENOTSOCK, unix.EINVAL, unix.EACCES, unix.EPERM,
			unix.ENOENT, unix.EAFNOSUPPORT, unix.EISCONN, unix.ENOTDIR, unix.ELOOP, unix.EROFS, unix.EEXIST}, errno)
	}
	return false
}

// name is the name of a call, or "".
func (r *Recorder) name(c ptrace.Call) string {
	key := uint64(c.Arch)<<32 | uint64(c.Nr)
	if name, ok := r.names[key]; ok {
		return name
	}
	name := ""
	if arch := filter.ArchOf(c.Arch, c.Nr); arch != nil {
		name, _ = arch.CallName(c.Nr)
	}
	if r.names == nil {
		r.names = map[uint64]string{}
	}
	if len(r.names) < maxPaths {
		r.names[key] = name
	}
	return name
}

// note notes what cannot be seen.
func (r *Recorder) note(text string) {
	switch {
	case slices.Contains(r.unseen, text):
	case len(r.unseen) < maxUnseen:
		r.unseen = append(r.unseen, text)
	case len(r.unseen) == maxUnseen:
		r.unseen = append(r.unseen, "and more")
	}
}

// use records rights on a name, or on the directory in which it was created.
func (r *Recorder) use(name string, rights uint64) {
	if rights == 0 {
		return
	}
	name = r.lasting(name)
	if r.files == nil {
		r.files = map[string]uint64{}
	}
	if _, ok := r.files[name]; !ok && len(r.files) >= maxPaths {
		r.note("more files were used than are told apart")
		return
	}
	r.files[name] |= rights
}

// create records that a name was given to something.
func (r *Recorder) create(name string) {
	if r.created == nil {
		r.created = map[string]bool{}
	}
	if len(r.created) >= maxPaths {
		r.note("more files were created than are told apart")
		return
	}
	if r.lasting(name) != name {
		return // it is in a directory that was created
	}
	r.created[name] = true
	if rights := r.files[name]; rights != 0 {
		delete(r.files, name)
		r.use(name, rights)
	}
}

// removed records that a name leads nowhere any more.
func (r *Recorder) removed(name string) {
	if r.created[name] {
		delete(r.created, name)
	}
}

// lasting is the name, or the directory in which it, or a directory above it, was created.
func (r *Recorder) lasting(name string) string {
	if len(r.created) == 0 {
		return name
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '/' && r.created[name[:i]] {
			return path.Dir(name[:i])
		}
	}
	if r.created[name] {
		return path.Dir(name)
	}
	return name
}

// move records a link or rename between directories.
func (r *Recorder) move(from, to string, dir bool) {
	r.use(from, refer)
	r.use(to, refer)
	from, to = r.lasting(from), r.lasting(to)
	if from == to {
		return
	}
	if r.moves == nil {
		r.moves = map[move]bool{}
	}
	if len(r.moves) >= maxPaths {
		r.note("files were moved between more directories than are told apart")
		return
	}
	r.moves[move{from, to, dir}] = true
}

// Used reports whether a program was recorded.
func (r *Recorder) Used() bool { return r.begun }

func join(dir, base string) string { return strings.TrimSuffix(dir, "/") + "/" + base }
