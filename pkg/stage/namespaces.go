package stage

import (
	"golang.org/x/sys/unix"
)

// Namespaces are those of the thread that performs the plan.
type Namespaces struct {
	// New holds the CLONE_NEW* flags of the namespaces that the plan makes.
	New uint64
	// Joined holds those of existing namespaces that the plan, or an earlier stage of
	// a chain that is not fused, enters.
	Joined uint64
	// Mapped is set once the new user namespace has its id maps.
	Mapped bool
	// MapsUser reports whether a user ID of the caller's namespace has one in the
	// user namespace that the plan has entered; nil if the map is not known.
	MapsUser func(outside uint32) bool
	// NoSetgroups is set once setgroups(2) is denied in the user namespace.
	NoSetgroups bool
}

// Entered reports whether the plan makes or joins a namespace of a kind, which is a
// CLONE_NEW* flag.
func (n Namespaces) Entered(flag uint64) bool { return (n.New|n.Joined)&flag != 0 }

// SetgroupsDenied reports whether setgroups(2) is denied in the user namespace
// in force: by the map of its group ids, or in one around it.
func (s *State) SetgroupsDenied() bool { return s.NS.NoSetgroups || s.Host.NoSetgroups() }

// Unmapped reports whether the plan is in a user namespace without id maps, in
// which no file can be created.
func (s *State) Unmapped() bool {
	return !s.NS.Mapped && (s.NS.New&unix.CLONE_NEWUSER != 0 || s.Host.Handover.Unmapped)
}

// InUserNS reports whether the plan is in a user namespace that is not the
// machine's.
func (s *State) InUserNS() bool {
	return s.NS.Entered(unix.CLONE_NEWUSER) || s.Host.UserNS()
}
