package mount

import (
	"errors"
	"path"
	"strings"

	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A mounted is a mount that the plan has made, in the order of the mounts: on a path the
// last one counts whose mount point is the path or leads to it.
type mounted struct {
	// at is the mount point in the root, without the first slash and without symbolic
	// links.
	at string
	on *node
	// attrs are its MOUNT_ATTR_*.
	attrs uint64
	// seals is set for a bind mount of what is there on itself, read-only, and alone if what
	// is mounted below is not.
	seals, alone bool
}

// mountAt is the mount in which a path without symbolic links is, among the first n
// mounts, and the rest of the path in it.
func (b *builder) mountAt(p string, n int) (on *node, rest string) {
	for i := n - 1; i >= 0; i-- {
		if m := b.mounts[i]; m.seals {
			continue
		} else if m.at == p {
			return m.on, ""
		} else if rest, ok := strings.CutPrefix(p, m.at+"/"); ok {
			return m.on, rest
		}
	}
	return b.tree, p
}

// sealedAt reports whether --read-only has made what is at a path read-only.
func (b *builder) sealedAt(p string) bool {
	for i := len(b.mounts) - 1; i >= 0; i-- {
		m := b.mounts[i]
		if m.at != p && !strings.HasPrefix(p, m.at+"/") {
			continue
		}
		if !m.seals {
			return false
		}
		// What it is in must not be mounted below.
		if _, rest := b.mountAt(p, i); !m.alone || len(p)-len(rest) <= len(m.at)+1 {
			return true
		}
	}
	return false
}

// points are the mount points of the mounts.
func (b *builder) points() []string {
	var list []string
	for _, m := range b.mounts {
		list = append(list, "/"+m.at)
	}
	return list
}

// see finds out what a path leads to once the plan is complete. Nothing is created.
func (m *Mounts) see(b *builder, p string) (stage.Seen, error) {
	s, err := b.seePath(p)
	if err != nil {
		return s, err
	}
	for _, e := range m.Entries {
		if e.Kind != Protect {
			continue
		}
		at, err := b.follow(e.Target, false)
		if err != nil || s.Path != "/"+at.abs && !strings.HasPrefix(s.Path, "/"+at.abs+"/") {
			continue
		}
		s.Protected = true
		if s.Attrs |= unix.MOUNT_ATTR_RDONLY; e.Options != "ro" {
			s.Masked = true
		}
	}
	return s, nil
}

func (b *builder) seePath(p string) (stage.Seen, error) {
	at, err := b.follow(p, false)
	if err != nil {
		s := stage.Seen{Path: path.Clean(p)}
		var m missing
		if errors.As(err, &m) && !strings.HasPrefix(s.Path+"/", string(m)+"/") {
			s.LedTo = string(m)
		}
		if errors.Is(err, unix.ENOENT) || errors.Is(err, ErrIsFile) || errors.Is(err, unix.ELOOP) {
			return s, err
		}
		s.Unsure = err.Error()
		return s, nil
	}
	s := stage.Seen{Path: path.Clean("/" + at.abs)}
	s.Attrs, s.Masked = b.attrsAt(at.abs)
	switch {
	case at.known:
		s.There = at.node != nil
		s.Dir = s.There && at.node.kind == dir
		if s.There && at.node.kind == file {
			s.Source = at.node.source
		}
		return s, nil
	case at.there == unsure:
		s.Unsure = "the contents of " + at.inside.what + " cannot be known in advance"
		return s, nil
	}
	s.There, s.Dir = at.there >= fileThere, at.there == dirThere
	created := at.node != nil && at.node.created
	switch from := at.inside.source; {
	case at.node != nil && at.node.kind == file && !at.node.found && !created:
		s.Source = at.node.source // a file is mounted there
	case from != "" && b.Host.InProcfs(from):
		s.Unsure = "it is in a procfs, which has other files for each process"
	case from != "" && s.There && !created:
		s.Source = path.Join(from, at.rest)
	}
	return s, nil
}

// attrsAt are the attributes of the mount that a path without symbolic links is in, and
// whether that is a mask.
func (b *builder) attrsAt(p string) (attrs uint64, masked bool) {
	on, _ := b.mountAt(p, len(b.mounts))
	attrs = b.rootAttrs
	for i := len(b.mounts) - 1; i >= 0; i-- {
		if m := b.mounts[i]; !m.seals && (m.at == p || strings.HasPrefix(p, m.at+"/")) {
			attrs = m.attrs
			break
		}
	}
	inMemory := on == b.tree && on.kind == dir && !b.inPlace && !b.writable
	if on.readOnly || inMemory || b.sealedAt(p) {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	return attrs, on.masked
}
