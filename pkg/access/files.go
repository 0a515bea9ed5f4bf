package access

import (
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// The tables here are made when a recording begins: a plain chain must not wait for them.

// paths are the names in the arguments of the calls that are looked at.
var paths = sync.OnceValue(func() map[string]takes {
	return map[string]takes{
		"open": {-1, 0, 1, -1, -1}, "openat": {0, 1, 2, -1, -1}, "openat2": {0, 1, -1, -1, -1}, "creat": {-1, 0, -1, -1, -1},
		"open_by_handle_at": {-1, -1, 2, -1, -1},
		"mkdir":             {-1, 0, -1, -1, -1}, "mkdirat": {0, 1, -1, -1, -1},
		"mknod": {-1, 0, 1, -1, -1}, "mknodat": {0, 1, 2, -1, -1},
		"symlink": {-1, 1, -1, -1, -1}, "symlinkat": {1, 2, -1, -1, -1},
		"unlink": {-1, 0, -1, -1, -1}, "unlinkat": {0, 1, 2, -1, -1}, "rmdir": {-1, 0, -1, -1, -1},
		"rename": {-1, 0, -1, -1, 1}, "renameat": {0, 1, -1, 2, 3}, "renameat2": {0, 1, 4, 2, 3},
		"link": {-1, 0, -1, -1, 1}, "linkat": {0, 1, 4, 2, 3},
		"truncate": {-1, 0, -1, -1, -1}, "truncate64": {-1, 0, -1, -1, -1},
	}
})

// looks are what is recorded of a call that has returned, by its name.
var looks = sync.OnceValue(func() map[string]func(*Recorder, call) {
	return map[string]func(*Recorder, call){
		"open": (*Recorder).opened, "openat": (*Recorder).opened, "openat2": (*Recorder).opened, "creat": (*Recorder).opened,
		"open_by_handle_at": (*Recorder).opened,
		"mkdir":             (*Recorder).made, "mkdirat": (*Recorder).made, "mknod": (*Recorder).made, "mknodat": (*Recorder).made,
		"symlink": (*Recorder).made, "symlinkat": (*Recorder).made,
		"unlink": (*Recorder).unlinked, "unlinkat": (*Recorder).unlinked, "rmdir": (*Recorder).unlinked,
		"rename": (*Recorder).renamed, "renameat": (*Recorder).renamed, "renameat2": (*Recorder).renamed,
		"link": (*Recorder).linked, "linkat": (*Recorder).linked,
		"truncate": (*Recorder).truncated, "truncate64": (*Recorder).truncated,
		"ftruncate": (*Recorder).shortened, "ftruncate64": (*Recorder).shortened,
		"ioctl": (*Recorder).controlled,
		"mount": (*Recorder).mounted, "umount": (*Recorder).mounted, "umount2": (*Recorder).mounted, "move_mount": (*Recorder).mounted,
		"pivot_root":     (*Recorder).mounted,
		"io_uring_setup": (*Recorder).ring, "ptrace": (*Recorder).tracing,
		"socket": (*Recorder).socketMade, "bind": (*Recorder).bound, "connect": (*Recorder).connected,
		"sendto": (*Recorder).sent, "sendmsg": (*Recorder).sentMessage, "socketcall": (*Recorder).socketcall,
		"kill": (*Recorder).signalled, "tkill": (*Recorder).signalled, "tgkill": (*Recorder).signalled,
		"rt_sigqueueinfo": (*Recorder).signalled, "rt_tgsigqueueinfo": (*Recorder).signalled, "pidfd_send_signal": (*Recorder).signalledFD,
	}
})

// word is the beginning of a structure in the memory of a thread.
func word(tid int, addr uint64) uint64 {
	var b [8]byte
	ptrace.Peek(tid, addr, b[:])
	return native(b[:])
}

// openFlags are the flags of a call that opens a file; 0 for others.
func openFlags(tid int, c ptrace.Call, name string) uint64 {
	switch at := paths()[name]; {
	case name == "openat2":
		return word(tid, c.Args[2])
	case strings.HasPrefix(name, "open"):
		return c.Args[at.flags]
	}
	return 0
}

// opened records a file that was opened: from the descriptor, which says how it is open.
func (r *Recorder) opened(c call) {
	if c.errno != 0 {
		r.notOpened(c)
		return
	}
	fd := strconv.FormatInt(c.result, 10)
	f, ok := r.descriptor(c.tid, "fd/"+fd)
	if !ok {
		return
	}
	flags, ok := openedWith(c.tid, fd)
	if !ok || flags&unix.O_PATH != 0 {
		return
	}
	asked := c.flags
	if c.name == "open_by_handle_at" {
		asked = c.Args[2]
	}
	if c.missing && asked&unix.O_CREAT != 0 && asked&unix.O_TMPFILE != unix.O_TMPFILE {
		r.create(f.name)
		r.use(path.Dir(f.name), makeReg)
	}
	r.use(r.named(c.tid, f.name), rightsOf(f.st.Mode, flags, asked))
}

// rightsOf are the rights that it takes to open a file of a mode with the flags that the
// descriptor has, and those that were asked for.
func rightsOf(mode uint32, flags, asked uint64) (rights uint64) {
	acc := flags & unix.O_ACCMODE
	switch {
	case mode&unix.S_IFMT == unix.S_IFDIR:
		return readDir
	case acc == unix.O_RDONLY:
		rights = readFile
	case acc == unix.O_WRONLY:
		rights = writeFile
	case acc == unix.O_RDWR:
		rights = readFile | writeFile
	}
	if asked&unix.O_TRUNC != 0 && mode&unix.S_IFMT == unix.S_IFREG {
		rights |= truncate
	}
	return rights
}

// notOpened records a device or FIFO that cannot be opened at this time.
func (r *Recorder) notOpened(c call) {
	name, err := r.argument(c.tid, c.Call, paths()[c.name].dir, paths()[c.name].path)
	if err != nil {
		return
	}
	if name, st, err := r.tree.resolve(name, 0); err == nil {
		r.use(r.named(c.tid, name), rightsOf(st.Mode, c.flags, c.flags))
	}
}

// openedWith are the flags with which a descriptor is open.
func openedWith(tid int, fd string) (uint64, bool) {
	b, err := os.ReadFile(proc(tid) + "/fdinfo/" + fd)
	if err != nil {
		return 0, false
	}
	for _, line := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "flags:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 8, 64)
			return n, err == nil
		}
	}
	return 0, false
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
	if own := ids(tid, "NStgid"); len(own) == 0 || !has(own, pid) {
		return "/proc"
	}
	if strings.HasPrefix(rest, "task/") {
		rest = "task"
	}
	return strings.TrimSuffix("/proc/self/"+rest, "/")
}

