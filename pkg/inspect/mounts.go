package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// readMounts reads the section.
func (r *Report) readMounts(p *process) {
	list, err := p.mounts()
	if err != nil {
		r.unreadable("mounts", err)
		return
	}
	r.Mounts = list
}

// mounts lists the mounts that can be reached from the process's root directory, each
// after the one that it is mounted on. Without a procfs this process asks statmount(2).
func (p *process) mounts() ([]Mount, error) {
	text, err := p.read("mountinfo")
	var list []Mount
	switch {
	case err == nil:
		list, err = parseMounts(text)
	case p.own:
		list, err = statMounts()
	}
	if err != nil {
		return nil, err
	}
	list = inTree(list)
	hide(list)
	return list, nil
}

// parseMounts parses /proc/PID/mountinfo: proc_pid_mountinfo(5).
func parseMounts(text string) ([]Mount, error) {
	infos, err := mountinfo.GetMountsFromReader(strings.NewReader(text), nil)
	if err != nil {
		return nil, err
	}
	list := make([]Mount, 0, len(infos))
	for _, i := range infos {
		list = append(list, Mount{At: i.Mountpoint, From: i.Root, Type: i.FSType, Source: i.Source,
			Device:  fmt.Sprintf("%d:%d", i.Major, i.Minor),
			Options: words(i.Options, ","), Super: words(i.VFSOptions, ","), Propagation: words(i.Optional, " "),
			id: uint64(i.ID), parent: uint64(i.Parent)})
	}
	return list, nil
}

func words(text, separator string) []string {
	if text == "" {
		return []string{}
	}
	return strings.Split(text, separator)
}

// inTree sorts mounts so that each follows the one that it is mounted on, after those
// that were mounted there before it.
func inTree(list []Mount) []Mount {
	ids, children := map[uint64]bool{}, map[uint64][]int{}
	for _, m := range list {
		ids[m.id] = true
	}
	sorted, done := make([]Mount, 0, len(list)), map[int]bool{}
	var roots []int
	for i, m := range list {
		if !ids[m.parent] || m.parent == m.id {
			roots = append(roots, i)
		} else {
			children[m.parent] = append(children[m.parent], i)
		}
	}
	for i := range list { // a table that changes while it is read may have loops
		roots = append(roots, i)
	}
	for _, root := range roots {
		for next := []int{root}; len(next) > 0; {
			i := next[len(next)-1]
			next = next[:len(next)-1]
			if done[i] {
				continue
			}
			done[i] = true
			sorted = append(sorted, list[i])
			below := slices.Clone(children[list[i].id])
			slices.Reverse(below)
			next = append(next, below...)
		}
	}
	return sorted
}

// hide says which mounts no path leads to. A mount covers, in the mount that it is mounted
// on, its mount point and what is below: if that is the root of that mount, all of it, and
// otherwise the mounts whose mount points are below.
func hide(list []Mount) {
	byID, children := map[uint64]*Mount{}, map[uint64][]*Mount{}
	for i := range list {
		m := &list[i]
		byID[m.id] = m
		children[m.parent] = append(children[m.parent], m)
	}
	for _, siblings := range children {
		slices.SortStableFunc(siblings, func(a, b *Mount) int { return strings.Compare(a.At, b.At) })
	}
	for i := range list {
		m := &list[i]
		on := byID[m.parent]
		if on == nil || on == m {
			continue
		}
		covered := coveredBy(m, children[m.parent])
		if m.At == on.At {
			covered = append([]*Mount{on}, children[m.parent]...)
		}
		for _, o := range covered {
			if o != m && !o.Hidden {
				m.Hides, o.Hidden = append(m.Hides, o.At), true
			}
		}
	}
	for i := range list { // each follows what it is mounted on
		m := &list[i]
		if on := byID[m.parent]; on != nil && on != m && on.Hidden && m.At != on.At {
			m.Hidden = true
		}
	}
}

// coveredBy are those of the siblings, sorted by their mount points, that are below a mount.
func coveredBy(m *Mount, siblings []*Mount) []*Mount {
	prefix := strings.TrimSuffix(m.At, "/") + "/"
	from, _ := slices.BinarySearchFunc(siblings, prefix, func(o *Mount, p string) int { return strings.Compare(o.At, p) })
	to := from
	for to < len(siblings) && strings.HasPrefix(siblings[to].At, prefix) {
		to++
	}
	return siblings[from:to]
}

