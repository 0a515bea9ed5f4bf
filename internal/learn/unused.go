package learn

import (
	"math/bits"
	"path"
	"slices"
	"strings"

	"hk/pkg/access"
	"hk/pkg/mount"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// capList are the names of a set as flags have them, without CAP_.
func capList(set uint64) []string {
	list := []string{}
	for ; set != 0; set &= set - 1 {
		list = append(list, strings.ToLower(strings.TrimPrefix(plan.CapName(bits.TrailingZeros64(set)), "CAP_")))
	}
	slices.Sort(list)
	return list
}

// capBits is the set of such names.
func capBits(names []string) (set uint64, ok bool) {
	known := map[string]int{}
	for c := range 64 {
		known[strings.ToLower(strings.TrimPrefix(plan.CapName(c), "CAP_"))] = c
	}
	for _, name := range names {
		c, ok := known[name]
		if !ok {
			return 0, false
		}
		set |= 1 << c
	}
	return set, true
}

// network says how the network was used, and whether only the payload's own ports were.
func network(rec *access.Record) (how string, loopback bool) {
	for name := range rec.Files {
		if strings.HasPrefix(name, "/proc/self/net/") || strings.HasPrefix(name, "/sys/") && strings.Contains(name, "/net/") {
			return "its state was read: " + name, false
		}
	}
	switch {
	case rec.Remote:
		return "other machines were reached", false
	case rec.OtherSockets:
		return "sockets of another kind than Internet and UNIX sockets were made", false
	case rec.Abstract:
		return "abstract UNIX sockets of others were reached", false
	case rec.Shared:
		return "other machines were not reached, but ports or abstract sockets that others have, or can reach, were used", false
	case rec.Internet:
		return "only ports were used that the payload itself has opened", true
	}
	return "", false
}

// A place is a bind mount of a chain.
type place struct {
	// link and entry are the stage of the chain, and the entry of its settings.
	link, entry int
	kind        mount.EntryKind
	// at is the target as the payload's root has it, and over those of later mounts below it.
	at   string
	over []string
}

// mounts are the bind mounts of the chain, without those whose target cannot be looked up.
func (s *session) mounts(rec *access.Record) (list []place) {
	for i, l := range s.chain.Links {
		m, ok := l.Stage.(*mount.Mounts)
		if !ok {
			continue
		}
		for j, e := range m.Entries {
			target, made := target(e)
			if !made || !path.IsAbs(target) {
				continue
			}
			at, _, there := rec.Real(target)
			if !there {
				continue
			}
			if e.Kind != mount.TryBind && e.Kind != mount.TryReadOnly {
				for k := range list {
					if below(at, list[k].at) {
						list[k].over = append(list[k].over, at)
					}
				}
			}
			list = append(list, place{link: i, entry: j, kind: e.Kind, at: at})
		}
	}
	return slices.DeleteFunc(list, func(p place) bool {
		return !slices.Contains([]mount.EntryKind{mount.ReadOnlyBind, mount.Bind, mount.DeviceBind, mount.TryReadOnly, mount.TryBind}, p.kind)
	})
}

// ownDirs are the file systems in memory that the chain makes, if it makes nothing else in them
// than directories.
func (s *session) ownDirs(rec *access.Record) (list []string) {
	for _, l := range s.chain.Links {
		m, ok := l.Stage.(*mount.Mounts)
		if !ok {
			continue
		}
		for i, e := range m.Entries {
			at, _, there := rec.Real(e.Target)
			if e.Kind == mount.Tmpfs && there && !slices.ContainsFunc(m.Entries[i+1:], func(e mount.Entry) bool { return fills(e, at, rec) }) {
				list = append(list, at)
			}
		}
	}
	return list
}

// fills reports whether an entry may make something in a directory that is not the payload's.
func fills(e mount.Entry, dir string, rec *access.Record) bool {
	at := e.Target
	switch {
	case e.Kind == mount.Fstab:
		return true
	case e.Kind == mount.Directory || at == "" && e.Source == "":
		return false
	case at == "":
		at = e.Source
	}
	real, _, there := rec.Real(at)
	return below(path.Clean(at), dir) || there && below(real, dir)
}

// target is where an entry mounts something.
func target(e mount.Entry) (at string, mounts bool) {
	switch e.Kind {
	case mount.ReadOnlyBind, mount.Bind, mount.DeviceBind, mount.TryReadOnly, mount.TryBind:
		if e.Target == "" {
			return e.Source, true
		}
		return e.Target, true
	case mount.Tmpfs, mount.Proc, mount.Dev, mount.Overlay, mount.ReadOnlyOverlay, mount.TmpOverlay, mount.Mqueue, mount.Sysfs, mount.Cgroup2, mount.FileSystem:
		return e.Target, true
	}
	return "", false
}

// reads are the rights that change nothing.
const reads = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

// used reports whether something was opened or changed in a mount.
func (p place) used(rec *access.Record) (opened, changed bool) {
	in := func(name string) bool {
		return below(name, p.at) && !slices.ContainsFunc(p.over, func(o string) bool { return below(name, o) })
	}
	for name, u := range rec.Files {
		if in(name) {
			opened = true
			changed = changed || u.Rights&^reads != 0
		}
	}
	for name := range rec.Altered {
		if in(name) {
			opened, changed = true, true
		}
	}
	return opened, changed
}

// below reports whether a name is that of a directory, or of something below it.
func below(name, dir string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}
