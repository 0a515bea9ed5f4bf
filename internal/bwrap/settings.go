// Package bwrap compiles the command line of bubblewrap 0.13 to a chain: settings in its
// words, stages out. It is hk-bwrap(1).
package bwrap

// Settings say what a sandbox consists of, in bubblewrap's words. Unset descriptors and
// IDs are -1: see [NewSettings].
type Settings struct {
	Namespaces Namespaces
	UID, GID   int64
	Hostname   string
	// Ops are what the root consists of, in order.
	Ops []Op
	// Dir is the working directory, if DirSet.
	Dir    string
	DirSet bool
	// Env are changes of the environment, in order.
	Env []Env
	// Caps are added and dropped, in order.
	Caps []Cap
	// Filters are descriptors of compiled filters, in order.
	Filters []int
	// Argv0 is the payload's argument 0, if Argv0Set.
	Argv0    string
	Argv0Set bool
	// NewSession, DieWithParent and AsPID1 are about the process.
	NewSession, DieWithParent, AsPID1 bool
	// DenyTIOCSTI denies what types into a terminal. It is not bubblewrap's.
	DenyTIOCSTI bool
	// Locks are files of the root that are locked as long as the sandbox exists.
	Locks []string
	// Held are descriptors that are open as long as the sandbox exists.
	Held []int
	// BlockFD, UsernsBlockFD, InfoFD and StatusFD are descriptors.
	BlockFD, UsernsBlockFD, InfoFD, StatusFD int
	ExecLabel, FileLabel                     string
	// Read are the descriptors from which arguments were read, and those of options that are
	// not done: they are closed.
	Read []int
	// Command is the program and its arguments.
	Command []string
}

// NewSettings are the defaults.
func NewSettings() Settings {
	return Settings{
		Namespaces: Namespaces{JoinUser: -1, JoinUser2: -1, JoinPID: -1}, UID: -1, GID: -1,
		BlockFD: -1, UsernsBlockFD: -1, InfoFD: -1, StatusFD: -1,
	}
}

// Namespaces are created and joined. A mount namespace is always created.
type Namespaces struct {
	User, UserTry, IPC, PID, Net, UTS, Cgroup, CgroupTry bool
	// JoinUser, JoinUser2 and JoinPID are descriptors of existing namespaces.
	JoinUser, JoinUser2, JoinPID int
	// Disable forbids user namespaces inside, and AssertDisabled requires it.
	Disable, AssertDisabled bool
}

// An Op is one thing in the root.
type Op struct {
	// Name is the option without the dashes: "ro-bind".
	Name string
	// Source is a path of the host, or the text of a symbolic link, and FD a descriptor.
	Source string
	FD     int
	Dest   string
	// Layers are the directories of an overlay, the lowest first.
	Layers []string
	// Work is the work directory of an overlay, whose upper directory is in Source.
	Work string
	// Mode is that of --perms or --chmod, if ModeSet, and Size that of --size, if not 0.
	Mode    uint32
	ModeSet bool
	Size    uint64

	// file is set if the source exists and is not a directory.
	file bool
}

// Env is a change of the environment: a variable, or all of them.
type Env struct {
	Clear, Unset bool
	Name, Value  string
}

// Cap is a capability by its name in lower case without cap_, or "all".
type Cap struct {
	Drop bool
	Name string
}
