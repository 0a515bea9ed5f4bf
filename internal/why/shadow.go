package why

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A trial is what permissions say about one question, without a filter and without
// Landlock: the supervisor is in neither, and looks at the same files.
type trial struct {
	// path has no symbolic links, as far as it exists, and there and dir say what is there.
	path       string
	there, dir bool
	// resolved is set if that was found out; then mode and toMode are those of what is there
	// and at the other path, or 0.
	resolved     bool
	mode, toMode uint32
	// lost is set if the path leads nowhere, although the kernel has refused it for another
	// reason: the payload may not search a directory on the way, and path is that one.
	lost bool
	// payload and caller are the errors for both; 0 if they are permitted. unsure is set if
	// that of the payload was not found out.
	payload, caller unix.Errno
	unsure          bool
	// bit is a capability that permits it to the caller.
	bit int
	// otherIDs is set if the payload does not have the IDs of the caller, and otherNS if its
	// capabilities are over another user namespace.
	otherIDs, otherNS bool
	// mounts are those of the directories that a name is moved between.
	mounts [2]uint64
	noexec bool
	// nodev is set for a device on a mount of which none is opened.
	nodev bool
}

// An attempt is what is asked, in a root directory.
type attempt struct {
	root     int
	path, to string
	kind     string
	flags    uint64
	owner    [2]uint32 // of chown(2)
	found    bool      // the kernel has not said that nothing is there
	who, own identity
	// by makes the calls, or it is nil for the calling thread.
	by *joiner
}

// try finds out what permissions say about a question of a stopped thread, or returns nil.
func try(tid int, q question) *trial {
	proc := "/proc/" + strconv.Itoa(tid)
	id, err := identify(proc)
	own, err2 := identify("/proc/self")
	if err != nil || err2 != nil || id.ns == "" {
		return nil
	}
	root, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(root)
	a := attempt{root: root, path: q.path, to: q.to, kind: q.kind, owner: q.owner, found: q.found, who: own, own: own}
	t := &trial{otherIDs: !id.sameIDs(own), otherNS: id.ns != own.ns}
	if !a.find(t) {
		return nil
	}
	if t.otherNS {
		a.owner = outside(proc, a.owner)
	}
	t.caller = a.permitted()
	a.who = id
	a.asPayload(t)
	t.bit = a.capability(t.payload)
	return t
}

// outside are the IDs outside of a user namespace of those in it that have one.
func outside(proc string, owner [2]uint32) [2]uint32 {
	for i, file := range []string{"/uid_map", "/gid_map"} {
		if id, ok := readMap(proc + file).Outside(owner[i]); ok {
			owner[i] = id
		}
	}
	return owner
}

// asPayload tries it as the payload: a thread with its IDs, or if it is in another user
// namespace a process that joins that.
func (a attempt) asPayload(t *trial) {
	look := func() {
		if t.payload = a.permitted(); t.lost {
			t.path = a.barrier()
		}
	}
	const files = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER | 1<<unix.CAP_CHOWN
	capable := t.otherNS && a.who.caps&files != 0 // over some files
	if t.unsure = !a.who.as(a.own, look) || capable && t.payload != 0; !t.unsure || !t.otherNS {
		return
	}
	if a.by = a.who.joins(a.own); a.by != nil {
		defer a.by.close()
		if look(); t.payload == 0 && !t.resolved && !t.lost {
			a.find(t) // where the caller may not look
		}
		t.unsure = a.by.failed
	}
}

// capability is that which gives a permission whose lack has an error.
func (a attempt) capability(e unix.Errno) int {
	switch {
	case a.kind == "chown" && e == unix.EPERM:
		return unix.CAP_CHOWN
	case e == unix.EPERM:
		return unix.CAP_FOWNER
	case a.kind == "read":
		return unix.CAP_DAC_READ_SEARCH
	}
	return unix.CAP_DAC_OVERRIDE
}

// look opens a path from the root.
func (a attempt) look(p string, flags uint64) (fd int, err error) {
	return a.open(a.root, p, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: unix.RESOLVE_IN_ROOT})
}

func (a attempt) open(dir int, p string, how unix.OpenHow) (fd int, err error) {
	if a.by != nil {
		return a.by.open(dir, p, how)
	}
	return unix.Openat2(dir, p, &how)
}

