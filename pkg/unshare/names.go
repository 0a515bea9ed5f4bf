package unshare

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// names are the namespaces with their names in /proc/PID/ns.
var names = []struct {
	name  string
	short string
	flag  uint64
}{
	{"user", "U", unix.CLONE_NEWUSER},
	{"mount", "m", unix.CLONE_NEWNS},
	{"pid", "p", unix.CLONE_NEWPID},
	{"net", "n", unix.CLONE_NEWNET},
	{"ipc", "i", unix.CLONE_NEWIPC},
	{"uts", "u", unix.CLONE_NEWUTS},
	{"cgroup", "C", unix.CLONE_NEWCGROUP},
	{"time", "T", unix.CLONE_NEWTIME},
}

func parseNamespace(name string) (uint64, error) {
	if name == "mnt" {
		name = "mount"
	}
	for _, n := range names {
		if n.name == name {
			return n.flag, nil
		}
	}
	var all []string
	for _, n := range names {
		all = append(all, n.name)
	}
	return 0, fmt.Errorf("unknown namespace %q: not one of %s", name, strings.Join(all, ", "))
}
