package why

import (
	"strconv"
	"strings"

	"hk/pkg/landlock"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A takes says which arguments of a call are a directory, a path in it, and the number that
// says more, which are flags of open(2), or of the *at calls, a mode of mknod(2), or the name of
// an extended attribute; -1 if it has none. Without a path, dir is the file.
type takes struct {
	kind            string
	dir, path, more int
}

// paths are the calls of which a path is looked at, with the kind of question that they ask.
var paths = map[string]takes{
	"open": {"open", -1, 0, 1}, "openat": {"open", 0, 1, 2}, "openat2": {"open", 0, 1, -1}, "creat": {"open", -1, 0, -1},
	"execve": {"exec", -1, 0, -1}, "execveat": {"exec", 0, 1, 4},
	"mkdir": {"create", -1, 0, -1}, "mkdirat": {"create", 0, 1, -1},
	"mknod": {"create", -1, 0, 1}, "mknodat": {"create", 0, 1, 2},
	"symlink": {"create", -1, 1, -1}, "symlinkat": {"create", 1, 2, -1},
	"unlink": {"remove", -1, 0, -1}, "unlinkat": {"remove", 0, 1, 2}, "rmdir": {"remove", -1, 0, -1},
	"truncate": {"truncate", -1, 0, -1}, "ftruncate": {"truncate", 0, -1, -1},
	"chmod": {"attributes", -1, 0, -1}, "fchmod": {"attributes", 0, -1, -1}, "fchmodat": {"attributes", 0, 1, -1}, "fchmodat2": {"attributes", 0, 1, 3},
	"chown": {"chown", -1, 0, 1}, "lchown": {"chown", -1, 0, 1}, "fchown": {"chown", 0, -1, 1}, "fchownat": {"chown", 0, 1, 2},
	"utime": {"attributes", -1, 0, -1}, "utimes": {"attributes", -1, 0, -1}, "utimensat": {"attributes", 0, 1, 3}, "futimesat": {"attributes", 0, 1, -1},
	"setxattr": {"xattr", -1, 0, 1}, "lsetxattr": {"xattr", -1, 0, 1}, "fsetxattr": {"xattr", 0, -1, 1}, "setxattrat": {"xattr", 0, 1, 3},
	"removexattr": {"xattr", -1, 0, 1}, "lremovexattr": {"xattr", -1, 0, 1}, "fremovexattr": {"xattr", 0, -1, 1}, "removexattrat": {"xattr", 0, 1, 3},
	"ioctl":  {"ioctl", 0, -1, -1},
	"chroot": {"find", -1, 0, -1}, "umount2": {"find", -1, 0, -1}, "pivot_root": {"find", -1, 0, -1}, "mount": {"find", -1, 1, -1},
	"chdir": {"find", -1, 0, -1}, "stat": {"find", -1, 0, -1}, "lstat": {"find", -1, 0, -1}, "access": {"find", -1, 0, -1},
	"readlink": {"find", -1, 0, -1}, "readlinkat": {"find", 0, 1, -1}, "statfs": {"find", -1, 0, -1},
	"newfstatat": {"find", 0, 1, -1}, "faccessat": {"find", 0, 1, -1}, "faccessat2": {"find", 0, 1, -1}, "statx": {"find", 0, 1, -1},
}

// A move says which arguments of a call are two directories and paths in them, and flags.
type move struct {
	kind                        string
	dir, path, toDir, to, flags int
}

// moves are the calls that give a file another name.
var moves = map[string]move{
	"rename": {"rename", -1, 0, -1, 1, -1}, "renameat": {"rename", 0, 1, 2, 3, -1}, "renameat2": {"rename", 0, 1, 2, 3, 4},
	"link": {"link", -1, 0, -1, 1, -1}, "linkat": {"link", 0, 1, 2, 3, 4},
}

// asks are the questions that a call asks of a path; found is set if the kernel has found it.
func (f *follower) asks(tid int, c ptrace.Call, errno unix.Errno) (list []question, why string) {
	name := nameOf(c)
	q := question{found: errno != unix.ENOENT}
	if m, ok := moves[name]; ok {
		q.kind = m.kind
		if q.path, why = f.path(tid, c, m.dir, m.path); why == "" {
			q.to, why = f.path(tid, c, m.toDir, m.to)
		}
		q.exchange = m.kind == "rename" && m.flags >= 0 && c.Args[m.flags]&unix.RENAME_EXCHANGE != 0
		return []question{q}, why
	}
	at := paths[name]
	if q.path, why = f.path(tid, c, at.dir, at.path); why != "" {
		return nil, why
	}
	q.path = f.inProcfs(tid, q.path)
	switch q.kind = at.kind; at.kind {
	case "open":
		return f.opens(tid, c, name, q, at), ""
	case "create":
		q.node = nodes[name]
		if at.more >= 0 {
			q.node = nodeOf(uint32(c.Args[at.more]))
		}
	case "find":
		if mode, ok := accessMode[name]; ok {
			return f.accesses(q, c.Args[mode]), ""
		}
	case "xattr":
		if !strings.HasPrefix(f.attribute(tid, c, name), "user.") {
			q.kind = "attributes"
		}
	case "chown":
		if at.path >= 0 && at.dir >= 0 {
			at.more = 2
		}
		q.owner = [2]uint32{uint32(c.Args[at.more]), uint32(c.Args[at.more+1])}
		q.owner = f.outside(tid, q.owner)
	}
	return []question{q}, ""
}

// accessMode is the argument of access(2) and its like that says what for.
var accessMode = map[string]int{"access": 1, "faccessat": 2, "faccessat2": 2}

// accesses are the questions of access(2).
func (f *follower) accesses(q question, mode uint64) (list []question) {
	for _, m := range []struct {
		bit  uint64
		kind string
	}{{unix.R_OK, "read"}, {unix.W_OK, "write"}, {unix.X_OK, "exec"}} {
		if mode&m.bit != 0 && q.found {
			q.kind = m.kind
			list = append(list, q)
		}
	}
	if list == nil {
		return []question{q}
	}
	return list
}

// opens are the questions of a call that opens a file.
func (f *follower) opens(tid int, c ptrace.Call, name string, q question, at takes) []question {
	flags := uint64(unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC)
	switch {
	case at.more >= 0:
		flags = c.Args[at.more]
	case name == "openat2":
		flags = f.flags(tid, c.Args[2])
	}
	ask := func(kinds ...string) (list []question) {
		for _, k := range kinds {
			q.kind = k
			list = append(list, q)
		}
		return list
	}
	if flags&unix.O_PATH != 0 {
		return ask("find")
	}
	kinds := map[uint64][]string{unix.O_RDONLY: {"read"}, unix.O_WRONLY: {"write"}, unix.O_RDWR: {"read", "write"}}[flags&unix.O_ACCMODE]
	switch missing := f.isMissing(tid, q.path); {
	case missing && flags&unix.O_CREAT == 0:
		return ask("find")
	case missing && flags&unix.O_ACCMODE == unix.O_RDONLY:
		return ask("create")
	case missing: // it is created, and then opened
		return ask("write")
	case flags&unix.O_TRUNC != 0:
		kinds = append([]string{"truncate"}, kinds...)
	}
	return ask(kinds...)
}

// attribute is the name of the extended attribute that a call is about: xattr(7).
func (f *follower) attribute(tid int, c ptrace.Call, name string) string {
	text, _ := f.tracer.PeekString(tid, c.Args[paths[name].more])
	return text
}

// isMissing reports whether nothing is at a path, or it is not known to be.
func (f *follower) isMissing(tid int, p string) bool {
	missing, _ := patiently(f, func() bool {
		if t := try(tid, question{kind: "write", path: p}); t != nil {
			return !t.there
		}
		seen, err := f.see(p)
		return err == nil && seen.Unsure == "" && !seen.There
	})
	return missing
}

// nodeOf is the right to create what mknod(2) creates.
func nodeOf(mode uint32) landlock.Access {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return unix.LANDLOCK_ACCESS_FS_MAKE_CHAR
	case unix.S_IFBLK:
		return unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	case unix.S_IFIFO:
		return unix.LANDLOCK_ACCESS_FS_MAKE_FIFO
	case unix.S_IFSOCK:
		return unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	case unix.S_IFDIR:
		return unix.LANDLOCK_ACCESS_FS_MAKE_DIR
	case unix.S_IFLNK:
		return unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	}
	return makeReg
}

// nodes are the rights to create something else than a regular file.
var nodes = map[string]landlock.Access{
	"mkdir": unix.LANDLOCK_ACCESS_FS_MAKE_DIR, "mkdirat": unix.LANDLOCK_ACCESS_FS_MAKE_DIR,
	"symlink": unix.LANDLOCK_ACCESS_FS_MAKE_SYM, "symlinkat": unix.LANDLOCK_ACCESS_FS_MAKE_SYM,
}

// outside are IDs of the user namespace of a thread, in that of the supervisor. The largest
// number, which stands for none, remains; one that is not mapped, chown(2) refuses anyway.
func (f *follower) outside(tid int, list [2]uint32) [2]uint32 {
	for i, file := range []string{"/uid_map", "/gid_map"} {
		if id, ok := readMap("/proc/" + strconv.Itoa(tid) + file).Outside(list[i]); ok {
			list[i] = id
		}
	}
	return list
}
