package mount

import "path"

// What the plan creates in a directory of the host is seen wherever that directory is in
// the root: in another bind mount of it, or of one above it.

// A hostName is a name on the host, or one that will be there: below the directory dev and
// ino, which exists when the plan is made, whatever its path is.
type hostName struct {
	dev, ino uint64
	rest     string
}

func (b *builder) hostName(p string) hostName {
	for rest := ""; ; {
		if dev, ino, err := b.Host.Inode(p); err == nil || p == "/" || p == "." {
			return hostName{dev, ino, rest}
		}
		rest, p = path.Join(path.Base(p), rest), path.Dir(p)
	}
}

// note records what the plan creates at a place.
func (b *builder) note(at place, n *node) {
	if at.inside == nil || !at.inside.host {
		return
	}
	p := at.inside.upper
	switch {
	case p != "":
		// The directories above it come into being too.
		names := split("/" + at.rest)
		for i := range names[:len(names)-1] {
			b.noteName(path.Join(p, join(names[:i+1])), &node{kind: foreign, created: true})
		}
		p = path.Join(p, at.rest)
	case at.parent.source != "":
		p = path.Join(at.parent.source, at.name)
	default:
		return
	}
	b.noteName(p, n)
}

func (b *builder) noteName(p string, n *node) {
	if b.made == nil {
		b.made = map[hostName]*node{}
	}
	name := b.hostName(p)
	if name.rest != "" { // or it exists anyway
		b.made[name] = n
	}
}

// noted is what the plan has created with a name of the host, or nil.
func (b *builder) noted(p string) *node {
	if len(b.made) == 0 {
		return nil
	}
	return b.made[b.hostName(p)]
}
