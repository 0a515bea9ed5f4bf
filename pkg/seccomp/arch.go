package seccomp

import (
	"sort"

	"golang.org/x/sys/unix"
)

// An Arch is a system call table.
type Arch struct {
	// Name is libseccomp's name: "x86_64".
	Name string
	// OCI is the name in profiles: "SCMP_ARCH_X86_64".
	OCI string
	// Audit is AUDIT_ARCH_* of seccomp(2).
	Audit uint32
	bits  int
	table []call
}

// A call is a name and a number of a table, which is sorted by name.
type call struct {
	name string
	nr   uint32
}

//go:generate go run mksyscalls.go

// x32Bit is in the number of every call of the x32 ABI, which has the
// AUDIT_ARCH value of x86_64.
const x32Bit = 0x40000000

var (
	X86_64  = &Arch{"x86_64", "SCMP_ARCH_X86_64", unix.AUDIT_ARCH_X86_64, 64, callsAMD64[:]}
	X86     = &Arch{"x86", "SCMP_ARCH_X86", unix.AUDIT_ARCH_I386, 32, calls386[:]}
	X32     = &Arch{"x32", "SCMP_ARCH_X32", unix.AUDIT_ARCH_X86_64, 64, callsX32[:]}
	AArch64 = &Arch{"aarch64", "SCMP_ARCH_AARCH64", unix.AUDIT_ARCH_AARCH64, 64, callsARM64[:]}
	ARM     = &Arch{"arm", "SCMP_ARCH_ARM", unix.AUDIT_ARCH_ARM, 32, callsARM[:]}
)

var arches = []*Arch{X86_64, X86, X32, AArch64, ARM}

// Native is the architecture by GOARCH, or nil.
func Native(goarch string) *Arch {
	switch goarch {
	case "amd64":
		return X86_64
	case "arm64":
		return AArch64
	}
	return nil
}

// Number is the number of a call on the architecture.
func (a *Arch) Number(name string) (uint32, bool) {
	i := sort.Search(len(a.table), func(i int) bool { return a.table[i].name >= name })
	if i == len(a.table) || a.table[i].name != name {
		return 0, false
	}
	return a.table[i].nr, true
}

// wide reports whether an argument of a call is 64 bits to the kernel.
func (a *Arch) wide(name string, arg int) bool {
	return a.bits == 64 && narrow[name]>>arg&1 == 0
}

// known reports whether any architecture of Linux has the call.
func known(name string) bool {
	for _, a := range arches {
		if _, ok := a.Number(name); ok {
			return true
		}
	}
	i := sort.SearchStrings(elsewhere[:], name)
	return i < len(elsewhere) && elsewhere[i] == name
}

// narrow are the arguments, by bit, of which the kernel looks at the lower 32
// bits only. A filter that compares all 64 is passed by a program that sets the
// others. It holds the calls whose arguments policies look at.
var narrow = map[string]uint8{
	"accept4":            1<<0 | 1<<3,
	"bpf":                1<<0 | 1<<2,
	"clone":              1 << 0, // the upper half of the flags is dropped
	"epoll_ctl":          1<<0 | 1<<1 | 1<<2,
	"fchmodat":           1<<0 | 1<<2,
	"fcntl":              1<<0 | 1<<1,
	"fcntl64":            1<<0 | 1<<1,
	"futex":              1<<1 | 1<<2 | 1<<5,
	"getsockopt":         1<<0 | 1<<1 | 1<<2,
	"ioctl":              1<<0 | 1<<1,
	"ioprio_set":         1<<0 | 1<<1 | 1<<2,
	"keyctl":             1 << 0,
	"kill":               1<<0 | 1<<1,
	"madvise":            1 << 2,
	"mknod":              1<<1 | 1<<2,
	"mknodat":            1<<0 | 1<<2 | 1<<3,
	"open":               1<<1 | 1<<2,
	"openat":             1<<0 | 1<<2 | 1<<3,
	"perf_event_open":    1<<1 | 1<<2 | 1<<3,
	"personality":        1 << 0,
	"prctl":              1 << 0,
	"prlimit64":          1<<0 | 1<<1,
	"quotactl":           1<<0 | 1<<2,
	"sched_setscheduler": 1<<0 | 1<<1,
	"seccomp":            1<<0 | 1<<1,
	"setns":              1<<0 | 1<<1,
	"setpriority":        1<<0 | 1<<1 | 1<<2,
	"setsockopt":         1<<0 | 1<<1 | 1<<2,
	"socket":             1<<0 | 1<<1 | 1<<2,
	"socketpair":         1<<0 | 1<<1 | 1<<2,
	"tgkill":             1<<0 | 1<<1 | 1<<2,
	"tkill":              1<<0 | 1<<1,
	"umask":              1 << 0,
}
