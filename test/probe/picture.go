package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A mountLine is a mount in /proc/self/mountinfo.
type mountLine struct {
	point, options, super string
	parent                uint64
	seen                  bool
}

// inProcfs reports whether a mount is on a name in a procfs, as the covers of some are.
func (m *mountLine) inProcfs(parent *mountLine) bool {
	return parent != nil && strings.HasPrefix(parent.options, "proc ") && m.point != parent.point
}

// picture prints the tree from /, each file with its mount, then all mounts, then what
// writing gives: a line for each. What is at or below one of the names leave is left out,
// and what is below a procfs or devpts. keep are paths at which nothing may be created or
// renamed.
func picture(leave, keep []string) {
	mounts, err := mountLines()
	if err != nil {
		fmt.Println("mountinfo:", err)
		return
	}
	var dirs, files []string
	look("/", mounts, leave, func(p string, kind fs.FileMode) {
		switch {
		case kind.IsDir():
			dirs = append(dirs, p)
		case kind.IsRegular():
			files = append(files, p)
		}
	})
	for _, m := range mounts {
		switch {
		case below(m.point, leave), m.inProcfs(mounts[m.parent]):
		case m.seen:
			fmt.Println("mount", m.point, m.options, m.super)
		default:
			fmt.Println("mount", m.point, "covered")
		}
	}
	slices.Sort(dirs)
	slices.Sort(files)
	for _, p := range keep {
		keeps(p)
	}
	for _, p := range files {
		fmt.Println("append", p, errName(write(p, unix.O_APPEND, "+")))
	}
	for _, p := range dirs {
		fmt.Println("create", p, errName(write(path.Join(p, ".w"), unix.O_CREAT|unix.O_EXCL, p)))
	}
}

func below(p string, leave []string) bool {
	return slices.ContainsFunc(leave, func(l string) bool { return p == l || strings.HasPrefix(p, l+"/") })
}

// look prints what is at a path and below it.
func look(p string, mounts map[uint64]*mountLine, leave []string, visit func(string, fs.FileMode)) {
	if below(p, leave) {
		return
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st); err != nil {
		fmt.Println("statx", p, err)
		return
	}
	mount := mounts[st.Mnt_id]
	if mount == nil {
		fmt.Println("no mount has", p)
		return
	}
	mount.seen = true
	root := ""
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		root = "root"
		checkStatmount(p, mount)
	}
	kind, text := "d", ""
	var mode fs.FileMode
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		kind, mode = "l", fs.ModeSymlink
		text, _ = os.Readlink(p)
	case unix.S_IFREG:
		b, err := os.ReadFile(p)
		if kind, text = "f", string(b); err != nil {
			text = errName(err)
		}
	case unix.S_IFCHR:
		kind, mode = "c", fs.ModeDevice
		text = "opens"
		if f, err := os.Open(p); err == nil {
			f.Close()
		} else if errors.Is(err, unix.EACCES) { // there may be no terminal
			text = "EACCES"
		}
		_, attrs, _ := strings.Cut(mount.options, " ")
		mount.options, mount.super = "device "+attrs, "" // of whatever type /dev is
	case unix.S_IFDIR:
		mode = fs.ModeDir
	}
	if strings.HasPrefix(mount.options, "proc ") || strings.HasPrefix(mount.options, "devpts ") {
		fmt.Println("is", p, mount.options, root)
		return
	}
	perm := st.Mode & 0o7777
	if kind == "l" || kind == "c" {
		perm = 0
	}
	fmt.Printf("is %s %s %o %q %s %s\n", p, kind, perm, text, mount.options, root)
	visit(p, mode)
	if kind != "d" {
		return
	}
	list, err := os.ReadDir(p)
	if err != nil {
		fmt.Println("readdir", p, errName(err))
	}
	for _, e := range list {
		look(path.Join(p, e.Name()), mounts, leave, visit)
	}
}

// mountLines are the mounts by their IDs. Of the options of a file system only limits are
// kept.
func mountLines() (map[uint64]*mountLine, error) {
	b, err := os.ReadFile("/probe/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	mounts := map[uint64]*mountLine{}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if dash < 6 || len(f) < dash+4 {
			return nil, fmt.Errorf("a line %q", line)
		}
		var id, parent uint64
		fmt.Sscan(f[0]+" "+f[1], &id, &parent)
		options := strings.Split(f[5], ",")
		slices.Sort(options)
		options = append(options, f[6:dash]...)
		var super []string
		for _, o := range strings.Split(f[dash+3], ",") {
			if strings.HasPrefix(o, "size=") || strings.HasPrefix(o, "nr_inodes=") {
				super = append(super, o)
			}
		}
		mounts[id] = &mountLine{parent: parent, point: f[4], options: f[dash+1] + " " + strings.Join(options, ","), super: strings.Join(super, ",")}
	}
	return mounts, nil
}

// checkStatmount compares statmount(2), Linux 6.8, with mountinfo.
func checkStatmount(p string, m *mountLine) {
	const idUnique, basic, fstype = 0x4000, 2, 0x20
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, idUnique, &st); err != nil || st.Mask&idUnique == 0 {
		return
	}
	// struct mnt_id_req, and struct statmount
	req := [3]uint64{24, st.Mnt_id, basic | fstype}
	buf := make([]byte, 4096)
	_, _, e := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
	if e == unix.ENOSYS {
		return
	}
	if e != 0 {
		fmt.Println("statmount", p, e)
		return
	}
	name, _, _ := strings.Cut(string(buf[512+binary.NativeEndian.Uint32(buf[36:]):]), "\x00")
	attrs := binary.NativeEndian.Uint64(buf[64:])
	has := []string{"rw"}
	for bit, option := range map[uint64]string{unix.MOUNT_ATTR_NOSUID: "nosuid", unix.MOUNT_ATTR_NODEV: "nodev", unix.MOUNT_ATTR_NOEXEC: "noexec",
		unix.MOUNT_ATTR_NODIRATIME: "nodiratime", unix.MOUNT_ATTR_NOSYMFOLLOW: "nosymfollow"} {
		if attrs&bit != 0 {
			has = append(has, option)
		}
	}
	if attrs&unix.MOUNT_ATTR_RDONLY != 0 {
		has[0] = "ro"
	}
	switch attrs & unix.MOUNT_ATTR__ATIME {
	case unix.MOUNT_ATTR_RELATIME:
		has = append(has, "relatime")
	case unix.MOUNT_ATTR_NOATIME:
		has = append(has, "noatime")
	}
	slices.Sort(has)
	if got := name + " " + strings.Join(has, ","); got != m.options || binary.NativeEndian.Uint64(buf[72:]) != unix.MS_PRIVATE {
		fmt.Printf("statmount %s: %s, propagation %#x; mountinfo: %s\n", p, got, binary.NativeEndian.Uint64(buf[72:]), m.options)
	}
}

// keeps tries to rename a path, and to bring it into being, or something in it.
func keeps(p string) {
	if err := os.Rename(p, p+".r"); err == nil {
		fmt.Println("renamed", p)
	}
	for _, name := range []string{p, p + "/.x"} {
		if os.MkdirAll(path.Dir(name), 0o755) == nil && write(name, unix.O_CREAT, "x") == nil {
			fmt.Println("wrote", name)
		}
	}
}

func write(p string, flags int, text string) error {
	fd, err := unix.Open(p, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|flags, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

func errName(err error) string {
	var e unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return unix.ErrnoName(e)
	}
	return err.Error()
}
