package mount

import (
	"errors"
	"path"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// mask makes a place unreadable: a directory is covered by an empty one that nobody may
// enter, anything else by a device that cannot be opened.
//
// What is covered must exist: a name that does not exist could still be created later.
func (b *builder) mask(target string) error {
	at, err := b.follow(target, false)
	if err != nil {
		return err
	}
	if at.isRoot() {
		return errors.New("the root itself")
	}
	isDir, err := b.isDir(at)
	if err != nil {
		return err
	}
	const attrs = nosuidNodev | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY
	var m *plan.Result
	as := &node{kind: file}
	if isDir {
		m = b.newMount("tmpfs", attrs, [2]string{"mode", "0000"}, [2]string{"nr_inodes", "1"})
		as = newForeign(target + ", which is masked")
	} else {
		// On a nodev mount opening a device fails, for root as well. In place, in an
		// untrusted root, the name may be a symbolic link, and the owner of the root
		// decides where it leads.
		null := b.Open("null", plan.Openat2(plan.AtCwd(), "/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS))
		m = b.Open("mask", plan.OpenTree(plan.Ref(null), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH))
		b.attrs[m] = plan.MountAttr{Set: attrs, Propagation: unix.MS_PRIVATE}
		b.Add(plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH, b.attrs[m]), plan.Close(null))
	}
	b.attach(m, at, as)
	return nil
}

// isDir reports whether a place is a directory. In a tree of the host it is looked up
// on the host; if that has changed when the plan is performed, the cover does not fit
// and the plan fails.
func (b *builder) isDir(at place) (bool, error) {
	switch {
	case at.known && at.node == nil:
		return false, unix.ENOENT
	case at.known:
		return at.node.kind == dir, nil
	case at.inside.source == "":
		return false, errors.New("the contents of " + at.inside.what + " cannot be known in advance")
	}
	if at.inside == b.tree {
		// Its symbolic links are followed as they will be then: none leads outside it.
		mode, err := b.Host.StatIn(at.inside.source, at.rest)
		return mode.IsDir(), err
	}
	mode, err := b.Host.Stat(path.Join(at.inside.source, at.rest))
	return mode.IsDir(), err
}
