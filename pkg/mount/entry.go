package mount

import "fmt"

// An Entry is one thing in the new root.
type Entry struct {
	Kind   EntryKind
	Source string
	// FD is a descriptor of the caller, which is bind mounted in the place of Source; 0 means
	// none. It must be above 2 and is not left to the payload.
	FD     int
	Target string
	// Options are a list as on the command line, including its backslashes.
	Options string
}

// An EntryKind says what an entry is. It is the name of the flag.
type EntryKind string

const (
	ReadOnlyBind EntryKind = "ro"
	Bind         EntryKind = "rw"
	DeviceBind   EntryKind = "dev-bind"
	TryReadOnly  EntryKind = "try-ro"
	TryBind      EntryKind = "try-rw"
	RootFS       EntryKind = "rootfs"
	Tmpfs        EntryKind = "tmpfs"
	Proc         EntryKind = "proc"
	Dev          EntryKind = "dev"
	// Overlay and ReadOnlyOverlay have their layers in Options.
	Overlay         EntryKind = "overlay"
	ReadOnlyOverlay EntryKind = "ro-overlay"
	TmpOverlay      EntryKind = "tmp-overlay"
	Mqueue          EntryKind = "mqueue"
	Sysfs           EntryKind = "sysfs"
	Cgroup2         EntryKind = "cgroup2"
	ReadOnly        EntryKind = "read-only"
	Mask            EntryKind = "mask"
	// TryMakeReadOnly and TryMask are ReadOnly and Mask of what may not exist.
	TryMakeReadOnly EntryKind = "try-read-only"
	TryMask         EntryKind = "try-mask"
	// Protect makes Target unreadable or read-only, or keeps it from coming into being,
	// after all other entries: Options are "deny", which is the default, or "ro".
	Protect EntryKind = "protect"
	// FileSystem has "TYPE:SRC" in Source.
	FileSystem EntryKind = "fs"
	// Fstab makes the mounts listed in Source, a host file in the format of fstab(5).
	Fstab EntryKind = "fstab"
	// Directory, File, FileFrom and Chmod have MODE or MODE:UID:GID in Options.
	Directory EntryKind = "dir"
	// File has its content in Source.
	File EntryKind = "file"
	// FileFrom is read from Source: a host file, a descriptor, fd:N, or "-".
	FileFrom EntryKind = "file-from"
	// Data and WritableData are like FileFrom, but always mounts of a file in memory: the
	// first one is read-only.
	Data         EntryKind = "data"
	WritableData EntryKind = "data-rw"
	// Symlink is a symbolic link at Target that leads to Source.
	Symlink EntryKind = "symlink"
	// Chmod changes the mode of what exists already.
	Chmod EntryKind = "chmod"
	// Parents has in Options the mode of the directories that the entries after it create
	// on the way to their targets. "" is 755.
	Parents EntryKind = "parents"
)

// isFile reports whether an entry is a file with its content.
func (e Entry) isFile() bool {
	return e.Kind == File || e.Kind == FileFrom || e.Kind == Data || e.Kind == WritableData
}

// flag is the flag that makes the entry, for messages.
func (e Entry) flag() string { return "--" + string(e.Kind) + " " + e.name() }

// name is the name of the entry in an error.
func (e Entry) name() string {
	switch {
	case e.FD != 0:
		return fmt.Sprintf("fd:%d:%s", e.FD, e.Target)
	case e.isFile() || e.Source == "":
		return e.Target
	case e.Target == "" || e.Target == e.Source:
		return e.Source
	}
	return e.Source + ":" + e.Target
}
