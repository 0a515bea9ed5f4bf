package access

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Attributes of a file can be changed without a right of Landlock, but not in a read-only
// mount, where access(2) also answers that nothing may be written.

// An alters says where the file is whose attributes a call changes: by a name, or by the
// descriptor in the argument fd. flags is the argument that has AT_SYMLINK_NOFOLLOW and
// AT_EMPTY_PATH; -1 if there is none. last is set for a call that never follows a last link.
type alters struct {
	dir, path, flags, fd int
	last                 bool
}

// altering are the calls that change attributes.
var altering = sync.OnceValue(func() map[string]alters {
	table := map[string]alters{
		"fchmodat": {0, 1, -1, -1, false}, "fchmodat2": {0, 1, 3, -1, false}, "fchownat": {0, 1, 4, -1, false},
		"futimesat": {0, 1, -1, -1, false}, "utimensat": {0, 1, 3, -1, false}, "utimensat_time64": {0, 1, 3, -1, false},
		"setxattrat": {0, 1, 2, -1, false}, "removexattrat": {0, 1, 2, -1, false}, "file_setattr": {0, 1, 4, -1, false},
	}
	for _, name := range []string{"chmod", "chown", "chown32", "utime", "utimes", "setxattr", "removexattr"} {
		table[name] = alters{-1, 0, -1, -1, false}
	}
	for _, name := range []string{"lchown", "lchown32", "lsetxattr", "lremovexattr"} {
		table[name] = alters{-1, 0, -1, -1, true}
	}
	for _, name := range []string{"fchmod", "fchown", "fchown32", "fsetxattr", "fremovexattr"} {
		table[name] = alters{-1, -1, -1, 0, false}
	}
	return table
})

// alter records that attributes of a file were changed, after the call: a file that another
// thread has put there since is in the same mount at worst.
func (r *Recorder) alter(c call) {
	at := altering()[c.name]
	fd := -1
	if at.fd >= 0 {
		fd = int(int32(c.Args[at.fd]))
	}
	follow := !at.last
	if at.flags >= 0 {
		follow = c.Args[at.flags]&unix.AT_SYMLINK_NOFOLLOW == 0
	}
	if at.path >= 0 && at.dir >= 0 {
		if name, ok := r.memory().PeekString(c.tid, c.Args[at.path]); c.Args[at.path] == 0 || ok && name == "" {
			fd = int(int32(c.Args[at.dir]))
		}
	}
	r.altered(c, fd, at.dir, at.path, follow)
}

// asked is for access(2) and its like, which were told that something may be written.
func (r *Recorder) asked(c call) {
	dir, path, mode := -1, 0, 1
	if c.name != "access" {
		dir, path, mode = 0, 1, 2
	}
	if c.Args[mode]&unix.W_OK == 0 {
		return
	}
	r.altered(c, -1, dir, path, c.name != "faccessat2" || c.Args[3]&unix.AT_SYMLINK_NOFOLLOW == 0)
}

func (r *Recorder) altered(c call, fd, dir, path int, follow bool) {
	var o object
	if fd >= 0 {
		f, shown, err := r.inTree(c.tid, fdName(fd))
		if err != nil {
			// What is in no mount of the tree was open before.
			r.alteredUnseen = r.alteredUnseen || shown != "" && err != errDeleted && err != errOutside
			return
		}
		o = f.object
	} else {
		s, err := r.spot(c.tid, c.Call, dir, path, follow)
		if err != nil || !s.there {
			r.alteredUnseen = true
			return
		}
		o = s.object
	}
	switch o.kind() {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
	default:
		if c.name == "access" || c.name == "faccessat" || c.name == "faccessat2" {
			return // a read-only mount does not matter to those
		}
	}
	if r.attributes == nil {
		r.attributes = map[string]bool{}
	}
	switch {
	case r.attributes[o.name]:
	case len(r.attributes) >= maxPaths || !r.room(o.name):
		r.alteredUnseen = true
	default:
		r.attributes[o.name] = true
	}
}

// setsFlags is for ioctl(2) with requests that change a file or a directory through a descriptor
// that need not be open for writing.
func (r *Recorder) setsFlags(c call) {
	switch uint32(c.Args[1]) {
	case 0x40086602, 0x40046602, // FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS
		0x401c5820,             // FS_IOC_FSSETXATTR
		0x40087602, 0x40047602, // FS_IOC_SETVERSION, FS_IOC32_SETVERSION
		0x40806685, 0x800c6613, // FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY
		0x40047211,                         // FAT_IOCTL_SET_ATTRIBUTES
		0x5000940e, 0x50009418, 0x4008941a, // BTRFS_IOC_SUBVOL_CREATE, SUBVOL_CREATE_V2, SUBVOL_SETFLAGS
		0x50009401, 0x50009417, // BTRFS_IOC_SNAP_CREATE, SNAP_CREATE_V2
		0x5000940f, 0x5000943f: // BTRFS_IOC_SNAP_DESTROY, SNAP_DESTROY_V2
		r.altered(c, int(int32(c.Args[0])), -1, -1, false)
	}
}
