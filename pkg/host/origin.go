package host

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NamespaceTypes are the types of namespaces, by their names in /proc/PID/ns, and the
// CLONE_NEW* flag of each.
var NamespaceTypes = [...]struct {
	Name string
	Flag uint64
}{
	{"cgroup", unix.CLONE_NEWCGROUP}, {"ipc", unix.CLONE_NEWIPC}, {"mnt", unix.CLONE_NEWNS}, {"net", unix.CLONE_NEWNET},
	{"pid", unix.CLONE_NEWPID}, {"time", unix.CLONE_NEWTIME}, {"user", unix.CLONE_NEWUSER}, {"uts", unix.CLONE_NEWUTS},
}

// An Origin is the number of a namespace in which a chain was started, and that of the
// machine's; 0 is not known.
type Origin struct{ Caller, Machine uint64 }

// origins are the namespaces of this process, in the form of [ParseOrigins].
func origins() string {
	var words []string
	for _, t := range NamespaceTypes {
		words = append(words, fmt.Sprintf("%s:%d:%d", t.Name, namespaceID("self", t.Name), MachineNamespace(t.Name, t.Flag)))
	}
	return strings.Join(words, "+")
}

// ParseOrigins parses [Handover.Origins]: NAME:CALLER:MACHINE, with + between them. It skips
// anything else.
func ParseOrigins(text string) map[string]Origin {
	list := map[string]Origin{}
	for w := range strings.SplitSeq(text, "+") {
		f := strings.Split(w, ":")
		if len(f) != 3 {
			continue
		}
		caller, err1 := strconv.ParseUint(f[1], 10, 64)
		machine, err2 := strconv.ParseUint(f[2], 10, 64)
		if err1 == nil && err2 == nil {
			list[f[0]] = Origin{caller, machine}
		}
	}
	return list
}

// MachineNamespace is the number of the initial namespace of a type, or 0 if it is not
// known: before [InitialInodes] those of network and mount namespaces are told only by PID
// 1, to whom may inspect it.
func MachineNamespace(name string, flag uint64) uint64 {
	if flag != unix.CLONE_NEWNET && flag != unix.CLONE_NEWNS || InitialInodes.Check() == nil {
		return InitialInode(flag)
	}
	if namespaceID("1", "pid") != InitialInode(unix.CLONE_NEWPID) {
		return 0
	}
	return namespaceID("1", name)
}

func namespaceID(process, name string) uint64 {
	var st unix.Stat_t
	if procfs() != nil || unix.Stat("/proc/"+process+"/ns/"+name, &st) != nil {
		return 0
	}
	return st.Ino
}
