package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// AtCwd is the directory argument for names that are not relative to a descriptor.
func AtCwd() Arg { return Const("AT_FDCWD", negative(unix.AT_FDCWD)) }

func negative(n int) uint64 { return uint64(int64(n)) }

// OpenTree is open_tree(2) (Linux 5.2): with OPEN_TREE_CLONE, a detached copy
// of the mounts at path.
func OpenTree(dir Arg, path string, flags uint64) *Op {
	return call("open_tree", unix.SYS_OPEN_TREE, dir, Str(path), flagArg(flags, atFlags))
}

// MoveMount is move_mount(2) (Linux 5.2) of the mount that from refers to.
func MoveMount(from *Result, to Arg, path string) *Op {
	flags := uint64(unix.MOVE_MOUNT_F_EMPTY_PATH)
	if path == "" {
		flags |= unix.MOVE_MOUNT_T_EMPTY_PATH
	}
	return call("move_mount", unix.SYS_MOVE_MOUNT, Ref(from), Str(""), to, Str(path), flagArg(flags, moveFlags)).
		Hint(unix.EINVAL, "a file cannot be mounted on a directory, nor a directory on a file")
}

// A MountAttr is what mount_setattr(2) changes: attributes set and cleared, and
// the propagation type, 0 for no change.
type MountAttr struct {
	Set, Clear, Propagation uint64
}

// MountSetattr is mount_setattr(2) (Linux 5.12). flags are AT_EMPTY_PATH and
// AT_RECURSIVE; a recursive change is made to all mounts or to none.
func MountSetattr(dir Arg, path string, flags uint64, a MountAttr) *Op {
	s := (&structure{}).u64(a.Set).u64(a.Clear).u64(a.Propagation).u64(0)
	m := s.is(func() string {
		return fmt.Sprintf("{attr_set=%s, attr_clr=%s, propagation=%s, userns_fd=0}",
			flagText(a.Set, mountAttrs), flagText(a.Clear, mountAttrs), flagText(a.Propagation, propagations))
	})
	return call("mount_setattr", unix.SYS_MOUNT_SETATTR, dir, Str(path), flagArg(flags, atFlags), Ptr(m), Int(32))
}

// Fsopen is fsopen(2) (Linux 5.2).
func Fsopen(fstype string) *Op {
	return call("fsopen", unix.SYS_FSOPEN, Str(fstype), Const("FSOPEN_CLOEXEC", unix.FSOPEN_CLOEXEC))
}

// FsconfigString sets a parameter of a file system that is being configured.
func FsconfigString(fs *Result, key, value string) *Op {
	return fsconfig(fs, Const("FSCONFIG_SET_STRING", unix.FSCONFIG_SET_STRING), Str(key), Str(value))
}

// FsconfigFlag sets a parameter without a value.
func FsconfigFlag(fs *Result, key string) *Op {
	return fsconfig(fs, Const("FSCONFIG_SET_FLAG", unix.FSCONFIG_SET_FLAG), Str(key), Null())
}

// FsconfigFD sets a parameter to what a descriptor refers to.
func FsconfigFD(fs *Result, key string, fd *Result) *Op {
	op := fsconfig(fs, Const("FSCONFIG_SET_FD", unix.FSCONFIG_SET_FD), Str(key), Null())
	op.Args[4] = Ref(fd)
	return op
}

// FsconfigFDPath sets a parameter to a path that leads to what a descriptor of the process
// refers to, if /proc is a procfs.
func FsconfigFDPath(fs *Result, key string, fd *Result) *Op {
	const dir = "/proc/self/fd/"
	path := &Buffer{str: dir, terminated: true, size: len(dir) + Decimal + 1,
		refs: []Reference{{Offset: len(dir), Size: Decimal, Result: fd}},
		text: func() string { return quote(dir + fd.String()) }}
	return fsconfig(fs, Const("FSCONFIG_SET_STRING", unix.FSCONFIG_SET_STRING), Str(key), Ptr(path))
}

// FsconfigCreate creates the superblock.
func FsconfigCreate(fs *Result) *Op {
	return fsconfig(fs, Const("FSCONFIG_CMD_CREATE", unix.FSCONFIG_CMD_CREATE), Null(), Null())
}

// fsconfig is fsconfig(2) (Linux 5.2). The file system's messages about a failure are
// read from fs.
func fsconfig(fs *Result, cmd, key, value Arg) *Op {
	op := call("fsconfig", unix.SYS_FSCONFIG, Ref(fs), cmd, key, value, Int(0))
	op.Roles |= Logs
	return op
}

// Fsmount is fsmount(2) (Linux 5.2): a detached mount of the new file system.
func Fsmount(fs *Result, attrs uint64) *Op {
	op := call("fsmount", unix.SYS_FSMOUNT, Ref(fs), Const("FSMOUNT_CLOEXEC", unix.FSMOUNT_CLOEXEC), flagArg(attrs, mountAttrs))
	op.Roles |= Logs
	return op
}

// PivotRoot is pivot_root(2).
func PivotRoot(newRoot, putOld string) *Op {
	return call("pivot_root", unix.SYS_PIVOT_ROOT, Str(newRoot), Str(putOld))
}

// UmountDetach is umount2(2) with MNT_DETACH.
func UmountDetach(path string) *Op {
	return call("umount2", unix.SYS_UMOUNT2, Str(path), Const("MNT_DETACH", unix.MNT_DETACH))
}
