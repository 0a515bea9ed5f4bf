package stage

import (
	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Mapped returns an op that sets an ID, with a hint for the case that the user
// namespace has no such ID.
func Mapped(kind string, op *plan.Op) *plan.Op {
	return op.Because(unix.EINVAL, cause.Unmapped, kind+" is not mapped in this user namespace: see hk-idmap(1)")
}

// Privileged returns an op that creates namespaces, with a hint for a caller who lacks
// the privilege. With CLONE_NEWUSER among the flags an ordinary user needs none.
func Privileged(flags uint64, op *plan.Op) *plan.Op {
	if flags&unix.CLONE_NEWUSER != 0 {
		return op
	}
	return op.Because(unix.EPERM, cause.Capability, "an ordinary user needs a user namespace for this: hk-unshare --user")
}