// below reports whether a path is below a directory.
func below(path, dir string) bool {
	return path != dir && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// mountAt is the mount that an absolute path leads to, without symbolic links, or nil.
func mountAt(list []Mount, path string) *Mount {
	var found *Mount
	for i := range list {
		m := &list[i]
		if !m.Hidden && (m.At == path || below(path, m.At)) && (found == nil || len(m.At) >= len(found.At)) {
			found = m
		}
	}
	return found
}

// has reports whether a mount has an option, or is of a type. A mount is also read-only
// if its file system is.
func (m *Mount) has(option string) bool {
	readonly := slices.Contains(m.Options, "ro") || slices.Contains(m.Super, "ro")
	switch option {
	case "ro":
		return readonly
	case "rw":
		return !readonly
	}
	return m.Type == option || slices.Contains(m.Options, option)
}

// answering are the types of file systems that answer by themselves, without a server or a
// daemon.
var answering = []string{"tmpfs", "ramfs", "rootfs", "overlay", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "squashfs", "erofs", "iso9660", "vfat", "devtmpfs", "proc", "sysfs"}

// followed are those of the paths that lead through a symbolic link, or may do so, and what
// is said of that, as far as the file systems on the way answer by themselves. A path to a
// mount point has none.
func (p *process) followed(paths []string, mounts []Mount) map[string]string {
	found := map[string]string{}
	root, err := p.root()
	if err != nil {
		for _, name := range paths {
			if !slices.ContainsFunc(mounts, func(m Mount) bool { return !m.Hidden && (m.At == name || below(m.At, name)) }) {
				found[name] = "its root directory cannot be searched for symbolic links: " + reason(err)
			}
		}
		return found
	}
	defer unix.Close(root)
	for _, name := range paths {
		if why := p.linkOn(root, name); why != "" {
			found[name] = why
		}
	}
	return found
}

// linkOn says which part of a path is a symbolic link, or why that cannot be told. The process
// may mount something meanwhile: so each directory is open when it is looked up of what type its
// mount is, and what it is asked for is one name.
func (p *process) linkOn(root int, name string) string {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	dir, on := root, uint64(0)
	defer func() {
		if dir != root {
			unix.Close(dir)
		}
	}()
	done := ""
	for word := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		at, _ := p.seen(dir)
		if word == "" || word == ".." || at == 0 || at != on && !p.answers(at) {
			return ""
		}
		on = at
		fd, err := unix.Openat2(dir, word, &how)
		switch {
		case p.notes(err):
			return reason(err)
		case err != nil:
			return ""
		}
		done += "/" + word
		if id, mode := p.seen(fd); id == at && mode&unix.S_IFMT == unix.S_IFLNK {
			unix.Close(fd)
			return done + " is a symbolic link: name the path that it leads to"
		}
		if dir != root {
			unix.Close(dir)
		}
		dir = fd
	}
	return ""
}

// seen is the number of the mount that an open file is in, which keeps its number for as long,
// and the type of the file, as far as it is known without asking a server.
func (p *process) seen(fd int) (mount uint64, mode uint32) {
	number := uint32(unix.STATX_MNT_ID)
	if p.missing != nil { // then mounts has those of statmount(2)
		number = mntIDUnique
	}
	var st unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, int(unix.STATX_TYPE|number), &st) != nil || st.Mask&number == 0 {
		return 0, 0
	}
	return st.Mnt_id, uint32(st.Mode)
}

// answers reports whether the file system of a mount answers by itself.
func (p *process) answers(mount uint64) bool {
	list, err := p.mounts()
	return err == nil && slices.ContainsFunc(list, func(m Mount) bool { return m.id == mount && slices.Contains(answering, m.Type) })
}

// root opens the root directory of the process.
func (p *process) root() (fd int, err error) {
	if p.own {
		fd, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	} else {
		fd, err = unix.Openat(p.dir, p.of("root"), unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	p.notes(err)
	return fd, err
}
