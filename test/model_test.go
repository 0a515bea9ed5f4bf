package test

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// This is a model of the root that flags of hk-mount make, written from hk-mount(1) and
// mount_namespaces(7). It shares nothing with package mount.

// A treeNode is a file of the model. made means that a flag has created it.
type treeNode struct {
	kind   byte // as printed by find: d, f, l, c
	names  map[string]*treeNode
	text   string // the content of a file, or the target of a link
	mode   uint32
	made   bool
	change bool // since the file system was mounted
	// by is the mount in which a flag has created it on the host.
	by *treeMount
}

// A treeMount is a mount of the model.
type treeMount struct {
	root *treeNode
	on   map[*treeNode]*treeMount
	// kind is the type of the file system, and limits are those of a tmpfs.
	kind, limits string
	attrs        attrSet
	// creates says where names can be created by flags: nowhere, in memory, or on the
	// host with --create.
	creates creates
	// own is set for a file system of the plan's own, and change for the overlay that is the
	// root: what is in it can be changed.
	own, change bool
	// unknown means that the contents cannot be known in advance, and masked that it is a mask.
	unknown, masked bool
	// opaque means that nothing is known about it.
	opaque bool
	// late is set if it becomes read-only at the end.
	late bool
}

type creates uint8

const (
	nowhere creates = iota
	inMemory
	onHost
)

type attrSet []string

func (a attrSet) with(names ...string) attrSet {
	all := slices.Concat(a, names)
	slices.Sort(all)
	return slices.Compact(all)
}

func (a attrSet) without(name string) attrSet {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return s == name })
}

func (a attrSet) has(name string) bool { return slices.Contains(a, name) }

