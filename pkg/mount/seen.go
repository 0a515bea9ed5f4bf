package mount

import "strings"

// A mounted is a mount that the plan has made, in the order of the mounts: on a path the
// last one counts whose mount point is the path or leads to it.
type mounted struct {
	// at is the mount point in the root, without the first slash and without symbolic
	// links.
	at string
	on *node
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
