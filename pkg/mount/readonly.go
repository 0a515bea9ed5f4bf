package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// readOnly bind mounts a place on itself, read-only, with everything mounted below it,
// which becomes read-only too unless the option norec is given.
func (b *builder) readOnly(e Entry) error {
	at, err := b.target(e.Target, false)
	if e.Kind == TryMakeReadOnly && b.absent(at, err) {
		b.Skip(fmt.Sprintf("--%s %s: %v", e.Kind, e.Target, unix.ENOENT))
		return nil
	}
	if err != nil {
		return err
	}
	if at.isRoot() && e.Options == "norec" && !b.inPlace {
		b.rootReadOnly, b.tree.readOnly, b.writable = true, true, false
		return nil
	}
	if at.isRoot() {
		return errors.New("the root itself is read-only without --writable-root")
	}
	if at.known && at.node == nil {
		return unix.ENOENT
	}
	b.finish(at.parent.children[at.name])
	from := b.lookup(at, 0)
	b.bindableRoot(true)
	tree := b.Open("tree", plan.OpenTree(plan.Ref(from), "",
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE))
	b.bindableRoot(false)
	attrs := plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
	b.attrs[tree] = attrs
	if e.Options == "norec" {
		// In a user namespace the mounts below cannot be left out.
		b.attrs[tree] = plan.MountAttr{Propagation: unix.MS_PRIVATE}
		b.Add(plan.MountSetattr(plan.Ref(tree), "", unix.AT_EMPTY_PATH, attrs))
	} else {
		b.Add(plan.MountSetattr(plan.Ref(tree), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attrs))
	}
	b.Add(plan.MoveMount(tree, plan.Ref(from), ""))
	b.unshare(tree)
	b.Add(plan.Close(tree), plan.Close(from))
	b.sealed(at, e.Target+", which is read-only")
	b.mounts = append(b.mounts, mounted{at: at.abs, seals: true, alone: e.Options == "norec"})
	return nil
}

// sealed records that nothing can be created any more in a place and below it.
func (b *builder) sealed(at place, what string) {
	n := at.parent.children[at.name]
	if n.kind != dir && n.kind != foreign {
		return
	}
	top := newForeign(what)
	top.masked, top.source, top.whole = n.masked, n.source, n.whole || n.kind == dir
	top.single, top.created = n.top().single, n.created
	for name, child := range n.children {
		top.set(name, child.seal(top))
	}
	at.parent.set(at.name, top)
}

// seal returns a node for use in a mount that is read-only.
func (n *node) seal(top *node) *node {
	if n.kind != dir && n.kind != foreign {
		return n
	}
	sealed := *n
	sealed.kind, sealed.fd, sealed.children = foreign, nil, nil
	sealed.writable, sealed.host = false, false
	sealed.whole = n.whole || n.kind == dir
	if n.kind == dir || n.mount != nil {
		sealed.mount = top
	} else {
		top = &sealed
	}
	for name, child := range n.children {
		sealed.set(name, child.seal(top))
	}
	return &sealed
}

// absent reports whether it is certain that nothing exists at a place, as found by
// follow with err.
func (b *builder) absent(at place, err error) bool {
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return at.known && at.node == nil || !at.known && at.there == absent
}

// late is a mount that becomes read-only when everything is in it.
type late struct {
	node *node
	// mount is the descriptor of the mount, or nil if the plan has created everything on
	// the way to it: then the tree tells where it is.
	mount *plan.Result
	flag  string
}

// readOnlyLater makes a mount, which is attached next, read-only at the end.
func (b *builder) readOnlyLater(m *plan.Result, at place, as *node) {
	l := late{node: as, mount: m, flag: b.Plan.For}
	if at.known && at.base == b.root {
		l.mount = nil
	}
	b.late = append(b.late, l)
}

// keeps reports whether a mount is still needed to make it read-only.
func (b *builder) keeps(m *plan.Result) bool {
	return slices.ContainsFunc(b.late, func(l late) bool { return l.mount == m })
}

// finish makes mounts read-only in which nothing will be created any more: those at and
// below a node. Those that another mount covers are not in the tree, and are made read-only
// with the whole tree.
func (b *builder) finish(below *node) {
	if len(b.late) == 0 {
		return
	}
	paths := map[*node]string{}
	b.tree.paths("", paths)
	flag := b.Plan.For
	b.late = slices.DeleteFunc(b.late, func(l late) bool {
		if below != b.tree && !below.contains(l.node) {
			return false
		}
		b.For(l.flag)
		attr := plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY}
		if l.mount != nil {
			b.keep(l.mount, plan.MountSetattr(plan.Ref(l.mount), "", unix.AT_EMPTY_PATH, attr).For(l.flag))
		} else if p, ok := paths[l.node]; ok {
			b.Add(plan.MountSetattr(plan.Ref(b.root), p, 0, attr))
		}
		l.node.readOnly = true
		return true
	})
	b.For(flag)
}

// contains reports whether a node is n or below it.
func (n *node) contains(other *node) bool {
	if n == other {
		return true
	}
	for _, child := range n.children {
		if child.contains(other) {
			return true
		}
	}
	return false
}

// paths adds the directories that the plan has created and that are reached through
// such directories, with their paths.
func (n *node) paths(at string, to map[*node]string) {
	for name, child := range n.children {
		if n.kind == dir && child.kind == dir {
			to[child] = at + name
			child.paths(at+name+"/", to)
		}
	}
}

func parseReadOnly(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil && e.Options != "" && e.Options != "norec" {
		err = errors.New("its only option is norec")
	}
	return e, err
}
