package host

import (
	"slices"
	"strings"
)

// emptyInProc are directories of a procfs that are always empty: a mount on one hides
// nothing.
var emptyInProc = []string{"/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd", "/proc/openprom"}

// CoveredProc lists the mount points in /proc, which keep a user namespace from mounting a
// procfs, and reports whether there is a procfs on /proc at all.
func CoveredProc() (list []string, mounted bool) {
	table, err := ReadProc("/proc/self/mountinfo")
	if err != nil {
		return nil, false
	}
	return coversIn(table)
}

// coversIn is CoveredProc for a mountinfo. What is mounted on /proc itself counts only for
// the last mount there.
func coversIn(table string) (list []string, mounted bool) {
	top := ""
	for line := range strings.SplitSeq(table, "\n") {
		f := strings.Fields(line)
		if len(f) < 7 {
			continue
		}
		switch at := decode(f[4]); {
		case at == "/proc":
			_, after, _ := strings.Cut(line, " - ")
			top, list, mounted = f[0], nil, strings.HasPrefix(after, "proc ") && f[3] == "/"
		case top != "" && f[1] == top && strings.HasPrefix(at, "/proc/") && !slices.Contains(emptyInProc, at):
			list = append(list, at)
		}
	}
	return list, mounted
}

// uncovered says what covers /proc, or "".
func uncovered() string {
	list, mounted := CoveredProc()
	switch {
	case !mounted:
		return "no whole procfs is mounted on /proc"
	case len(list) == 0:
		return ""
	case len(list) > 3:
		list = append(list[:3:3], "more")
	}
	return "mounts cover " + strings.Join(list, ", ")
}
