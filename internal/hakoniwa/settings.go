// Package hakoniwa compiles the command line and the configuration file of hakoniwa 1.6.0
// to a chain: settings in its words, stages out. It is hk-run(1).
package hakoniwa

import (
	"hk/internal/profile"
	"hk/pkg/filter"
	"hk/pkg/idmap"
	"hk/pkg/limit"
	"hk/pkg/netns"
)

// Settings say what a sandbox consists of, in hakoniwa's words. The zero value is its
// default, but for Root.DefaultFS. A list has what was written, in this order; [Compile] applies
// the rules by which a later entry replaces an earlier one.
type Settings struct {
	Namespaces []Namespace
	Root       Root
	Mounts     []Mount
	Files      []File
	Protect    Protect
	IDs        IDs
	User       User
	Hostname   string
	Domainname string
	Env        []Env
	Network    Network
	Limits     Limits
	Landlock   Landlock
	Seccomp    Seccomp
	Process    Process
	Command    Command
	// Actions are what the templates of a configuration file ask for on the host.
	Actions []profile.Action
}

// A Namespace is created or, with Share, not created. Mount, user and PID namespaces are
// always created.
type Namespace struct {
	// Type is "cgroup", "ipc", "network", "uts" or "time".
	Type  string
	Share bool
}

// Root is what the root directory is made of.
type Root struct {
	// Dir becomes the root; "" is an empty directory in memory.
	Dir      string
	Writable bool
	// FS is the directory whose system directories are in the root, read-only; "" and
	// "none" are none.
	FS string
	// DefaultFS is set if FS is a default: it does not apply to a Dir that has a bin.
	DefaultFS bool
	// Place is where Dir was written.
	Place profile.Place
}

// A Mount is something that is mounted. Of several with one target the last one counts.
type Mount struct {
	// Type is "" for a bind mount, "devfs", "tmpfs", or the name of another flag of
	// hk-mount(1) that mounts something: "proc", "overlay", "mqueue".
	Type string
	// Source is what is bind mounted. Target "" is the same path.
	Source, Target string
	// Writable bind mounts are not read-only.
	Writable bool
	// Optional bind mounts are skipped if there is no source.
	Optional bool
	// Options are those of hk-mount(1), including its backslashes.
	Options string
	// Place is where it was written, if not on the command line.
	Place profile.Place
}

// A File is created in the root after everything has been mounted. Of several with one
// target the last one counts.
type File struct {
	// Type is "file", "dir" or "symlink".
	Type   string
	Target string
	// Text is the content of a file, or where a symbolic link leads.
	Text string
	// Mode is the octal mode of a directory; "" is 0700.
	Mode string
}

// Protect are paths in the finished root that are covered: masks hide what is there, and
// what is read-only is not writable even in a writable mount.
type Protect struct {
	Masks, ReadOnly []string
	// Names are protected even where they do not exist: hk-mount --protect.
	Names []Protected
}

// Protected is a name that is unreadable, or read-only.
type Protected struct {
	Target   string
	ReadOnly bool
}

// IDs are the ID maps. By default the caller's IDs are mapped to themselves.
type IDs struct {
	// Auto maps 0 to the caller, and the IDs from 1 on to all that subuid(5) and
	// subgid(5) give to the caller. UID and GID replace its map or the default.
	Auto     bool
	UID, GID []idmap.Range
}

// User says who the payload is inside.
type User struct {
	// Name is USER[:GROUP[:G1,G2...]], with names of the passwd and group files of the
	// root; "" is the caller.
	Name string
	// Caps are the payload's capabilities, as for hk-setuser(1); "" is the default.
	Caps string
	// Bounding, Inheritable and Ambient are single sets of them; "" are those of Caps.
	Bounding, Inheritable, Ambient string
	// Groups and Securebits are those of hk-setuser(1); "" is the default.
	Groups, Securebits string
	// Umask is nil for the caller's.
	Umask *uint32
	// AllowNewPrivs does not set no_new_privs.
	AllowNewPrivs bool
}

