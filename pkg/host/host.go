// Package host reads what plans depend on: the machine, the kernel, this process and
// what it inherited from its caller. It changes none of these, except for descriptors
// that a stage has left to this process, and by [RestoreNofile].
package host

import (
	"io/fs"

	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A Host is what stages can find out about the machine and the caller while they plan.
// Tests construct their own, so that a plan depends on nothing else.
type Host struct {
	UID, GID uint32
	// Env is the caller's environment, without the handover.
	Env []string
	// Handover is what an earlier stage of the chain has left.
	Handover Handover
	// Dir is the working directory, or "" if it has no name.
	Dir string
	// Sigmask is the caller's signal mask, and Ignored are the signals that the caller
	// ignores; bit n-1 is signal n.
	Sigmask, Ignored uint64
	// Raised are limits of the caller that differ for this process, because it could
	// not have started with them.
	Raised []Rlimit
	// Raises is set if programs of hk raise soft limits for their start.
	Raises bool
	// Unique is a text that nobody has seen or can guess, of 32 letters.
	Unique func() string
	// PID is this process, in its own PID namespace.
	PID int
	// Parent is the parent of this process, and ParentDeathSignal the signal that the
	// kernel sends when the parent ends, or 0.
	Parent            int
	ParentDeathSignal unix.Signal
	// Unread is why something of what follows cannot be read, on which plans depend, or nil.
	Unread error
	// The capability sets of the calling thread, as bits by capability number.
	Permitted, Effective, Inheritable, Bounding, Ambient uint64
	// Securebits are SECBIT_* of securebits(7), and NoNewPrivs is the no_new_privs
	// attribute; 0 and false if they cannot be determined.
	Securebits uint32
	NoNewPrivs bool
	// DropsGroups is set if the caller has supplementary groups and may drop them.
	DropsGroups bool
	// Groups are those groups. They, Dumpable and Ordinary are about a program that
	// continues to run after a clone ([Calling]), in which what was changed for that is
	// restored. Dumpable is set if other processes may trace it, and Ordinary if it has
	// no more privileges than others of its user: those may trace it, then.
	Groups             []uint32
	Dumpable, Ordinary bool
	// LastCap is the highest capability that the kernel knows.
	LastCap int
	// SelfFD is the descriptor by which this program was executed, or -1.
	SelfFD int
	// SelfProgram is the file that SelfFD refers to, if this process does not have it.
	SelfProgram *Program

	// Has reports whether the kernel has a feature, according to [Feature.Check].
	Has func(Feature) bool
	// TTY is the name of the terminal among the standard descriptors, or "".
	TTY func() string
	// Stat returns a file's type, following symbolic links, or why it cannot.
	Stat func(path string) (fs.FileMode, error)
	// Owner returns the user and the group of a file, following symbolic links.
	Owner func(path string) (uid, gid uint32, err error)
	// Inode returns the device and the inode of a file, following symbolic links.
	Inode func(path string) (dev, ino uint64, err error)
	// StatIn is the same as Stat in a directory that is treated as the root: no symbolic link
	// leads outside it.
	StatIn func(root, path string) (fs.FileMode, error)
	// ReadOnly reports whether a path is on a read-only mount or file system.
	ReadOnly func(path string) bool
	// IsMount reports whether something is mounted on a directory.
	IsMount func(path string) bool
	// InProcfs reports whether a directory is in a procfs.
	InProcfs func(path string) bool
	// Look returns what a path to be bind mounted leads to, or why it cannot. A relative
	// path starts at the working directory, whatever its name is.
	Look func(path string) (Found, error)
	// Descriptor returns what a descriptor of the caller refers to, or why that cannot be
	// bind mounted.
	Descriptor func(fd int) (Descriptor, error)
	// DirNamed reports whether Dir leads to the working directory. It may be nil.
	DirNamed func() bool
	// MountIn returns where something is mounted in a directory, on the mount that
	// contains the directory, or "". It may be nil.
	MountIn func(dir string) (string, error)
	// Lstat is Stat without following a symbolic link in the last component.
	Lstat func(path string) (fs.FileMode, error)
	// Readlink returns the target of a symbolic link, and who owns it.
	Readlink func(path string) (target string, owner uint32, err error)
	// ReadDir lists a directory of at most a thousand names.
	ReadDir func(path string) ([]fs.DirEntry, error)
	// Root opens the root directory, for looking up names in it.
	Root func() (fd int, err error)
	// SpareFD is a descriptor that is not open, or 0 if there is none.
	SpareFD func() int
	// Rlimit returns the caller's soft and hard limit for a resource.
	Rlimit func(resource int) (soft, hard uint64)
	// LandlockABI is the kernel's Landlock ABI, or 0 if there is none.
	LandlockABI func() int
	// LandlockErrata has bit n-1 set if the kernel reports that Landlock's erratum n is
	// fixed. It is 0 on a kernel that cannot report this (before 6.15, except where it
	// was backported).
	LandlockErrata func() int
	// SELinux returns why an SELinux label cannot be given, or nil: see CheckLabel. It may be
	// nil: then there is no SELinux.
	SELinux func(label string) error
	// Audit says where audit records are, or why none is written, as far as the kernel tells
	// this process.
	Audit func() string
	// SubIDs lists the IDs that subuid(5) or subgid(5) gives to the caller; kind is
	// "uid" or "gid".
	SubIDs func(kind string) ([]ids.Range, error)
	// Helper is the path of a program for a supervisor step, or "".
	Helper func(name string) string
	// GainsPrivileges returns why a program gets no more privileges than its caller when it
	// is executed, apart from no_new_privs, or nil.
	GainsPrivileges func(path string) error
	// Procfs returns an error if /proc is not a procfs.
	Procfs func() error
	// Program is the file that this process executes.
	Program func() (Program, error)
	// ProgramAt is the file of another program, without its path.
	ProgramAt func(path string) (Program, error)
	// FDInfo is the content of /proc/PID/fdinfo for a descriptor of the caller, which
	// must exist; otherwise ENOENT.
	FDInfo func(fd int) (string, error)
	// UserNS reports whether the caller is in a user namespace other than the initial
	// one.
	UserNS func() bool
	// TryUserNS returns why no user namespace can be created, or nil.
	TryUserNS func() error
	// NoNested reports whether no user namespace can be created in the caller's.
	NoNested func() bool
	// HostRoot is the ID that user 0 of the initial user namespace has in the
	// caller's user namespace, or ids.None if it has none there and the caller is not
	// that user. known is false if this cannot be determined.
	HostRoot func() (id uint32, known bool)
	// UIDMap is the user ID map of the user namespace of a process, which must not have
	// ended; otherwise ENOENT. It is empty if there is none yet.
	UIDMap func(pid int) (string, error)
	// SharesNamespace reports whether a process is in the caller's namespace of a type, given
	// by its name in /proc/PID/ns, or the kernel has no such type.
	SharesNamespace func(pid int, name string) (bool, error)
	// Origins are the caller's namespaces and those of the machine, for [ParseOrigins]. It may
	// be nil.
	Origins func() string
	// NoSetgroups reports whether setgroups(2) is denied in the caller's user
	// namespace.
	NoSetgroups func() bool
	// FilterByPrctl reports whether a seccomp filter is loaded which may deny
	// seccomp(2), but allows prctl(2) to load another one.
	FilterByPrctl func() bool
	// KeepsNoNewPrivs reports whether no_new_privs is set, and a loaded seccomp filter
	// denies setting it again with prctl(2).
	KeepsNoNewPrivs func() bool
	// CgroupV2 reports whether /sys/fs/cgroup is the unified hierarchy of cgroups(7).
	CgroupV2 func() bool
	// SuidDumpable is the sysctl fs.suid_dumpable, which determines whether a process
	// is dumpable after a change of its user ID: it is not for 0 and 2.
	SuidDumpable func() int
	// Mapped reports whether the caller's user namespace has a user ID map.
	Mapped func() bool
	// OwnNet reports whether the caller's network namespace is known not to be the
	// initial one.
	OwnNet func() bool
}

// A Rlimit is a resource limit, see getrlimit(2).
type Rlimit struct {
	Name       string // as in the manual page
	Resource   int
	Soft, Hard uint64
}
