package access

import (
	"strconv"
	"strings"
	"sync"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// What a call does to a name is recorded if it can be seen: the directory is looked up, and
// what has the name there, before the call is made and after it. What has changed in that
// directory is what somebody did there; the arguments alone prove nothing.

// unproven notes a call whose effect cannot be seen.
func (r *Recorder) unproven(c call, err error) {
	text := "what it did cannot be seen, so that no rule is for it"
	if err != nil {
		text = err.Error()
	}
	r.note(c.name + "(2): " + text)
}

var nodeRights = sync.OnceValue(func() map[uint32]uint64 {
	return map[uint32]uint64{
		0: makeReg, unix.S_IFREG: makeReg, unix.S_IFDIR: makeDir, unix.S_IFLNK: makeSym, unix.S_IFSOCK: makeSock,
		unix.S_IFIFO: makeFifo, unix.S_IFCHR: makeChar, unix.S_IFBLK: makeBlock,
	}
})

// made records what was created by its name.
func (r *Recorder) made(c call) {
	now, err := r.tree.again(c.to)
	switch {
	case c.err != nil:
		r.unproven(c, c.err)
	case err != nil || c.to.there || !now.there:
		r.unproven(c, err)
	default:
		r.create(now.name, now.dir.ref())
		r.use(now.dir, nodeRights()[now.kind()])
	}
}

// unlinked records what was removed.
func (r *Recorder) unlinked(c call) {
	now, err := r.tree.again(c.to)
	switch {
	case c.err != nil:
		r.unproven(c, c.err)
		return
	case c.errno != 0 && c.to.there && err == nil && now.there && r.believed(c, now.name, now.dir, r.failedRemoval(c)):
		r.use(now.dir, r.failedRemoval(c))
		return
	case c.errno != 0:
		return
	case err != nil || !c.to.there || now.there && now.id() == c.to.id() && now.st.Btime == c.to.st.Btime:
		r.unproven(c, err)
		return
	}
	r.use(now.dir, removal(c.to.kind()))
	r.removed(c.to)
}

// failedRemoval is the right that was asked for.
func (r *Recorder) failedRemoval(c call) uint64 {
	if at := paths()[c.name].flags; c.name == "rmdir" || c.name == "unlinkat" && c.Args[at]&unix.AT_REMOVEDIR != 0 {
		return removeDir
	}
	return removeFile
}

func removal(kind uint32) uint64 {
	if kind == unix.S_IFDIR {
		return removeDir
	}
	return removeFile
}

// renamed records a rename.
func (r *Recorder) renamed(c call) {
	if c.err != nil || !c.from.there {
		r.unproven(c, c.err)
		return
	}
	flags := uint64(0)
	if at := paths()[c.name]; at.flags >= 0 {
		flags = c.Args[at.flags]
	}
	exchange := flags&unix.RENAME_EXCHANGE != 0
	from, err := r.tree.again(c.from)
	to, err2 := r.tree.again(c.to)
	if err == nil {
		err = err2
	}
	switch {
	case err != nil:
		r.unproven(c, err)
		return
	case c.errno != 0 && !r.believed(c, from.name, from.object, 0):
		return
	case c.errno == 0 && (!to.there || to.id() != c.from.id() || from.there && from.id() == c.from.id()),
		exchange && (!c.to.there || c.errno == 0 && (!from.there || from.id() != c.to.id())):
		r.unproven(c, nil)
		return
	}
	r.use(from.dir, removal(c.from.kind()))
	r.use(to.dir, nodeRights()[c.from.kind()])
	switch {
	case exchange:
		r.use(to.dir, removal(c.to.kind()))
		r.use(from.dir, nodeRights()[c.to.kind()])
	case c.to.there:
		r.use(to.dir, removal(c.to.kind())) // what had the name before
	}
	if flags&unix.RENAME_WHITEOUT != 0 {
		r.use(from.dir, makeChar|makeReg) // which of both depends on the kernel
	}
	if from.dir.name != to.dir.name {
		r.move(from.dir, to.dir, c.from.kind() == unix.S_IFDIR)
		if exchange {
			r.move(to.dir, from.dir, true)
		}
	}
	if c.errno == 0 {
		r.removed(c.from)
		r.create(to.name, to.dir.ref())
		if exchange {
			r.create(from.name, from.dir.ref())
		}
	}
}

// linked records a hard link.
func (r *Recorder) linked(c call) {
	to, err := r.tree.again(c.to)
	switch {
	case c.err != nil:
		r.unproven(c, c.err)
		return
	case err != nil || c.to.there || !to.there || to.id() != c.from.id():
		r.unproven(c, err)
		return
	}
	r.create(to.name, to.dir.ref())
	r.use(to.dir, nodeRights()[to.kind()])
	// Of a file with several names, another one may have been given.
	if c.from.dir.name != to.dir.name && (c.from.st.Nlink <= 1 || r.believed(c, c.from.name, c.from.object, 0)) {
		r.move(c.from.dir, to.dir, false)
	}
}

// source is the file that is to be renamed or linked, which for linkat(2) can be given by a
// descriptor.
func (r *Recorder) source(tid int, c ptrace.Call, call string, at takes) (spot, error) {
	if call != "linkat" {
		return r.spot(tid, c, at.dir, at.path, false)
	}
	flags := c.Args[at.flags]
	name, ok := r.memory().PeekString(tid, c.Args[at.path])
	fd, isFD := strings.CutPrefix(name, "/proc/self/fd/")
	if ok && name == "" && at.dir >= 0 {
		fd, isFD = strconv.Itoa(int(int32(c.Args[at.dir]))), true
	}
	if !isFD || flags&(unix.AT_SYMLINK_FOLLOW|unix.AT_EMPTY_PATH) == 0 {
		return r.spot(tid, c, at.dir, at.path, flags&unix.AT_SYMLINK_FOLLOW != 0)
	}
	if err := r.sameRoot(tid); err != nil {
		return spot{}, err
	}
	f, _, err := r.inTree(tid, "fd/"+fd)
	if dir, ok := r.nameless[idOf(&f.st)]; ok && f.st.Nlink == 0 {
		in, err := r.tree.exact(dir.name)
		if err == nil && in.id() != dir.id {
			err = errReplaced
		}
		return spot{dir: in.object, object: f.object, there: true}, err
	}
	if err != nil {
		return spot{}, err
	}
	return r.tree.lookup(f.name, false)
}

// truncated is for truncate(2), which takes no right to write.
func (r *Recorder) truncated(c call) {
	now, err := r.tree.again(c.to)
	switch {
	case c.err != nil:
		r.unproven(c, c.err)
	case err != nil || !now.there || now.id() != c.to.id() || now.st.Size != c.length() ||
		now.st.Size == c.to.st.Size && now.st.Ctime == c.to.st.Ctime:
		r.unproven(c, err)
	default:
		r.use(now.object, truncate)
	}
}

// length is the one that truncate(2) is given; to 32-bit programs in one word or two.
func (c call) length() uint64 {
	const is64 = 0x8000_0000 // __AUDIT_ARCH_64BIT
	switch {
	case c.Arch&is64 != 0:
		return c.Args[1]
	case c.name == "truncate64" && c.Arch == unix.AUDIT_ARCH_ARM:
		return c.Args[2]&0xffff_ffff | c.Args[3]<<32 // in an even register
	case c.name == "truncate64":
		return c.Args[1]&0xffff_ffff | c.Args[2]<<32
	}
	return c.Args[1] & 0xffff_ffff
}