// name opens the directory that a path names something in, and what it names there, or -1.
func (a attempt) name(p string) (dir, fd int, err error) {
	p = strings.TrimRight(p, "/")
	at := strings.LastIndexByte(p, '/') + 1
	if dir, err = a.look(cmp.Or(p[:at], "/"), unix.O_DIRECTORY); err != nil {
		return -1, -1, err
	}
	fd, err = a.open(dir, cmp.Or(p[at:], "."), unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC})
	if err != nil {
		fd = -1
	}
	return dir, fd, nil
}

// named reports whether the question is about a name in a directory.
func (a attempt) named() bool {
	switch a.kind {
	case "create", "remove", "rename", "link":
		return true
	}
	return false
}

func (a attempt) attributes() bool { return a.kind == "attributes" || a.kind == "chown" }

// find notes what is at the path. It returns false if that cannot be found out, and it is
// not permissions that prevent it.
func (a attempt) find(t *trial) bool {
	t.path = a.path
	if !a.named() {
		fd, err := a.look(a.path, 0)
		if err == nil {
			defer unix.Close(fd)
			t.mode = t.place(fd, "")
			var fs unix.Statfs_t
			if unix.Fstatfs(fd, &fs) == nil {
				t.noexec = a.kind == "exec" && fs.Flags&unix.ST_NOEXEC != 0
				t.nodev = isDevice(t.mode) && fs.Flags&unix.ST_NODEV != 0
			}
			return t.resolved
		}
		if err != unix.ENOENT || a.kind != "write" {
			return a.nowhere(t, err)
		}
	}
	dir, fd, err := a.name(a.path)
	if err != nil {
		return a.nowhere(t, err)
	}
	defer unix.Close(dir)
	t.mounts[0] = mountOf(dir)
	if fd >= 0 {
		defer unix.Close(fd)
		t.mode = t.place(fd, "")
	} else {
		p := strings.TrimRight(a.path, "/")
		t.place(dir, p[strings.LastIndexByte(p, '/')+1:])
	}
	if a.to == "" || !t.resolved {
		return t.resolved
	}
	toDir, to, err := a.name(a.to)
	if err != nil {
		return a.nowhere(t, err)
	}
	defer unix.Close(toDir)
	t.mounts[1] = mountOf(toDir)
	var st unix.Stat_t
	if to >= 0 && unix.Fstat(to, &st) == nil {
		t.toMode = st.Mode
	}
	if to >= 0 {
		unix.Close(to)
	}
	return true
}

func isDevice(mode uint32) bool {
	return mode&unix.S_IFMT == unix.S_IFCHR || mode&unix.S_IFMT == unix.S_IFBLK
}

// nowhere is for a path that the caller cannot open. It returns whether permissions can be why
// the payload cannot.
func (a attempt) nowhere(t *trial, err error) bool {
	t.lost = a.found && (err == unix.ENOENT || err == unix.ENOTDIR)
	return t.lost || err == unix.EACCES
}

// barrier is the directory on the way that the calling thread may not search.
func (a attempt) barrier() string {
	for _, p := range []string{a.path, a.to} {
		last := "/"
		for i := range p {
			if i == 0 || p[i] != '/' && i < len(p)-1 {
				continue
			}
			fd, err := a.look(p[:i+1], 0)
			if err == unix.EACCES {
				return last
			}
			if err != nil {
				break
			}
			unix.Close(fd)
			last = strings.TrimRight(p[:i+1], "/")
		}
	}
	return a.path
}

// mountOf is the number of the mount that a descriptor is in.
func mountOf(fd int) uint64 {
	var stx unix.Statx_t
	_ = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx)
	return stx.Mnt_id
}

// place notes the path of what was opened, or that of a missing name in it.
func (t *trial) place(fd int, missing string) (mode uint32) {
	var st unix.Stat_t
	p, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil || unix.Fstat(fd, &st) != nil || !strings.HasPrefix(p, "/") || strings.HasSuffix(p, " (deleted)") {
		return 0
	}
	t.resolved = true
	if t.path = p; missing != "" {
		t.path = strings.TrimSuffix(p, "/") + "/" + missing
		return 0
	}
	t.there, t.dir = true, st.Mode&unix.S_IFMT == unix.S_IFDIR
	return st.Mode
}

// protectedLinks reports whether a file that is another user's may not be linked.
func protectedLinks() bool {
	b, err := os.ReadFile("/proc/sys/fs/protected_hardlinks")
	return err != nil || strings.TrimSpace(string(b)) != "0"
}
