package host

import (
	"os"

	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// hostRoot is the ID that user 0 of the initial user namespace has in the caller's
// user namespace, or ids.None. known is false if the caller may be that user although
// it has no ID there, or if there is no procfs to tell.
//
// The root directory of a procfs belongs to that user. If an owner's ID is not mapped,
// stat(2) returns the overflow ID, which may itself be in the namespace's map; but the
// lowest of all user IDs can only be the first of a range.
func hostRoot() (id uint32, known bool) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	dir, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ids.None, false
	}
	defer unix.Close(dir)
	if unix.Fstatfs(dir, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC || unix.Fstat(dir, &st) != nil {
		return ids.None, false
	}
	if st.Uid == 0 {
		return 0, true
	}
	maps, err := ReadProc("/proc/self/uid_map")
	if err != nil {
		return ids.None, false
	}
	return rootIn(maps, st.Uid, uint32(os.Geteuid()))
}

// rootIn finds the initial user namespace's root, which stat(2) reports as owner, in
// the user ID map of a namespace in which the caller is self.
func rootIn(maps string, owner, self uint32) (id uint32, known bool) {
	for _, r := range ids.ParseMap(maps) {
		if r.Inside == owner {
			return owner, true
		}
	}
	// Both IDs may be unmapped.
	return ids.None, self != owner
}
