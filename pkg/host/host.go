// Package host reads what plans depend on: the machine, the kernel, this process and
// what it got from its caller. It changes none of them, but for descriptors that a
// stage has left to this process, and [RestoreNofile].
package host

import (
	"io/fs"

	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A Host is what stages may know of the machine and of the caller while they
// plan. Tests make their own, so that a plan depends on nothing else.
type Host struct {
	UID, GID uint32
	// Env is the caller's environment, without the handover.
	Env []string
	// Handover is what an earlier stage of the chain has left.
	Handover Handover
	// Dir is the working directory, or "" if it has no name.
	Dir string
	// Sigmask is the caller's signal mask, and Ignored the signals that the caller
	// ignores; bit n-1 is signal n.
	Sigmask, Ignored uint64
	// Raised are limits of the caller's that this process has not: it could not
	// have started with them.
	Raised []Rlimit
	// Raises is set if programs of hk raise soft limits for their start.
	Raises bool
	// Parent is the process that has started this one, and ParentDeathSignal what
	// the kernel sends when that ends, or 0.
	Parent            int
	ParentDeathSignal unix.Signal
	// The capability sets of the calling thread, as bits by capability number.
	Permitted, Effective, Inheritable, Bounding, Ambient uint64
	// Securebits are SECBIT_* of securebits(7), and NoNewPrivs is the no_new_privs
	// attribute; 0 and false where that cannot be told.
	Securebits uint32
	NoNewPrivs bool
	// DropsGroups is set if the caller has supplementary groups and may drop
	// them.
	DropsGroups bool
	// Groups are those groups, and Dumpable is set if others may attach to this process:
	// what a program that goes on is given back after a clone ([Calling]).
	Groups   []uint32
	Dumpable bool
	// LastCap is the highest capability that the kernel knows.
	LastCap int
	// SelfFD is the descriptor by which this program was executed, or -1.
	SelfFD int

	// Has reports whether the kernel has a feature, as [Feature.Check] tells.
	Has func(Feature) bool
	// TTY is the name of the terminal among the standard descriptors, or "".
	TTY func() string
	// Stat tells a file's type, following symbolic links, or why it cannot.
	Stat func(path string) (fs.FileMode, error)
	// StatIn is the same in a directory that is taken for the root: no link leads
	// out of it.
	StatIn func(root, path string) (fs.FileMode, error)
	// Look tells what a path leads to that is to be bound, or why it cannot.
	Look func(path string) (Found, error)
	// Lstat is Stat without following the last link.
	Lstat func(path string) (fs.FileMode, error)
	// Readlink returns the text of a symbolic link.
	Readlink func(path string) (string, error)
	// ReadDir lists a directory of no more than a thousand names.
	ReadDir func(path string) ([]fs.DirEntry, error)
	// Root opens the root directory, to look names up in it.
	Root func() (fd int, err error)
	// SpareFD is a descriptor that is not open, or 0 if there is none.
	SpareFD func() int
	// Rlimit returns the soft and hard limit of a resource that the caller has.
	Rlimit func(resource int) (soft, hard uint64)
	// LandlockABI is the kernel's Landlock ABI, 0 if there is none.
	LandlockABI func() int
	// LandlockErrata has bit n-1 set if the kernel says that Landlock's erratum
	// n is mended. A kernel that cannot tell (before 6.15, but for later fixes to
	// older ones) has 0.
	LandlockErrata func() int
	// SubIDs lists the ids that subuid(5) or subgid(5) gives to the caller;
	// kind is "uid" or "gid".
	SubIDs func(kind string) ([]ids.Range, error)
	// Helper is the path of a program that does an outside step, or "".
	Helper func(name string) string
	// Procfs is an error if /proc is not a procfs.
	Procfs func() error
	// Program is the file that this process executes.
	Program func() (Program, error)
	// ProgramAt is the file of another one, without its path.
	ProgramAt func(path string) (Program, error)
	// FDInfo is what /proc/PID/fdinfo says of a descriptor of the caller's, which
	// must be there: ENOENT.
	FDInfo func(fd int) (string, error)
	// UserNS reports whether the caller is in a user namespace of its own.
	UserNS func() bool
	// MachineRoot is the ID that user 0 of the machine has in the caller's user
	// namespace, or ids.None if it has none there and the caller is not that user.
	// known is false if that cannot be told.
	MachineRoot func() (id uint32, known bool)
	// UIDMap is the uid map of the user namespace of a process, which must not
	// have ended: ENOENT. It is empty if there is none yet.
	UIDMap func(pid int) (string, error)
	// NoSetgroups reports whether setgroups(2) is denied in the caller's user
	// namespace.
	NoSetgroups func() bool
	// FilterByPrctl reports whether a seccomp filter is in force which may deny
	// seccomp(2), and which lets prctl(2) load another one.
	FilterByPrctl func() bool
	// KeepsNoNewPrivs reports whether no_new_privs is set, and a seccomp filter in
	// force denies prctl(2) to set it again.
	KeepsNoNewPrivs func() bool
	// SuidDumpable is the sysctl fs.suid_dumpable, and so whether a process is
	// dumpable after a change of its user ID: 0 and 2 say that it is not.
	SuidDumpable func() int
	// Mapped reports whether the caller's user namespace has a uid map.
	Mapped func() bool
	// OwnNet reports whether the caller's network namespace is known not to be
	// the machine's.
	OwnNet func() bool
}

// A Rlimit is a resource limit, see getrlimit(2).
type Rlimit struct {
	Name       string // as in the manual page
	Resource   int
	Soft, Hard uint64
}
