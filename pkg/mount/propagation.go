package mount

import (
	"fmt"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// With hk-unshare --propagation slave, what the host mounts later appears in bind mounts
// and in a root from the host. The kernel gives it the attributes that it has on the host,
// and none of those of the mount below which it appears; so this has to be asked for. It
// appears below the mounts that cover something there already.

// checkPropagation rejects a new root where mounts are shared with other namespaces, to
// which it would propagate.
func (m *Mounts) checkPropagation(propagation string) error {
	switch {
	case m.InPlace:
	case propagation == "shared":
		return errShared("a new root would propagate to the mount namespaces that the mounts are shared with")
	case propagation == "unchanged":
		return errShared("the mounts may be shared with other mount namespaces, to which a new root would propagate")
	}
	return nil
}

func errShared(why string) error {
	return fmt.Errorf("%s: use hk-unshare --propagation private or slave, or hk-mount --in-place", why)
}

// slave reports whether what the host mounts later is to appear.
func (b *builder) slave() bool { return b.NS.Propagation == "slave" }

// propagation is the type for a bind mount with attributes. Without attributes it is a
// slave in any case: nothing is lost.
func (b *builder) propagation(attrs plan.MountAttr) uint64 {
	switch {
	case b.slave():
		b.receives = true
		return unix.MS_SLAVE
	case attrs.Set|attrs.Clear == 0:
		return unix.MS_SLAVE
	}
	return unix.MS_PRIVATE
}

// attachRoot attaches a new root over the old one. It is unbindable, so that it is not
// part of a bind mount of the old one, or it is on a mount that is: a mount that becomes
// unbindable receives nothing any more.
func (b *builder) attachRoot() {
	if b.rootReceives {
		base := b.newMount("tmpfs", nosuidNodev|unix.MOUNT_ATTR_NOEXEC|unix.MOUNT_ATTR_RDONLY,
			[2]string{"mode", "0000"}, [2]string{"nr_inodes", "1"})
		b.Add(unbindable(base), plan.MoveMount(base, plan.AtCwd(), "/").Hint(unix.EINVAL, shared), plan.Close(base))
	} else {
		b.Add(unbindable(b.root))
	}
	b.Add(plan.MoveMount(b.root, plan.AtCwd(), "/").Hint(unix.EINVAL, shared))
}

// bindableRoot lets parts of the root be bind mounted, or ends that.
func (b *builder) bindableRoot(on bool) {
	switch {
	case b.inPlace, b.rootReceives:
	case on:
		b.Add(plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_PRIVATE}))
	default:
		b.Add(unbindable(b.root))
	}
}

// noteReceives adds a note if something may appear that lacks attributes.
func (b *builder) noteReceives() {
	if b.receives {
		b.Tell("what the host mounts later appears in bind mounts with the attributes that it has on the host, as hk-unshare --propagation slave asks: it may be writable")
	}
}
