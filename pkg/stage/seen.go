package stage

// Seen is what a plan knows of a path in the root directory that it makes.
type Seen struct {
	// Path is the path without symbolic links, as far as it exists.
	Path string
	// LedTo is a directory that does not exist, if a symbolic link on the way leads there.
	LedTo string
	// Unsure says why it is not known what is there; "" if it is known.
	Unsure string
	// There is set if something is there, and Dir if that is a directory.
	There, Dir bool
	// Source is the path on the host of what is there, or "" if it is not from the host, or
	// is not known.
	Source string
	// Attrs are MOUNT_ATTR_* of the mount that it is in, as far as the plan sets them.
	Attrs uint64
	// Masked is set if it is covered so that nobody can read it.
	Masked bool
	// Protected is set if it is made read-only or covered, and something empty is mounted in its
	// place if it does not exist.
	Protected bool
}
