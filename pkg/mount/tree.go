package mount

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A node is a name in the root. If the plan created every component of a path, the path
// needs no lookup that guards against symbolic links. In the trees of others the names
// are looked up on the host when the plan is made, and their symbolic links followed
// inside the root; when the plan is performed, a path without them is opened, and no
// symbolic link in it is followed. So the tree shows which mount is on top of which,
// whatever the names are by which they were given.
type node struct {
	kind nodeKind
	// children are the names in a directory that are known.
	children map[string]*node
	// fd is the descriptor of a directory of the plan that is in a foreign one, or that
	// becomes read-only: what is in it is reached from there.
	fd *plan.Result
	// target is the target of a symbolic link, and procfs is set for one that is found
	// in a procfs.
	target string
	procfs bool
	// stranger is set for a symbolic link of the host that is neither the caller's nor
	// root's.
	stranger bool
	// mount is the node of the mount that a foreign directory belongs to, or nil for
	// that node itself.
	mount *node
	// what names, in messages, what is mounted on a foreign node.
	what string
	// source is the host path of a foreign directory's content, also of one that does not
	// exist yet, or "".
	source string
	// upper is the host directory in which the changes of an overlay are, or "".
	upper string
	// single is set for a foreign mount that has none of the mounts in source: what is below
	// one of those is not known.
	single bool
	// whole is set for a foreign directory that has no names other than children.
	whole bool
	// found is set for a name that the plan has neither created nor mounted. Of those,
	// unsure is set if it is not known whether it exists, and absent if it does not.
	found, unsure, absent bool
	// writable is set for a foreign mount in which names may be created: an overlay
	// whose changes are in memory.
	writable bool
	// host is set for a foreign mount in which names may be created, which remain on the
	// host: see [Mounts.Create].
	host bool
	// created is set for a file that the plan has created, and not mounted, and for such a
	// directory in a foreign mount.
	created bool
	// masked is set for a mask: what is below it is masked too.
	masked bool
	// readOnly is set for the node of a mount that is read-only.
	readOnly bool
}

type nodeKind uint8

const (
	// dir is a directory of a file system that the plan has created.
	dir nodeKind = iota
	// file is anything else but a link, in any file system.
	file
	link
	// foreign is a directory whose content the plan did not create, and in which nothing
	// is created unless its mount is writable.
	foreign
)

func newDir() *node { return &node{kind: dir, children: map[string]*node{}} }

// newBound returns the node of a tree of the host.
func newBound(source string) *node {
	n := newForeign(source)
	n.source = source
	return n
}

func newForeign(what string) *node { return &node{kind: foreign, what: what} }

// top is the node of the mount that a foreign directory belongs to.
func (n *node) top() *node {
	if n.mount != nil {
		return n.mount
	}
	return n
}

func (n *node) set(name string, child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[name] = child
}

// A place is a path in the root, and what the plan knows about it.
type place struct {
	// abs is the path in the root, without the first slash and without symbolic links.
	abs string
	// known is set if the plan created the directory that it is in; the place is then
	// path below base.
	known bool
	base  *plan.Result
	path  string
	// parent and name lead to node, which is nil if nothing is known to exist there, or
	// if it is a directory of a foreign mount.
	parent *node
	name   string
	node   *node
	// inside is the foreign mount that the path enters, rest the path in it, and there
	// what is found there.
	inside *node
	rest   string
	there  there
	// linked is set if a symbolic link leads there, and via are those that were found in
	// foreign mounts.
	linked bool
	via    []by
}

// by is a symbolic link that leads to a place: the foreign mount in which it is, and
// whether it is a stranger's.
type by struct {
	mount    *node
	stranger bool
}

// there says what is found at a place in a foreign mount.
type there uint8

const (
	unsure there = iota
	absent
	fileThere
	dirThere
)

// exists reports whether something is known to exist there.
func (p place) exists() bool {
	if p.known {
		return p.node != nil
	}
	return p.there >= fileThere
}

func (p place) isRoot() bool { return p.abs == "." }

var errAbsolute = errors.New("not an absolute path")

// there is what was found where a node of a foreign mount is.
func (n *node) there() there {
	switch {
	case n.absent:
		return absent
	case n.unsure:
		return unsure
	case n.kind == foreign:
		return dirThere
	}
	return fileThere
}

// inMount is the path of a name in the current directory, from the mount that it is in.
func (w *walker) inMount(name string) string {
	at, from := w.tree, 0
	for i, n := range w.abs {
		if at = at.children[n]; at.kind == foreign && at.mount == nil {
			from = i + 1
		}
	}
	return join(append(append([]string{}, w.abs[from:]...), name))
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

// mountPoint finds the place of a mount and creates it if possible: a directory or an
// empty file.
func (b *builder) mountPoint(target string, isDir bool) (place, error) {
	at, err := b.target(target, true)
	if err != nil {
		return at, err
	}
	switch {
	case at.isRoot():
		return at, errors.New("the root itself: see --root and --rootfs")
	case !at.known && at.creates():
		return at, b.makeMountPoint(at, isDir)
	case !at.known:
		return at, nil
	case at.node == nil && isDir:
		b.Add(plan.Mkdirat(plan.Ref(at.base), at.path, 0o755))
	case at.node == nil:
		b.Add(plan.MakeFile(plan.Ref(at.base), at.path, 0o444))
	case at.node.kind == file && isDir:
		return at, ErrOnFile
	case at.node.kind == dir && !isDir:
		return at, ErrOnDirectory
	}
	return at, nil
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
	b.mounts = append(b.mounts, mounted{at: at.abs, on: as, attrs: b.attrs[m].Set})
	at.parent.set(at.name, as)
	if as.kind == dir && (at.parent.kind == foreign || b.keeps(m)) {
		as.fd = m
		b.keep(m)
		return
	}
	b.Add(plan.Close(m))
}

// keep has a descriptor closed after its last use, and ops performed before that.
func (b *builder) keep(m *plan.Result, ops ...*plan.Op) {
	if b.last == nil {
		b.last = map[*plan.Result][]*plan.Op{}
	}
	b.last[m] = append(b.last[m], ops...)
}

// closeKept adds the ops of keep.
func (b *builder) closeKept() {
	for m, ops := range b.last {
		b.last[m] = append(ops, plan.Close(m))
	}
	b.Plan.AddAfterUse(b.Name, b.last)
}

// lookup opens a place that may be in an untrusted tree. Its path has no symbolic link,
// and if there is one now, it is not followed.
func (b *builder) lookup(at place, flags uint64) *plan.Result {
	op := plan.Openat2(plan.Ref(b.root), at.abs, unix.O_PATH|unix.O_CLOEXEC|flags, 0,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS)
	if at.inside != nil {
		it := "it"
		if at.linked {
			it = "a symbolic link leads to /" + at.abs + ": it"
		}
		op = op.Because(unix.ENOENT, cause.MountPoint, fmt.Sprintf("%s does not exist in %s, and nothing is ever created there: create it on the host, or mount a --tmpfs above it first", it, at.inside.what)).
			Hint(unix.ELOOP, fmt.Sprintf("there is a symbolic link in %s that did not exist, or could not be read, when the plan was made: give the path without it", at.inside.what))
	}
	return b.Open("at", op)
}
