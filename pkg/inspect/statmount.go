package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/mount.h (Linux 6.8, and 6.11 for the options).
const (
	lsmtRoot = ^uint64(0)

	statmountSBBasic     = 1 << 0
	statmountMntBasic    = 1 << 1
	statmountPropagate   = 1 << 2
	statmountMntRoot     = 1 << 3
	statmountMntPoint    = 1 << 4
	statmountFSType      = 1 << 5
	statmountMntOpts     = 1 << 7
	statmountSBSource    = 1 << 9
	statmountHeader      = 512
	statmountFSTypeAt    = 36
	statmountRootAt      = 104
	statmountPointAt     = 108
	statmountSourceAt    = 124
	statmountMaxResponse = 1 << 20
)

// statMounts lists the mounts of this process's namespace that can be reached from its
// root directory, by listmount(2) and statmount(2).
func statMounts() ([]Mount, error) {
	var mounts []Mount
	var ids [256]uint64
	for last := uint64(0); ; {
		req := [4]uint64{24, lsmtRoot, last}
		n, _, e := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&ids)), uintptr(len(ids)), 0, 0, 0)
		if e != 0 {
			return nil, fmt.Errorf("%w, and listmount(2), Linux 6.8: %w", errNoProcfs, e)
		}
		for _, id := range ids[:n] {
			m, err := statMount(id)
			if err == unix.ENOENT {
				continue // it was unmounted
			}
			if err != nil {
				return nil, fmt.Errorf("%w, and statmount(2): %w", errNoProcfs, err)
			}
			mounts = append(mounts, m)
			last = id
		}
		if int(n) < len(ids) {
			break
		}
	}
	if root, err := statRoot(); err == nil && !hasMount(mounts, root.id) {
		mounts = append([]Mount{root}, mounts...) // listmount does not list it
	}
	return mounts, nil
}

func hasMount(list []Mount, id uint64) bool {
	for _, m := range list {
		if m.id == id {
			return true
		}
	}
	return false
}

const mntIDUnique = 0x4000 // STATX_MNT_ID_UNIQUE, Linux 6.8

// statRoot is the mount of the root directory.
func statRoot() (Mount, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, mntIDUnique, &st); err != nil {
		return Mount{}, err
	}
	if st.Mask&mntIDUnique == 0 {
		return Mount{}, unix.ENOSYS
	}
	return statMount(st.Mnt_id)
}

func statMount(id uint64) (Mount, error) {
	const want = statmountSBBasic | statmountMntBasic | statmountPropagate | statmountMntRoot | statmountMntPoint |
		statmountFSType | statmountMntOpts | statmountSBSource
	req := [3]uint64{24, id, want}
	for size := 4 << 10; ; size *= 4 {
		b := make([]byte, size)
		_, _, e := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		switch {
		case e == 0:
			return parseStatmount(b)
		case e != unix.EOVERFLOW || size >= statmountMaxResponse:
			return Mount{}, e
		}
	}
}

// parseStatmount parses struct statmount.
func parseStatmount(b []byte) (m Mount, err error) {
	if len(b) < statmountHeader {
		return m, errors.New("a short struct statmount")
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	mask := u64(8)
	text := func(bit uint64, at int) string {
		from := statmountHeader + int(u32(at))
		if mask&bit == 0 || from >= len(b) {
			return ""
		}
		s, _, _ := bytes.Cut(b[from:], []byte{0})
		return string(s)
	}
	m = Mount{At: text(statmountMntPoint, statmountPointAt), From: text(statmountMntRoot, statmountRootAt),
		Type: text(statmountFSType, statmountFSTypeAt), Source: text(statmountSBSource, statmountSourceAt),
		Device: fmt.Sprintf("%d:%d", u32(16), u32(20)), Options: mountAttributes(u64(64)),
		id: u64(40), parent: u64(48)}
	m.Super = append(superFlags(u32(32)), words(text(statmountMntOpts, 4), ",")...)
	switch propagation := u64(72); {
	case propagation&unix.MS_SHARED != 0:
		m.Propagation = append(m.Propagation, fmt.Sprintf("shared:%d", u64(80)))
	case propagation&unix.MS_SLAVE != 0:
		m.Propagation = append(m.Propagation, fmt.Sprintf("master:%d", u64(88)))
	case propagation&unix.MS_UNBINDABLE != 0:
		m.Propagation = append(m.Propagation, "unbindable")
	}
	return m, nil
}

// mountAttributes are MOUNT_ATTR_* in the words of mountinfo.
func mountAttributes(attr uint64) []string {
	list := []string{"rw"}
	if attr&unix.MOUNT_ATTR_RDONLY != 0 {
		list[0] = "ro"
	}
	for _, a := range [...]struct {
		bit  uint64
		name string
	}{{unix.MOUNT_ATTR_NOSUID, "nosuid"}, {unix.MOUNT_ATTR_NODEV, "nodev"}, {unix.MOUNT_ATTR_NOEXEC, "noexec"}} {
		if attr&a.bit != 0 {
			list = append(list, a.name)
		}
	}
	switch attr & unix.MOUNT_ATTR__ATIME {
	case unix.MOUNT_ATTR_NOATIME:
		list = append(list, "noatime")
	case unix.MOUNT_ATTR_RELATIME:
		list = append(list, "relatime")
	}
	if attr&unix.MOUNT_ATTR_NODIRATIME != 0 {
		list = append(list, "nodiratime")
	}
	if attr&unix.MOUNT_ATTR_NOSYMFOLLOW != 0 {
		list = append(list, "nosymfollow")
	}
	if attr&unix.MOUNT_ATTR_IDMAP != 0 {
		list = append(list, "idmapped")
	}
	return list
}

func superFlags(flags uint32) []string {
	if flags&unix.MS_RDONLY != 0 {
		return []string{"ro"}
	}
	return []string{"rw"}
}