// Env is a variable of the payload's environment. Of several with one name the last one
// counts.
type Env struct {
	Name string
	// Value is nil for the caller's value, which is empty if there is none.
	Value *string
}

// Network says what the payload is connected to.
type Network struct {
	// Mode is "none", "host" or "pasta"; "" is as the namespaces say.
	Mode string
	// Options are arguments of pasta(1).
	Options []string
	// Loopback brings up lo in a new network namespace.
	Loopback bool
	// Forward and Expose connect TCP ports inside with UNIX sockets of the host.
	Forward, Expose []netns.Forward
}

// Limits are resource limits. Of several for one resource the last one counts.
type Limits struct {
	// List has the limits of getrlimit(2).
	List []limit.Limit
	// Walltime is in seconds; 0 is no limit. What still runs then is killed.
	Walltime uint64
	Cgroup   Cgroup
	// MaxOutput and Report are those of hk-limit(1).
	MaxOutput uint64
	Report    string
	// ReportProc adds figures of the payload's own process to the report.
	ReportProc bool
}

// A Cgroup is what a control group is to limit.
type Cgroup struct {
	limit.Cgroup
	// MemorySwap is memory and swap together, in bytes; nil is no limit.
	MemorySwap *uint64
	// Quota is processor time in each Period, in microseconds, in place of CPUs; 0 is no
	// quota, and 100,000.
	Quota, Period uint64
}

// Landlock says what the payload may access. A rule implies its restriction, and rules
// for one path are combined.
type Landlock struct {
	Resources []Resource
	FS        []FSRule
	Net       []NetRule
	// Scope is a list for --scope of hk-landlock(1), and Closures are the programs for
	// its --exec-closure.
	Scope, Closures []string
	// IgnoreMissing, BestEffort, ABI and Log are those of hk-landlock(1).
	IgnoreMissing, BestEffort bool
	ABI                       int
	Log                       string
}

// A Resource is restricted or, with Unrestrict, not restricted whatever the rules. The
// last one of a type counts.
type Resource struct {
	// Type is "fs", "tcp.bind", "tcp.connect", "udp.bind" or "udp.connect".
	Type       string
	Unrestrict bool
}

// An FSRule allows access to what is below a path.
type FSRule struct {
	Path string
	// Access is letters: r to read, w to write, x to execute; - is ignored. Rights, if
	// not "", are rights by their kernel names instead: RIGHT+RIGHT.
	Access, Rights string
}

// A NetRule allows a port.
type NetRule struct {
	Port uint16
	// Access is "tcp.bind", "tcp.connect", "udp.bind" or "udp.connect".
	Access string
}

// Seccomp is the filter for system calls.
type Seccomp struct {
	// Profile is "podman", "audit", "unconfined", a profile of hk-seccomp(1), or a file.
	// "" is podman.
	Profile string
	// Rules take precedence over the profile.
	Rules []filter.Override
	// Default and Arches are those of hk-seccomp(1): nil is the profile's.
	Default *filter.Action
	Arches  []*filter.Arch
}

// Process are settings of the payload's process that hakoniwa does not have.
type Process struct {
	// Init makes PID 1 a process of hk, and Setsid starts a session without a terminal.
	Init, Setsid bool
	// Outlive and NoNested are those of hk-unshare(1).
	Outlive, NoNested bool
	// Monotonic and Boottime are offsets of clocks in seconds, for a time namespace.
	Monotonic, Boottime *int64
}

// Command is what is executed.
type Command struct {
	// Words are the program and its arguments; none is /bin/sh.
	Words []string
	// Dir is the working directory in the root; "" is /. Workdir, if it is not "", is a
	// directory of the host that is bind mounted, writable, at the same path, and is the
	// working directory.
	Dir, Workdir string
}
