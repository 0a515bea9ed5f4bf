package mount

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A node is a name in the root as far as the plan has created it. If the plan created
// every component of a path, the path needs no lookup that guards against symbolic
// links; otherwise it gets one.
type node struct {
	kind nodeKind
	// children are the names in a directory. In a foreign node they are the paths in it
	// on which the plan has mounted a directory of its own.
	children map[string]*node
	// fd is the descriptor of a directory in or on a foreign node: what is in the
	// directory is reached from there.
	fd *plan.Result
	// target is the target of a symbolic link.
	target string
	// what names, in messages, what is mounted on a foreign node.
	what string
	// source is the host path of a foreign node's content, or "".
	source string
	// writable is set for a foreign node in which names may be created: an overlay
	// whose changes are in memory.
	writable bool
}

type nodeKind uint8

const (
	// dir is a directory of a file system that the plan has created.
	dir nodeKind = iota
	// file is a file of such a file system, or a mount on one.
	file
	link
	// foreign is a mount whose content the plan does not know, and in which nothing is
	// created unless it is writable.
	foreign
)

func newDir() *node { return &node{kind: dir, children: map[string]*node{}} }

// newBound returns the node of a tree of the host.
func newBound(source string) *node {
	n := newForeign(source)
	n.source = source
	return n
}

func newForeign(what string) *node {
	return &node{kind: foreign, children: map[string]*node{}, what: what}
}

// A place is a path in the root, and what the plan knows about it.
type place struct {
	// abs is the path in the root, without the first slash.
	abs string
	// known is set if the plan created every directory in the path; the place is then
	// path below base.
	known bool
	base  *plan.Result
	path  string
	// parent and name lead to node, which is nil if nothing exists there yet.
	parent *node
	name   string
	node   *node
	// inside is the foreign node that the path enters, and rest the path in it.
	inside *node
	rest   string
}

func (p place) isRoot() bool { return p.abs == "." }

var errAbsolute = errors.New("not an absolute path")

// locate follows p through the tree. Missing directories in the path are created if
// make is set. A symbolic link in the last component is not followed.
func (b *builder) locate(p string, make bool) (place, error) {
	if !path.IsAbs(p) {
		return place{}, errAbsolute
	}
	if strings.ContainsRune(p, 0) {
		return place{}, errors.New("a null byte in the path")
	}
	cur, todo := b.tree, split(p)
	base := b.root
	var abs, rel []string // done so far, from the root and from base
	step := func(names ...string) {
		abs, rel, todo = append(abs, names...), append(rel, names...), todo[len(names):]
	}
	for links := 0; ; {
		switch cur.kind {
		case file:
			return place{}, fmt.Errorf("/%s is a file", join(abs))
		case foreign:
			n := cur.own(todo)
			if n == 0 {
				return place{abs: join(append(abs, todo...)), inside: cur, rest: join(todo)}, nil
			}
			cur = cur.children[join(todo[:n])]
			step(todo[:n]...)
			base, rel = cur.fd, nil
			continue
		}
		if len(todo) == 0 {
			return place{abs: join(abs), known: true, base: base, path: join(rel), node: cur}, nil
		}
		name := todo[0]
		next := cur.children[name]
		if len(todo) == 1 && (next == nil || next.kind != foreign) {
			step(name)
			return place{abs: join(abs), known: true, base: base, path: join(rel), parent: cur, name: name, node: next}, nil
		}
		switch {
		case next == nil && !make:
			return place{}, fmt.Errorf("/%s: %w", join(append(abs, name)), unix.ENOENT)
		case next == nil:
			step(name)
			b.Add(plan.Mkdirat(plan.Ref(base), join(rel), 0o755))
			next = newDir()
			cur.children[name] = next
		case next.kind == link:
			if links++; links > 40 {
				return place{}, unix.ELOOP
			}
			todo = append(next.leads(abs), todo[1:]...)
			cur, base, abs, rel = b.tree, b.root, nil, nil
			continue
		default:
			step(name)
		}
		if cur = next; cur.fd != nil {
			base, rel = cur.fd, nil
		}
	}
}

// leads returns where a symbolic link in a directory leads, from the root.
func (n *node) leads(dir []string) []string {
	if path.IsAbs(n.target) {
		return split(n.target)
	}
	return split("/" + join(dir) + "/" + n.target)
}

// own is the number of names that lead to a directory which the plan has mounted in a
// foreign node, if the path continues in it. The last name alone does not count: what
// is to be put there is mounted on top of that directory.
func (n *node) own(names []string) int {
	for i := len(names) - 1; i > 0; i-- {
		if n.children[join(names[:i])] != nil {
			return i
		}
	}
	return 0
}

