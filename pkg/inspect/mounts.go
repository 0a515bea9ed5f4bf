package inspect

import (
	"fmt"
	"path"
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
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	for _, name := range paths {
		for i := 1; i <= len(name) && found[name] == ""; i++ {
			if i < len(name) && name[i] != '/' {
				continue
			}
			part := name[:i]
			if m := mountAt(mounts, path.Dir(part)); m == nil || !slices.Contains(answering, m.Type) {
				break
			}
			fd, err := unix.Openat2(root, part, &how)
			if p.notes(err) {
				found[name] = reason(err)
			}
			if err != nil {
				break
			}
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
				found[name] = part + " is a symbolic link: name the path that it leads to"
			}
			unix.Close(fd)
		}
	}
	return found
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