// String prints attributes as in mountinfo.
func (a attrSet) String() string {
	list := slices.Clone(a)
	if !a.has("ro") {
		list = append(list, "rw")
	}
	if !a.has("noatime") {
		list = a.relatime(list)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func (attrSet) relatime(list []string) []string {
	if slices.Contains(list, "strictatime") {
		return slices.DeleteFunc(list, func(s string) bool { return s == "strictatime" })
	}
	return append(list, "relatime")
}

type treePlace struct {
	in *treeMount
	at *treeNode
}

func (p treePlace) top() treePlace {
	for p.in.on[p.at] != nil {
		p.in = p.in.on[p.at]
		p.at = p.in.root
	}
	return p
}

func (p treePlace) isMountRoot() bool { return p.at == p.in.root }

func newDirNode(mode uint32) *treeNode {
	return &treeNode{kind: 'd', mode: mode, names: map[string]*treeNode{}}
}

func (n *treeNode) copy() *treeNode {
	c := *n
	c.made, c.change, c.by = false, false, nil
	if n.names != nil {
		c.names = map[string]*treeNode{}
	}
	for name, child := range n.names {
		c.names[name] = child.copy()
	}
	return &c
}

// overlaid is what an overlay of directories shows, the first one on top.
func overlaid(layers ...*treeNode) *treeNode {
	m := newDirNode(layers[0].mode)
	for i, l := range layers {
		for name, child := range l.names {
			if m.names[name] != nil {
				continue
			}
			if child.kind != 'd' {
				m.names[name] = child.copy()
				continue
			}
			dirs := []*treeNode{child}
			for _, lower := range layers[i+1:] {
				other := lower.names[name]
				if other != nil && other.kind != 'd' {
					break
				}
				if other != nil {
					dirs = append(dirs, other)
				}
			}
			m.names[name] = overlaid(dirs...)
		}
	}
	return m
}

var (
	errModel   = errors.New("it cannot be done")
	errMissing = errors.New("it does not exist")
	errUnsaid  = errors.New("the model does not say")
)

// A treeModel is what a sequence of flags has made so far.
type treeModel struct {
	host  map[string]*treeNode // the directories of the host, by their names
	root  *treeMount
	facts facts

	create, inPlace, writable, readOnlyRoot bool
	// chain means that each stage executes the next one.
	chain bool
	// either means that the program may also refuse.
	either   bool
	protects []guarded
	// gone removes what is not there any more when the payload has ended.
	gone []func()
}

// facts are what the model must be told about the machine.
type facts struct {
	kind        string // type of the file system of the host's tree
	attrs, null attrSet
	isRoot      bool // of the host
}

// A route is the way to a place.
type route struct {
	dirs []treePlace // the last one is the place itself, or the directory of name
	name string      // the last name, if it does not exist or is a link
	link *treeNode
	via  []treePlace // links on the way that are the host's
}

func (r route) last() treePlace { return r.dirs[len(r.dirs)-1] }

func (r route) isRoot() bool { return len(r.dirs) == 1 && r.name == "" }

// missing is the state of a route whose last name does not exist.
func (r route) missing() bool { return r.name != "" && r.link == nil }

func (m *treeModel) top() treePlace { return treePlace{m.root, m.root.root}.top() }

// find resolves a path as the kernel does with the root as /. With make, missing
// directories are created where flags may do that.
func (m *treeModel) find(p string, follow, make bool) (r route, err error) {
	r.dirs = []treePlace{{m.root, m.root.root}}
	todo := strings.Split(path.Clean("/" + p)[1:], "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		here := r.last()
		switch {
		case name == "" || name == ".":
			continue
		case here.in.opaque:
			return r, errUnsaid
		case here.at.kind != 'd':
			return r, errModel
		case name == "..":
			r.dirs = r.dirs[:max(len(r.dirs)-1, 1)]
			continue
		}
		next := here.at.names[name]
		last := len(todo) == 0
		if next != nil && next.by != nil && next.by != here.in {
			m.either = true
		}
		switch {
		case next == nil && last:
			r.name = name
			return r, nil
		case next == nil && !make:
			return r, errMissing
		case next == nil:
			if next, err = m.add(r, name, newDirNode(0o755)); err != nil {
				return r, err
			}
		case next.kind == 'l' && here.in.on[next] == nil:
			if last && !follow {
				r.name, r.link = name, next
				return r, nil
			}
			if links++; links > 40 || here.in.unknown {
				return r, errModel
			}
			if !next.made {
				r.via = append(r.via, treePlace{here.in, next})
			}
			if strings.HasPrefix(next.text, "/") {
				r.dirs = r.dirs[:1]
			}
			todo = append(strings.Split(next.text, "/"), todo...)
			continue
		}
		r.dirs = append(r.dirs, treePlace{here.in, next}.top())
	}
	return r, nil
}

// add creates a name in the directory at the end of a route.
func (m *treeModel) add(r route, name string, n *treeNode) (*treeNode, error) {
	at := r.last()
	switch {
	case at.at.kind != 'd' || at.in.creates == nowhere || at.at.names[name] != nil:
		return nil, errModel
	case at.in.creates == onHost && slices.ContainsFunc(r.via, func(l treePlace) bool { return l.in != at.in }):
		// By a link of one directory of the host nothing is created in another.
		return nil, errModel
	case at.in.attrs.has("ro"):
		return nil, errModel
	}
	n.made, n.change = true, true
	if at.in.creates == onHost {
		n.mode &^= 0o022
		n.by = at.in
	}
	at.at.names[name] = n
	return n, nil
}

// mountPoint finds where something is to be mounted, and creates it if it is missing.
func (m *treeModel) mountPoint(target string, isDir bool) (treePlace, error) {
	r, err := m.find(target, true, true)
	if err != nil {
		return treePlace{}, err
	}
	if r.isRoot() {
		return treePlace{}, errModel
	}
	if r.name == "" {
		p := r.last()
		if (p.at.kind == 'd') != isDir {
			err = errModel
		}
		return p, err
	}
	n := newDirNode(0o755)
	if !isDir {
		n = &treeNode{kind: 'f', mode: 0o444}
		if r.last().in.creates == onHost {
			n.mode = 0o644
		}
	}
	if n, err = m.add(r, r.name, n); err == nil {
		n.made = isDir // an empty file to mount on is not what a flag has created
	}
	return treePlace{r.last().in, n}, err
}

func (m *treeModel) mount(target string, mt *treeMount) error {
	p, err := m.mountPoint(target, mt.root.kind == 'd')
	if err != nil {
		return err
	}
	if mt.on == nil {
		mt.on = map[*treeNode]*treeMount{}
	}
	p.in.on[p.at] = mt
	return nil
}

// clone is a copy of the mounts at and below a place.
func (p treePlace) clone() *treeMount {
	c := *p.in
	c.root, c.on = p.at, map[*treeNode]*treeMount{}
	c.creates, c.own, c.change, c.late = nowhere, false, false, false
	p.at.walk(func(n *treeNode) {
		if m := p.in.on[n]; m != nil && n != p.at {
			c.on[n] = m.copyAll()
		}
	})
	return &c
}

func (m *treeMount) copyAll() *treeMount {
	c := treePlace{m, m.root}.clone()
	if on := m.on[m.root]; on != nil {
		c.on[m.root] = on.copyAll()
	}
	return c
}

func (n *treeNode) walk(visit func(*treeNode)) {
	visit(n)
	for _, child := range n.names {
		child.walk(visit)
	}
}

// each calls visit for a mount and those on it.
func (m *treeMount) each(visit func(*treeMount)) {
	visit(m)
	for _, on := range m.on {
		on.each(visit)
	}
}

// finish makes what is still to become read-only so, at a mount and those on it.
func (m *treeMount) finish() {
	m.each(func(c *treeMount) {
		if c.late {
			c.attrs, c.late = c.attrs.with("ro"), false
		}
	})
}

// A treePicture prints a tree as probe picture does.
type treePicture struct {
	leave []string
	lines []string
	// dirs and files are the paths of what can be looked into.
	dirs, files map[string]treePlace
	seen        map[*treeMount]bool
}

func (t *treePicture) below(p string) bool {
	return slices.ContainsFunc(t.leave, func(l string) bool { return p == l || strings.HasPrefix(p, l+"/") })
}

func (t *treePicture) look(p treePlace, at string) {
	if t.below(at) {
		return
	}
	p = p.top()
	t.seen[p.in] = true
	root := ""
	if p.isMountRoot() {
		root = "root"
	}
	mount := p.in.kind + " " + p.in.attrs.String()
	if p.in.opaque {
		t.lines = append(t.lines, strings.TrimSpace(fmt.Sprint("is ", at, " ", mount, " ", root)))
		return
	}
	mode, text := p.at.mode, p.at.text
	switch p.at.kind {
	case 'l':
		mode = 0
	case 'c':
		mode, text = 0, "opens"
		if p.in.attrs.has("nodev") {
			text = "EACCES"
		}
	case 'f':
		t.files[at] = p
	case 'd':
		t.dirs[at], text = p, ""
	}
	t.lines = append(t.lines, strings.TrimSpace(fmt.Sprintf("is %s %c %o %q %s %s", at, p.at.kind, mode, text, mount, root)))
	for name, child := range p.at.names {
		t.look(treePlace{p.in, child}, path.Join(at, name))
	}
}

// mounts prints a mount and those on it.
func (t *treePicture) mounts(m *treeMount, at string) {
	switch {
	case t.below(at):
		return
	case t.seen[m]:
		t.lines = append(t.lines, strings.TrimSpace(fmt.Sprint("mount ", at, " ", m.kind, " ", m.attrs, " ", m.limits)))
	default:
		t.lines = append(t.lines, fmt.Sprint("mount ", at, " covered"))
	}
	t.mountsOn(m, m.root, at)
}

func (t *treePicture) mountsOn(m *treeMount, n *treeNode, at string) {
	if on := m.on[n]; on != nil {
		t.mounts(on, at)
	}
	for name, child := range n.names {
		t.mountsOn(m, child, path.Join(at, name))
	}
}

// writes does what the probe does, and prints what that gives.
func (t *treePicture) writes() {
	for _, p := range slices.Sorted(maps.Keys(t.files)) {
		f, result := t.files[p], "ok"
		if f.in.attrs.has("ro") {
			result = "EROFS"
		} else {
			f.at.text, f.at.change = f.at.text+"+", true
		}
		t.lines = append(t.lines, fmt.Sprint("append ", p, " ", result))
	}
	for _, p := range slices.Sorted(maps.Keys(t.dirs)) {
		d, result := t.dirs[p], "ok"
		switch {
		case d.at.names[".w"] != nil:
			result = "EEXIST"
		case d.in.attrs.has("ro"):
			result = "EROFS"
		default:
			d.at.names[".w"] = &treeNode{kind: 'f', mode: 0o600, text: p, change: true}
		}
		t.lines = append(t.lines, fmt.Sprint("create ", p, " ", result))
	}
}

// picture is what the probe prints, and changes what that changes.
func (m *treeModel) picture(leave []string) []string {
	t := &treePicture{leave: leave, dirs: map[string]treePlace{}, files: map[string]treePlace{}, seen: map[*treeMount]bool{}}
	t.look(treePlace{m.root, m.root.root}, "/")
	t.mounts(m.root, "/")
	t.writes()
	for _, end := range m.gone {
		end()
	}
	slices.Sort(t.lines)
	return t.lines
}
