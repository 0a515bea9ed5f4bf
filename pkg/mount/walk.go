package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A walker follows a path through the tree.
type walker struct {
	*builder
	// make is set if missing directories of the plan are created.
	make bool
	// cur is the directory that it has reached: abs from the root, and rel from base.
	cur            *node
	base           *plan.Result
	abs, rel, todo []string
	links          int
	via            []by
}

// locate follows p through the tree. Missing directories in the path are created if
// make is set. A symbolic link in the last component is not followed.
func (b *builder) locate(p string, make bool) (place, error) { return b.walk(p, make, false) }

// follow is like locate, for something that must exist: a symbolic link in the last
// component is followed.
func (b *builder) follow(p string, make bool) (place, error) { return b.walk(p, make, true) }

// target is follow for the target of an entry, where [Mounts.NoFollow] applies.
func (b *builder) target(p string, make bool) (place, error) {
	if !b.noFollow {
		return b.follow(p, make)
	}
	at, err := b.locate(p, make)
	if err == nil && at.node != nil && at.node.kind == link {
		return at, ErrLink
	}
	return at, err
}

func (b *builder) walk(p string, make, last bool) (place, error) {
	if !path.IsAbs(p) {
		return place{}, errAbsolute
	}
	if strings.ContainsRune(p, 0) {
		return place{}, errors.New("a null byte in the path")
	}
	w := walker{builder: b, make: make}
	w.restart(split(p))
	for {
		for len(w.todo) > 1 || len(w.todo) == 1 && w.todo[0] == ".." {
			if err := w.step(); err != nil {
				return place{}, err
			}
		}
		if len(w.todo) == 0 {
			return w.here(), nil
		}
		at := w.last()
		if !last || at.node == nil || at.node.kind != link {
			return at, nil
		}
		if err := w.follow(at.node); err != nil {
			return place{}, err
		}
	}
}

// restart begins at the root with a path whose first directories are without links.
func (w *walker) restart(names []string) {
	w.cur, w.base, w.abs, w.rel, w.todo = w.tree, w.root, nil, nil, names
}

// step goes on to the next name, which is not the last one.
func (w *walker) step() error {
	name := w.todo[0]
	if name == ".." {
		return w.up()
	}
	next := w.child(name)
	switch {
	case next == nil && !w.make:
		return missing("/" + join(append(w.abs, name)))
	case next == nil:
		next = newDir()
		w.Add(plan.Mkdirat(plan.Ref(w.base), join(append(w.rel, name)), w.parents))
		w.cur.set(name, next)
	case next.kind == link:
		return w.follow(next)
	case next.kind == file:
		return fmt.Errorf("/%s %w", join(append(w.abs, name)), ErrIsFile)
	}
	w.enter(name, next)
	return nil
}

// missing is the error for a directory, after symbolic links, that does not exist.
type missing string

func (m missing) Error() string { return string(m) + ": " + unix.ENOENT.Error() }
func (m missing) Unwrap() error { return unix.ENOENT }

func (w *walker) enter(name string, next *node) {
	w.abs, w.rel, w.todo, w.cur = append(w.abs, name), append(w.rel, name), w.todo[1:], next
	if next.fd != nil {
		w.base, w.rel = next.fd, nil
	}
}

// up goes to the parent directory, from where the path has led without links. So .. in
// the target of a link leads where it does in the kernel.
func (w *walker) up() error {
	if w.cur.absent {
		return missing("/" + join(w.abs))
	}
	names := append([]string{}, w.abs[:max(len(w.abs)-1, 0)]...)
	w.restart(append(names, w.todo[1:]...))
	return nil
}

// follow follows a symbolic link, which is the next name.
func (w *walker) follow(l *node) error {
	if l.procfs {
		return fmt.Errorf("/%s is a symbolic link of procfs, which is not followed", join(append(w.abs, w.todo[0])))
	}
	if w.links++; w.links > 40 {
		return unix.ELOOP
	}
	if l.found {
		w.via = append(w.via, by{w.cur.top(), l.stranger})
	}
	todo := append(namesIn(l.target), w.todo[1:]...)
	if path.IsAbs(l.target) {
		w.restart(todo)
	} else {
		w.todo = todo
	}
	return nil
}

// child is a name in the current directory, or nil if it is of the plan and does not
// exist.
func (w *walker) child(name string) *node {
	n := w.cur.children[name]
	// What did not exist may have come into being at another place.
	if again := n != nil && n.found && n.absent && len(w.made) > 0; n != nil && !again || w.cur.kind == dir {
		return n
	}
	n = w.find(name)
	w.cur.set(name, n)
	return n
}

// find looks up a name in a foreign directory. If nothing is found there, the result is
// a directory, in case that it is created or exists later.
func (w *walker) find(name string) *node {
	n := &node{kind: foreign, mount: w.cur.top(), found: true}
	p := path.Join(w.cur.source, name)
	switch {
	case w.cur.whole:
		n.absent = true
		return n
	case w.cur.source == "":
		n.absent, n.unsure = w.cur.absent, !w.cur.absent
		return n
	case w.cur.absent:
		n.absent, n.source = true, p // what it is when it has been created
		return n
	}
	if made := w.noted(p); made != nil {
		n.kind, n.target, n.created, n.found = made.kind, made.target, made.created, false
		if n.kind == foreign {
			n.source = p
		}
		return n
	}
	mode, err := w.Host.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.absent, n.source = true, p
	case err != nil:
		n.unsure = true
	case mode&fs.ModeSymlink != 0:
		n.kind = link
		n.procfs = w.Host.InProcfs(w.cur.source)
		var owner uint32
		if n.target, owner, err = w.Host.Readlink(p); err != nil {
			n.kind, n.unsure = foreign, true
		}
		n.stranger = !w.Host.Trusts(owner)
	case mode.IsDir() && (!w.cur.top().single || !w.Host.IsMount(p)):
		n.source = p
	case mode.IsDir():
	default:
		n.kind = file
	}
	return n
}

// here is the place that is reached with no name left: the root, or where .. has led.
func (w *walker) here() place {
	if len(w.abs) == 0 {
		if w.cur.kind == foreign {
			return place{abs: ".", inside: w.cur, rest: ".", there: dirThere}
		}
		return place{abs: ".", known: true, base: w.base, path: ".", node: w.cur}
	}
	all := w.abs
	w.restart(nil)
	for _, name := range all[:len(all)-1] {
		w.todo = []string{name}
		w.enter(name, w.cur.children[name])
	}
	w.todo = all[len(all)-1:]
	return w.last()
}

// last is the place of the last name.
func (w *walker) last() place {
	name := w.todo[0]
	next := w.child(name)
	at := place{abs: join(append(w.abs, name)), parent: w.cur, name: name, linked: w.links > 0, via: w.via}
	switch {
	case next != nil && next.kind == dir && next.fd != nil:
		at.known, at.base, at.path, at.node = true, next.fd, ".", next
	case next != nil && next.kind == foreign && next.mount == nil:
		at.inside, at.rest, at.there = next, ".", dirThere
	case w.cur.kind == foreign:
		at.inside, at.rest = w.cur.top(), w.inMount(name)
		at.there = next.there()
		if next.kind != foreign {
			at.node = next
		}
	default:
		at.known, at.base, at.path, at.node = true, w.base, join(append(w.rel, name)), next
	}
	return at
}
