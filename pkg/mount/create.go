package mount

import (
	"fmt"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// creates reports whether names may be created in a foreign node.
func (n *node) creates() bool { return n.writable || n.host }

// creates reports whether a name is to be created at a place in a foreign mount. If it may
// exist, and a symbolic link leads there by way of which nothing is created, it is not: then
// it must exist.
func (at place) creates() bool {
	return at.inside.creates() && !at.exists() && (at.there == absent || at.refuseLinks("created") == nil)
}

// cloneRoot makes a directory of the host the root. If names may be created in it, the
// mount of that directory itself is writable until the root is entered, unless it is
// read-only on the host.
func (b *builder) cloneRoot(dir source, m *Mounts) {
	attrs := plan.MountAttr{Set: nosuidNodev}
	if m.RootDev {
		attrs.Set &^= unix.MOUNT_ATTR_NODEV
	}
	if m.RootSuid {
		attrs.Set &^= unix.MOUNT_ATTR_NOSUID
	}
	if m.RootNoexec {
		attrs.Set |= unix.MOUNT_ATTR_NOEXEC
	}
	readOnly := plan.MountAttr{Set: attrs.Set | unix.MOUNT_ATTR_RDONLY}
	b.tree.host = b.creates && (m.Create || m.Writable) && !b.Host.ReadOnly(dir.look())
	switch {
	case m.Writable:
		b.root = b.clone("root", dir, attrs, unix.AT_RECURSIVE)
		return
	case !b.tree.host:
		b.root = b.clone("root", dir, readOnly, unix.AT_RECURSIVE)
		return
	}
	b.root = b.clone("root", dir, attrs, unix.AT_RECURSIVE)
	const changed = "the directory has become read-only since it was checked"
	b.Add(plan.MayWrite(b.root).Tolerate(unix.EACCES).Hint(unix.EROFS, changed),
		plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, readOnly),
		plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH, plan.MountAttr{Clear: unix.MOUNT_ATTR_RDONLY}).
			Hint(unix.EPERM, changed))
}

// makeMountPoint creates a directory or an empty file in a foreign node, if it is
// missing.
func (b *builder) makeMountPoint(at place, isDir bool) error {
	parent, name, err := b.makeParents(at)
	if err != nil {
		return err
	}
	mode := uint32(0o444)
	if at.inside.host && !b.changes {
		mode = 0o644
	}
	make := plan.MakeFile(plan.Ref(parent), name, mode)
	if isDir {
		make = plan.Mkdirat(plan.Ref(parent), name, 0o755)
	}
	b.addCreate(at, make.Tolerate(unix.EEXIST))
	b.Add(plan.Close(parent))
	if isDir {
		b.note(at, &node{kind: foreign, created: true})
	} else {
		b.note(at, &node{kind: file})
	}
	return nil
}

// addCreate adds an op that creates something in a foreign node. On the host the
// caller's umask applies.
func (b *builder) addCreate(at place, op *plan.Op) {
	if at.inside == nil || !at.inside.host {
		b.Add(op)
		return
	}
	const readOnly = "it does not exist, and this part of the tree is read-only: create it on the host"
	op = op.Hint(unix.EROFS, readOnly).Hint(unix.EACCES, "it does not exist, and the caller may not create it on the host")
	if b.changes {
		b.Add(op)
		return
	}
	b.Add(plan.Umask(plan.Ref(b.umask)), op, plan.Umask(plan.Octal(0)))
}

// openNew is addCreate for an op that opens what it creates.
func (b *builder) openNew(name string, at place, op *plan.Op) *plan.Result {
	r := b.Plan.NewResult(name)
	op.Roles |= plan.Opens
	b.addCreate(at, op.Gives(r))
	return r
}

// refuseLinks returns an error if nothing is to be created or changed in a mount by way of
// the symbolic links to a place in it.
func (at place) refuseLinks(done string) error {
	for _, link := range at.via {
		if at.inside.host && (link.mount != at.inside || link.stranger) {
			return fmt.Errorf("a symbolic link in %s leads to /%s, in %s, where nothing is %s by way of it: give the path without it", link.mount.what, at.abs, at.inside.what, done)
		}
	}
	return nil
}

// makeParents creates the missing parent directories of a place in a foreign mount, and
// opens the last one. It walks by directory descriptors and follows no symbolic link: who
// owns one of the directories could create it at any time, and does not decide where in
// the root something is created. Nor does it a symbolic link that was there when the plan
// was made, if it leads to another mount in which names remain, or is another user's.
func (b *builder) makeParents(at place) (parent *plan.Result, name string, err error) {
	if err := at.refuseLinks("created"); err != nil {
		return nil, "", err
	}
	names := split("/" + at.abs)
	dirs, name := names[:len(names)-1], names[len(names)-1]
	n, have := b.tree, 0
	for have < len(dirs) && !n.children[dirs[have]].absent && !n.children[dirs[have]].unsure {
		n, have = n.children[dirs[have]], have+1
	}
	parent = b.lookup(place{abs: join(dirs[:have]), inside: at.inside}, unix.O_DIRECTORY)
	above := len(names) - len(split("/"+at.rest)) // what is above the mount
	for i, dir := range dirs[have:] {
		b.addCreate(at, plan.Mkdirat(plan.Ref(parent), dir, b.parents).Tolerate(unix.EEXIST))
		next := b.Open("at", plan.Openat2(plan.Ref(parent), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS).
			Hint(unix.ELOOP, fmt.Sprintf("no symbolic link is followed where names are created in %s: give the path without it", at.inside.what)))
		b.Add(plan.Close(parent))
		b.note(place{inside: at.inside, parent: n, name: dir, rest: join(names[above : have+i+1])}, &node{kind: foreign, created: true})
		parent, n = next, n.children[dir]
		n.made()
	}
	return parent, name, nil
}

// made records that a directory exists, which the plan has created unless others do so
// before. What is in it is looked up in the same way as if it had been there.
func (n *node) made() { n.absent, n.unsure, n.created = false, false, true }
