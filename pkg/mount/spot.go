package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"hk/pkg/plan"
)

// A spot is a name on the way to something protected.
type spot struct {
	parent   *spot
	name     string
	children []*spot
	kind     spotKind
	// target is that of a symbolic link.
	target string
	// creates is set for a symbolic link on the way to a missing name.
	creates bool
	// known is set for what the plan has created, which only the payload can change.
	known bool
	// readOnly is set in a tree in which the payload can change nothing.
	readOnly bool
	// inReadOnly is set in a directory that is protected.
	inReadOnly bool
	// protect is what was asked for, and flag what has asked for it.
	protect protect
	flag    string
	// dir is the descriptor in which the names in it are looked up, or nil.
	dir *plan.Result
}

type spotKind uint8

const (
	isMissing spotKind = iota
	isDirectory
	isFile
	isLink
)

func (s *spot) abs() string {
	if s.parent == nil {
		return ""
	}
	return path.Join(s.parent.abs(), s.name)
}

// spotIn returns a name in a directory.
func (b *builder) spotIn(dir *spot, name string) (*spot, error) {
	for _, s := range dir.children {
		if s.name == name {
			return s, nil
		}
	}
	s := &spot{parent: dir, name: name}
	if err := b.see(s); err != nil {
		return nil, err
	}
	dir.children = append(dir.children, s)
	return s, nil
}

// see finds out what a spot is.
func (b *builder) see(s *spot) error {
	p := s.abs()
	on, rest := b.mountAt(p, len(b.mounts))
	s.readOnly = on.readOnly || on.masked || b.sealedAt(p)
	switch {
	case on.kind == file:
		s.known, s.kind = rest == "", isFile
		return nil
	case on.kind == dir:
		s.known = true
		on.look(s, rest)
		return nil
	case rest == "":
		s.kind = isDirectory
		return nil
	case on.masked, on.whole, b.seeMade(s):
		return nil
	case on.source == "":
		return fmt.Errorf("the contents of %s cannot be known in advance", on.what)
	}
	if on.single {
		for i, c := range rest {
			if dir := path.Join(on.source, rest[:i]); c == '/' && b.Host.IsMount(dir) {
				return fmt.Errorf("the contents of %s cannot be known in advance: on the host, something is mounted there", dir)
			}
		}
	}
	return b.seeOnHost(s, path.Join(on.source, rest))
}

// seeMade finds out what a spot is that the plan has created in a tree of others, and
// reports whether it has.
func (b *builder) seeMade(s *spot) bool {
	n := b.tree
	for _, name := range split("/" + s.abs()) {
		if n = n.children[name]; n == nil {
			return false
		}
	}
	switch {
	case n.kind == link && !n.found:
		s.kind, s.target = isLink, n.target
	case n.kind == file && n.created:
		s.kind = isFile
	case n.kind == foreign && n.created:
		s.kind = isDirectory
	default:
		return false
	}
	return true
}

// look finds out what a spot is in a file system of the plan's own.
func (n *node) look(s *spot, rest string) {
	for _, name := range split("/" + rest) {
		if n = n.children[name]; n == nil {
			return
		}
	}
	s.kind, s.target = n.spot(), n.target
}

// spot is the kind of spot where a node is.
func (n *node) spot() spotKind {
	switch n.kind {
	case link:
		return isLink
	case file:
		return isFile
	}
	return isDirectory
}

// seeOnHost looks at what a spot is on the host. The directories of the way have been
// looked at before, so none of them is a symbolic link.
func (b *builder) seeOnHost(s *spot, p string) error {
	if made := b.noted(p); made != nil {
		s.kind, s.target = made.spot(), made.target
		return nil
	}
	mode, err := b.Host.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.readOnly = s.readOnly || b.Host.ReadOnly(path.Dir(p))
		return nil
	case err != nil:
		return err
	case mode&fs.ModeSymlink != 0:
		s.kind = isLink
		s.target, _, err = b.Host.Readlink(p)
	case !mode.IsDir():
		s.kind = isFile
	case mode&fs.ModeSticky != 0 && mode.Perm()&^0o055 == 0o500:
		// The placeholder of another run may disappear at any time.
		var names []fs.DirEntry
		if names, err = b.Host.ReadDir(p); err == nil && len(names) > 0 {
			s.kind = isDirectory
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	default:
		s.kind = isDirectory
	}
	return err
}
