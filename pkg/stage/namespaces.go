package stage

import (
	"golang.org/x/sys/unix"
)

// Namespaces are those of the thread that performs the plan.
type Namespaces struct {
	// New are the CLONE_NEW* flags of the namespaces that the plan creates.
	New uint64
	// Joined are those of existing namespaces that are joined by the plan, or by an
	// earlier stage of a chain that is not fused.
	Joined uint64
	// Init is set if PID 1 of the new PID namespace is a process of hk.
	Init bool
	// NoUser is set if a user namespace was asked for only if possible, and there is none.
	NoUser bool
	// NoNested is set once no user namespaces can be created in the new one.
	NoNested bool
	// Mapped is set once the new user namespace has its ID maps.
	Mapped bool
	// MapsUser reports whether a user ID of the caller's namespace is mapped in the
	// user namespace that the plan has entered; nil if the map is not known.
	MapsUser func(outside uint32) bool
	// HasUser and HasGroup report whether there is such an ID in it; nil as above.
	HasUser, HasGroup func(inside uint32) bool
	// UID and GID are the caller's IDs in the new user namespace, once it has its maps;
	// ids.None is for one that is not mapped.
	UID, GID uint32
	// NoSetgroups is set once setgroups(2) is denied in the user namespace.
	NoSetgroups bool
	// Propagation is slave, shared or unchanged if that was asked for the mounts of the
	// mount namespace that the chain has created; otherwise "".
	Propagation string
}

// Entered reports whether the plan creates or joins a namespace of a type, given as a
// CLONE_NEW* flag.
func (n Namespaces) Entered(flag uint64) bool { return (n.New|n.Joined)&flag != 0 }

// SetgroupsDenied reports whether setgroups(2) is denied in the current user namespace:
// by its own setting, or by that of an outer one.
func (s *State) SetgroupsDenied() bool { return s.NS.NoSetgroups || s.Host.NoSetgroups() }

// Unmapped reports whether the plan is in a user namespace without ID maps, in which no
// file can be created.
func (s *State) Unmapped() bool {
	return !s.NS.Mapped && (s.NS.New&unix.CLONE_NEWUSER != 0 || s.Host.Handover.Unmapped)
}

// InUserNS reports whether the plan is in a user namespace other than the initial one.
func (s *State) InUserNS() bool {
	return s.NS.Entered(unix.CLONE_NEWUSER) || s.Host.UserNS()
}
