package access

import (
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

// maxBytes is how long all these names can be together.
const maxBytes = 64 << 20

// maxUnseen is how many notes there are of what could not be seen, and of files.
const maxUnseen = 20

// A Recorder records. The zero value is ready. Its methods are for one thread: [Recorder.Executed],
// [Recorder.Entered] and [Recorder.Left] are for a [ptrace.Tracer].
type Recorder struct {
	// Memory is that of the tracer; nil is one for this recorder alone.
	Memory *ptrace.Memory

	tree  *tree
	begun bool
	// main is the process that has executed the first program.
	main int
	// files are what was used, by name in the tree. A right that only a file has is, on a
	// directory, for what is created below it.
	files map[string]use
	// created are the names that were given to something while it was recorded, with the
	// directory in which that is: a rule for them could not be added before they exist, or
	// would be for what they led to before. gone are those that were taken away.
	created, gone map[string]ref
	moves         map[move]bool
	// nameless are the directories of the files that have no name (O_TMPFILE).
	nameless map[id]ref
	// pending is what was found out when a call was entered, by thread, and making the calls
	// that change a table of descriptors.
	pending map[int]entry
	making  map[int]operation
	names   map[uint64]string
	// loaders are the files that were seen to be mapped, by what procfs says of them.
	loaders map[string]object
	// renames counts the calls that can put a directory in the place of another one, and
	// renaming are those that are being made.
	renames, renaming int
	// bytes is the length of the names that are kept.
	bytes int

	network
	signals

	// mounts is set if mounts were changed.
	mounts bool
	// attributes are files whose attributes were changed, or of which access(2) has told that
	// they may be written, and alteredUnseen is set if it could not be seen of which.
	attributes    map[string]bool
	alteredUnseen bool
	// filtered is set once the payload has loaded a filter, answered if a process of it
	// answers calls, and sharedFiles if it has processes that share a table of descriptors.
	filtered, answered, sharedFiles bool
	// unseen is what could not be seen, and refused which files, so that names of the payload's
	// choice do not displace the rest.
	unseen, refused []string
	// doubts are rights that were perhaps used.
	doubts []doubt
}

// A use is what was used of a file or directory.
type use struct {
	rights uint64
	id     id
	dir    bool
	// unsearchable is set if its directory may not be searched from outside, proc if it is in
	// a procfs, and process if the name is one of [Recorder.named], which has another inode in
	// each run.
	unsearchable, proc, process bool
}

// A move is a link or rename between directories.
type move struct {
	from, to string
	dir      bool
}

// An entry is what was found out when a call was entered.
type entry struct {
	// from and to are where the first and the last name led: to alone if there is one name.
	from, to spot
	err      error
	// flags are those of openat2(2) and its like.
	flags uint64
	// window is what happens to the descriptors meanwhile, and numbers those that the thread
	// had, if it has loaded a filter.
	window  *window
	numbers map[string]bool
	renames int
	// program is the name that execve(2) was given, or that of a descriptor if byNumber is set,
	// and given what the kernel shows of it to the program.
	program, given string
	byNumber       bool
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
	delete(r.pending, tid)
	r.begins(call{Call: c, tid: tid, name: name})
	if r.tree == nil {
		return
	}
	switch name {
	case "open", "openat", "openat2", "creat", "open_by_handle_at":
		r.opening(tid, c, name)
	case "rename", "renameat", "renameat2", "link", "linkat":
		at := paths()[name]
		var e entry
		if e.to, e.err = r.spot(tid, c, at.dir2, at.path2, false); e.err == nil {
			e.from, e.err = r.source(tid, c, name, at)
		}
		r.keep(tid, e)
	case "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir", "truncate", "truncate64":
		at := paths()[name]
		var e entry
		e.to, e.err = r.spot(tid, c, at.dir, at.path, strings.HasPrefix(name, "truncate"))
		r.keep(tid, e)
	case "ioctl", "ftruncate", "ftruncate64":
		r.keep(tid, entry{window: r.open(tid)})
	case "bind", "socketcall":
		r.binding(tid, c, name)
	case "execve":
		r.executing(tid, c, unix.AT_FDCWD, c.Args[0])
	case "execveat":
		r.executing(tid, c, int(int32(c.Args[0])), c.Args[1])
	case "prctl", "seccomp":
		r.restricts(name, c)
	case "clone":
		r.cloned(c.Args[0])
	case "clone3":
		r.cloned(r.word(tid, c.Args[0]))
	}
	if renames(name) {
		r.renames++
		r.renaming++
	}
}

// renames reports whether a call can put another directory in the place of one.
func renames(name string) bool {
	return strings.HasPrefix(name, "rename") || name == "rmdir" || name == "unlinkat" || strings.HasSuffix(name, "mount") || name == "umount2" || name == "pivot_root" || name == "io_uring_enter"
}

// opening looks at a call that opens a file.
func (r *Recorder) opening(tid int, c ptrace.Call, name string) {
	e := entry{flags: r.openFlags(tid, c, name), window: r.open(tid), renames: r.renames}
	if r.filtered {
		e.numbers = numbers(tid)
	}
	if at := paths()[name]; at.path >= 0 {
		follow := e.flags&unix.O_NOFOLLOW == 0 && e.flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL
		switch {
		case e.flags&unix.O_TMPFILE == unix.O_TMPFILE && r.renaming > 0:
			e.err = errReplaced
		case e.flags&unix.O_CREAT != 0, e.flags&unix.O_TMPFILE == unix.O_TMPFILE:
			e.to, e.err = r.spot(tid, c, at.dir, at.path, follow)
		default:
			e.err = unix.EINVAL // the name does not matter
		}
	}
	r.keep(tid, e)
}

func (r *Recorder) cloned(flags uint64) {
	if flags&unix.CLONE_UNTRACED != 0 {
		r.note("a process was created with CLONE_UNTRACED: what it does is not recorded")
	}
	r.sharedFiles = r.sharedFiles || flags&unix.CLONE_FILES != 0 && flags&unix.CLONE_THREAD == 0
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
	delete(r.making, tid)
	delete(r.known, tid)
	delete(r.group, tid)
}

// Left looks at a call that returns.
func (r *Recorder) Left(tid int, c ptrace.Call, result int64, errno unix.Errno) {
	name := r.name(c)
	delete(r.making, tid)
	e := r.pending[tid]
	delete(r.pending, tid)
	if renames(name) && r.renaming > 0 {
		r.renaming--
	}
	look, ok := looks()[name]
	if !ok || r.tree == nil || errno != 0 && !checked(name, errno) {
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
func (r *Recorder) note(text string) { r.unseen = noted(r.unseen, text) }

func noted(list []string, text string) []string {
	switch {
	case slices.Contains(list, text):
	case len(list) < maxUnseen:
		return append(list, text)
	case len(list) == maxUnseen:
		return append(list, "and more")
	}
	return list
}

// Used reports whether a program was recorded.
func (r *Recorder) Used() bool { return r.begun }

func join(dir, base string) string { return strings.TrimSuffix(dir, "/") + "/" + base }