// split splits a path into its names. ".." at the root stays at the root.
func split(p string) []string {
	p = path.Clean("/" + p)
	if p == "/" {
		return nil
	}
	return strings.Split(p[1:], "/")
}

func join(names []string) string {
	if len(names) == 0 {
		return "."
	}
	return strings.Join(names, "/")
}

// follow is like locate, for something that must exist: a symbolic link in the last
// component is followed.
func (b *builder) follow(p string, make bool) (place, error) {
	for links := 0; links <= 40; links++ {
		at, err := b.locate(p, make)
		if err != nil || at.node == nil || at.node.kind != link {
			return at, err
		}
		t := at.node.target
		if !path.IsAbs(t) {
			t = path.Dir("/"+at.abs) + "/" + t
		}
		p = path.Clean(t)
	}
	return place{}, unix.ELOOP
}

// mountPoint finds the place of a mount and creates it if possible: a directory or an
// empty file.
func (b *builder) mountPoint(target string, isDir bool) (place, error) {
	at, err := b.follow(target, true)
	if err != nil {
		return at, err
	}
	switch {
	case at.isRoot():
		return at, errors.New("the root itself: see --root and --rootfs")
	case !at.known && at.inside.writable:
		parent, name := b.makeParents(at)
		make := plan.MakeFile(plan.Ref(parent), name, 0o444)
		if isDir {
			make = plan.Mkdirat(plan.Ref(parent), name, 0o755)
		}
		b.Add(make.Tolerate(unix.EEXIST), plan.Close(parent))
	case !at.known:
		return at, nil
	case at.node == nil && isDir:
		b.Add(plan.Mkdirat(plan.Ref(at.base), at.path, 0o755))
	case at.node == nil:
		b.Add(plan.MakeFile(plan.Ref(at.base), at.path, 0o444))
	case at.node.kind == file && isDir:
		return at, errors.New("a directory on a file")
	case at.node.kind == dir && !isDir:
		return at, errors.New("a file on a directory")
	}
	return at, nil
}

// makeParents creates the missing parent directories of a place in a writable foreign
// node, and opens the last one. Each is looked up again, so that no symbolic link leads
// outside the root.
func (b *builder) makeParents(at place) (parent *plan.Result, name string) {
	names := split("/" + at.abs)
	for i, name := range names {
		parent = b.lookup(place{abs: join(names[:i])}, unix.O_DIRECTORY)
		if i == len(names)-1 {
			return parent, name
		}
		b.Add(plan.Mkdirat(plan.Ref(parent), name, 0o755).Tolerate(unix.EEXIST), plan.Close(parent))
	}
	panic("mount: the root has no parent")
}

// attach moves a detached mount to its place, which is then known as the given node.
func (b *builder) attach(m *plan.Result, at place, as *node) {
	b.move(m, at)
	b.attached(m, at, as)
}

func (b *builder) move(m *plan.Result, at place) {
	if at.known {
		b.Add(plan.MoveMount(m, plan.Ref(at.base), at.path))
	} else {
		where := b.lookup(at, 0)
		b.Add(plan.MoveMount(m, plan.Ref(where), ""), plan.Close(where))
	}
	b.unshare(m)
}

// unshare restores the propagation that a mount had before it was attached: on a mount
// that is shared with other namespaces it becomes shared too, and mounts made there
// propagate to it. Only a root created by hk is shared with nothing.
func (b *builder) unshare(m *plan.Result) {
	if b.inPlace {
		b.Add(plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, b.attrs[m]))
	}
}

// attached records what move has attached, and closes what is no longer needed.
func (b *builder) attached(m *plan.Result, at place, as *node) {
	if at.known {
		b.Add(plan.Close(m))
		at.parent.children[at.name] = as
		return
	}
	if at.rest == "." { // on all of it
		if *at.inside = *as; as.kind == dir {
			at.inside.fd = m
		} else {
			b.Add(plan.Close(m))
		}
		return
	}
	at.inside.forget()
	if as.kind == dir {
		as.fd = m
		at.inside.children[at.rest] = as
		return
	}
	b.Add(plan.Close(m))
}

// forget drops what is known about mounts in a foreign node. A later mount there may
// cover any of them: symbolic links decide by which path they are reached.
func (n *node) forget() { n.children = map[string]*node{} }

// lookup opens a place that may be in an untrusted tree, so that no symbolic link leads
// outside the root.
func (b *builder) lookup(at place, flags uint64) *plan.Result {
	op := plan.Openat2(plan.Ref(b.root), at.abs, unix.O_PATH|unix.O_CLOEXEC|flags, 0,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if at.inside != nil {
		op = op.Hint(unix.ENOENT, fmt.Sprintf("it does not exist in %s, and nothing is ever created there: create it on the host, or mount a --tmpfs above it first", at.inside.what))
	}
	return b.Open("at", op)
}
