package access

import (
	"os"
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
	table := map[string]func(*Recorder, call){
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
		"sendto": (*Recorder).sent, "sendmsg": (*Recorder).sentMessage, "sendmmsg": (*Recorder).sentMessages, "socketcall": (*Recorder).socketcall,
		"listen": (*Recorder).listened, "accept": (*Recorder).accepts, "accept4": (*Recorder).accepts,
		"access": (*Recorder).asked, "faccessat": (*Recorder).asked, "faccessat2": (*Recorder).asked,
		"kill": (*Recorder).signalled, "tkill": (*Recorder).signalled, "tgkill": (*Recorder).signalled,
		"rt_sigqueueinfo": (*Recorder).signalled, "rt_tgsigqueueinfo": (*Recorder).signalled, "pidfd_send_signal": (*Recorder).signalledFD,
	}
	for name := range altering() {
		table[name] = (*Recorder).alter
	}
	return table
})

// memory reads that of the stopped threads.
func (r *Recorder) memory() *ptrace.Memory {
	if r.Memory == nil {
		r.Memory = &ptrace.Memory{}
	}
	return r.Memory
}

// word is the beginning of a structure in the memory of a thread.
func (r *Recorder) word(tid int, addr uint64) uint64 {
	var b [8]byte
	r.memory().Peek(tid, addr, b[:])
	return native(b[:])
}

// openFlags are the flags of a call that opens a file; 0 for others.
func (r *Recorder) openFlags(tid int, c ptrace.Call, name string) uint64 {
	switch at := paths()[name]; {
	case name == "creat":
		return unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC
	case name == "openat2":
		return r.word(tid, c.Args[2])
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
	fd := int(c.result)
	if !r.fresh(c, fd) {
		return
	}
	asked := c.flags
	if asked&unix.O_TMPFILE == unix.O_TMPFILE {
		r.temporary(c, fd)
		return
	}
	f, ok := r.descriptor(c.tid, "fd/"+strconv.Itoa(fd))
	if !ok {
		return
	}
	flags, ok := openedWith(c.tid, fd)
	if !ok || flags&unix.O_PATH != 0 {
		return
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY && (f.st.Size != 0 || c.window.closed(fd)) {
		asked &^= unix.O_TRUNC // that of openat2(2) is in memory, and not to be seen here
	}
	if c.created() && !c.to.there && f.name == join(c.to.dir.name, c.to.base) {
		if now, err := r.tree.again(c.to); err == nil && now.id() == f.id() {
			r.create(f.name, now.dir.ref())
			r.use(now.dir, makeReg)
		}
	}
	r.useFound(c.tid, f, rightsOf(f.kind(), flags, asked))
}

// created reports whether a call that opens a file creates one if it is missing.
func (c call) created() bool { return c.err == nil && c.flags&unix.O_CREAT != 0 }

// temporary records a file without a name (O_TMPFILE): the rights are those of the directory.
// Which that is cannot be seen by the file, so that it must have been the same all the time.
func (r *Recorder) temporary(c call, fd int) {
	st, err := r.statLink(c.tid, "fd/"+strconv.Itoa(fd))
	dir := c.to
	if err == nil {
		err = c.err
	}
	if err == nil && (!dir.there || !r.isIn(c.tid, fd, &st, dir.object) || c.renames != r.renames || r.renaming > 0) {
		err = errReplaced
	}
	if err == nil {
		var now spot
		if now, err = r.tree.exact(dir.name); err == nil && now.id() != dir.id() {
			err = errReplaced
		}
	}
	flags, ok := openedWith(c.tid, fd)
	if err != nil || !ok {
		r.note(c.name + "(2) with O_TMPFILE: the directory cannot be seen for sure: not recorded")
		return
	}
	if r.nameless == nil || len(r.nameless) >= maxPaths {
		r.nameless = map[id]ref{}
	}
	r.nameless[idOf(&st)] = dir.ref()
	r.use(dir.object, rightsOf(unix.S_IFREG, flags, 0))
}

// isIn reports whether a descriptor is of a file that was made without a name in a directory:
// by the name that the kernel shows, in the same mount.
func (r *Recorder) isIn(tid, fd int, st *unix.Statx_t, dir object) bool {
	shown, err := os.Readlink(proc(tid) + "/fd/" + strconv.Itoa(fd))
	name, ok := r.tree.within(shown)
	return err == nil && ok && name == join(dir.name, "#"+strconv.FormatUint(st.Ino, 10))+deleted &&
		st.Nlink == 0 && st.Mnt_id == dir.st.Mnt_id
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
	follow := c.flags&unix.O_NOFOLLOW == 0
	s, err := r.spot(c.tid, c.Call, paths()[c.name].dir, paths()[c.name].path, follow)
	switch {
	case err != nil || !s.there:
		return
	case s.kind() == unix.S_IFREG, s.kind() == unix.S_IFDIR, !r.believed(c, s.name, s.object, rightsOf(s.kind(), c.flags, c.flags)):
		return
	}
	r.useFound(c.tid, found{object: s.object}, rightsOf(s.kind(), c.flags, c.flags))
}

// openedWith are the flags with which a descriptor is open.
func openedWith(tid, fd int) (uint64, bool) {
	b, err := os.ReadFile(proc(tid) + "/fdinfo/" + strconv.Itoa(fd))
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

// shortened is for ftruncate(2), which is not restricted for a file that was open before.
func (r *Recorder) shortened(c call) {
	if f, ok := r.given(c); ok && f.kind() == unix.S_IFREG && r.used(f.name)&writeFile != 0 {
		r.use(f.object, truncate)
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
	if c.errno == 0 {
		r.setsFlags(c)
	}
	if unrestricted()[uint32(c.Args[1])] {
		return
	}
	f, ok := r.given(c)
	if ok && (f.kind() == unix.S_IFCHR || f.kind() == unix.S_IFBLK) && r.used(f.name)&(readFile|writeFile) != 0 {
		r.use(f.object, ioctlDev)
	}
}

// given is the file of the descriptor that a call is given. It may have been open before the
// recording began, so that nothing is noted if it is not in the tree.
func (r *Recorder) given(c call) (f found, ok bool) {
	fd := int(int32(c.Args[0]))
	if c.window == nil || c.window.changed(fd) || c.window.closed(fd) {
		return f, false
	}
	f, _, err := r.inTree(c.tid, "fd/"+strconv.Itoa(fd))
	return f, err == nil
}

func (r *Recorder) mounted(call) { r.mounts = true }

func (r *Recorder) ring(call) { r.note("io_uring is used: what it does is not recorded") }

func (r *Recorder) tracing(c call) {}
