package mount

import (
	"errors"
	"fmt"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// mask makes a place unreadable: a directory is covered by an empty one that nobody may
// enter, anything else by a device that cannot be opened.
//
// What is covered must exist: a name that does not exist could still be created later.
func (b *builder) mask(e Entry) error {
	at, err := b.target(e.Target, false)
	if e.Kind == TryMask && b.absent(at, err) {
		b.Skip(fmt.Sprintf("--%s %s: %v", e.Kind, e.Target, unix.ENOENT))
		return nil
	}
	switch {
	case err != nil:
		return err
	case at.isRoot():
		return errors.New("the root itself")
	case at.node != nil && at.node.masked, at.inside != nil && at.inside.masked:
		return nil
	}
	isDir, err := b.isDir(at)
	if err != nil {
		return err
	}
	as := &node{kind: file, masked: true}
	if isDir {
		as = newForeign(e.Target + ", which is masked")
		as.masked, as.whole = true, true
	}
	b.attach(b.newCover(isDir, "0000"), at, as)
	return nil
}

// newCover creates a detached mount to cover something with: an empty directory with a
// mode, in which nothing can be created, or a device that cannot be opened.
func (b *builder) newCover(isDir bool, mode string) *plan.Result {
	const attrs = nosuidNodev | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY
	if isDir {
		return b.newMount("tmpfs", attrs, [2]string{"mode", mode}, [2]string{"nr_inodes", "1"})
	}
	// On a nodev mount opening a device fails, for root as well. In place, in an
	// untrusted root, the name may be a symbolic link, and the owner of the root decides
	// where it leads.
	null := b.Open("null", plan.Openat2(plan.AtCwd(), "/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS))
	m := b.Open("mask", plan.OpenTree(plan.Ref(null), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH))
	b.attrs[m] = plan.MountAttr{Set: attrs, Propagation: unix.MS_PRIVATE}
	b.Add(plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH, b.attrs[m]), plan.Close(null))
	return m
}

// isDir reports whether a place is a directory. In a tree of the host it was looked up on
// the host; if that has changed when the plan is performed, the cover does not fit and
// the plan fails.
func (b *builder) isDir(at place) (bool, error) {
	switch {
	case at.known && at.node == nil, !at.known && at.there == absent:
		return false, unix.ENOENT
	case at.known:
		return at.node.kind == dir, nil
	case at.there == unsure:
		return false, errors.New("the contents of " + at.inside.what + " cannot be known in advance")
	}
	return at.there == dirThere, nil
}