func has(list []string, s string) bool {
	for _, w := range list {
		if w == s {
			return true
		}
	}
	return false
}

// inDirectory resolves the name in an argument, or notes why that is not possible.
func (r *Recorder) inDirectory(c call, dir, at int) (in, base string, ok bool) {
	in, base, err := r.place(c, dir, at)
	if err != nil {
		r.note(c.name + "(2): " + err.Error())
		return "", "", false
	}
	return in, base, true
}

var nodeRights = sync.OnceValue(func() map[uint32]uint64 {
	return map[uint32]uint64{
		0: makeReg, unix.S_IFREG: makeReg, unix.S_IFDIR: makeDir, unix.S_IFLNK: makeSym, unix.S_IFSOCK: makeSock,
		unix.S_IFIFO: makeFifo, unix.S_IFCHR: makeChar, unix.S_IFBLK: makeBlock,
	}
})

// made records what was created by its name.
func (r *Recorder) made(c call) {
	at := paths()[c.name]
	in, base, ok := r.inDirectory(c, at.dir, at.path)
	if !ok {
		return
	}
	kind := uint32(unix.S_IFDIR)
	switch {
	case strings.HasPrefix(c.name, "mknod"):
		kind = uint32(c.Args[at.flags]) & unix.S_IFMT
	case strings.HasPrefix(c.name, "symlink"):
		kind = unix.S_IFLNK
	}
	r.create(join(in, base))
	r.use(in, nodeRights()[kind])
}

// unlinked records what was removed.
func (r *Recorder) unlinked(c call) {
	at := paths()[c.name]
	in, base, ok := r.inDirectory(c, at.dir, at.path)
	if !ok {
		return
	}
	rights := uint64(removeFile)
	if c.name == "rmdir" || c.name == "unlinkat" && c.Args[at.flags]&unix.AT_REMOVEDIR != 0 {
		rights = removeDir
	}
	r.use(in, rights)
	if c.errno == 0 {
		r.removed(join(in, base))
	}
}

// renamed records a rename: what was renamed has the new name by now.
func (r *Recorder) renamed(c call) {
	at := paths()[c.name]
	from, old, ok := r.inDirectory(c, at.dir, at.path)
	to, name, ok2 := r.inDirectory(c, at.dir2, at.path2)
	if !ok || !ok2 {
		return
	}
	flags := uint64(0)
	if at.flags >= 0 {
		flags = c.Args[at.flags]
	}
	exchange := flags&unix.RENAME_EXCHANGE != 0
	moved := name
	if c.errno != 0 {
		moved = old
	}
	st, err := r.tree.stat(join(map[bool]string{true: to, false: from}[c.errno == 0], moved))
	if err != nil {
		r.note(c.name + "(2): what was renamed has gone")
		return
	}
	r.use(from, removal(st.Mode))
	r.use(to, nodeRights()[st.Mode&unix.S_IFMT])
	switch {
	case exchange:
		if other, err := r.tree.stat(join(from, old)); err == nil {
			r.use(to, removal(other.Mode))
			r.use(from, nodeRights()[other.Mode&unix.S_IFMT])
		}
	case !c.missing:
		r.use(to, removal(st.Mode)) // what had the name before
	}
	if flags&unix.RENAME_WHITEOUT != 0 {
		r.use(from, makeChar|makeReg) // which of both depends on the kernel
	}
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if from != to {
		r.move(from, to, dir)
		if exchange {
			r.move(to, from, true)
		}
	}
	if c.errno == 0 {
		r.removed(join(from, old))
		r.create(join(to, name))
		if exchange {
			r.create(join(from, old))
		}
	}
}

func removal(mode uint32) uint64 {
	if mode&unix.S_IFMT == unix.S_IFDIR {
		return removeDir
	}
	return removeFile
}

// linked records a hard link.
func (r *Recorder) linked(c call) {
	at := paths()[c.name]
	to, name, ok := r.inDirectory(c, at.dir2, at.path2)
	if !ok {
		return
	}
	st, err := r.tree.stat(join(to, name))
	if err != nil {
		r.note(c.name + "(2): what was linked has gone")
		return
	}
	r.create(join(to, name))
	r.use(to, nodeRights()[st.Mode&unix.S_IFMT])
	from, ok := r.linkedFrom(c, at)
	if ok && from != to {
		r.move(from, to, false)
	}
}

// linkedFrom is the directory of the file that was linked, which can be given by a descriptor.
func (r *Recorder) linkedFrom(c call, at takes) (string, bool) {
	name, ok := ptrace.PeekString(c.tid, c.Args[at.path])
	fd, isFD := strings.CutPrefix(name, "/proc/self/fd/")
	if ok && name == "" && at.dir >= 0 {
		fd, isFD = strconv.Itoa(int(int32(c.Args[at.dir]))), true
	}
	if isFD {
		f, ok := r.descriptor(c.tid, "fd/"+fd)
		return path.Dir(f.name), ok
	}
	from, _, ok := r.inDirectory(c, at.dir, at.path)
	return from, ok
}

func (r *Recorder) truncated(c call) {
	at := paths()[c.name]
	name, err := r.argument(c.tid, c.Call, at.dir, at.path)
	if err == nil {
		name, _, err = r.tree.resolve(name, 0)
	}
	if err != nil {
		r.note(c.name + "(2): " + err.Error())
		return
	}
	r.use(name, truncate|writeFile)
}

// shortened is for ftruncate(2), which is not restricted for a file that was open before.
func (r *Recorder) shortened(c call) {
	f, _, ok := r.inTree(c.tid, "fd/"+strconv.Itoa(int(int32(c.Args[0]))))
	if ok && f.st.Mode&unix.S_IFMT == unix.S_IFREG && r.files[r.lasting(f.name)]&writeFile != 0 {
		r.use(f.name, truncate)
	}
}

// unrestricted are the operations of ioctl(2) on a device that Landlock does not restrict:
// those that every file has.
var unrestricted = sync.OnceValue(func() map[uint32]bool {
	return map[uint32]bool{
		0x5450: true, 0x5451: true, 0x5421: true, 0x5452: true, 0x5460: true, // FIONCLEX FIOCLEX FIONBIO FIOASYNC FIOQSIZE
		0xc0045877: true, 0xc0045878: true, 0xc020660b: true, 0x00000002: true, // FIFREEZE FITHAW FS_IOC_FIEMAP FIGETBSZ
		0x40049409: true, 0x4020940d: true, 0xc0189436: true, // FICLONE FICLONERANGE FIDEDUPERANGE
		0x80111500: true, 0x80811501: true, // FS_IOC_GETFSUUID FS_IOC_GETFSSYSFSPATH
	}
})

// controlled is for ioctl(2) on a device that was opened while recording.
func (r *Recorder) controlled(c call) {
	if unrestricted()[uint32(c.Args[1])] {
		return
	}
	f, _, ok := r.inTree(c.tid, "fd/"+strconv.Itoa(int(int32(c.Args[0]))))
	kind := f.st.Mode & unix.S_IFMT
	if ok && (kind == unix.S_IFCHR || kind == unix.S_IFBLK) && r.files[r.lasting(f.name)]&(readFile|writeFile) != 0 {
		r.use(f.name, ioctlDev)
	}
}

func (r *Recorder) mounted(call) { r.mounts = true }

func (r *Recorder) ring(call) { r.note("io_uring is used: what it does is not recorded") }

func (r *Recorder) tracing(c call) {}
