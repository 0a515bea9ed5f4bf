package mount

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Protections are made after all other mounts, each after those of its parents. A name
// can be protected only if it leads to the same file later: a process that may write to
// a directory could rename it, and create another one with other contents. A directory
// on which something is mounted cannot be renamed, nor can a symbolic link. So each
// directory and each symbolic link on the way is bind mounted on itself, and what is in
// it is looked up in that mount.
//
// How the way looks is found out on the host when the plan is made. When it is performed,
// each name is opened once, without following a symbolic link; if it is something else by
// then, the plan fails.

// protect is how a name is protected. Of several for one name the largest applies.
type protect uint8

const (
	none protect = iota
	protectReadOnly
	protectDeny
)

func parseProtect(options string) (protect, error) {
	switch options {
	case "", "deny":
		return protectDeny, nil
	case "ro":
		return protectReadOnly, nil
	}
	return none, fmt.Errorf("%q is neither deny nor ro", options)
}

// parseProtected is parseTarget for --protect.
func parseProtected(v string) (Entry, error) {
	e, err := parseTarget(v)
	if err == nil {
		_, err = parseProtect(e.Options)
	}
	return e, err
}

var errChanged = errors.New("it has changed since it was looked at: start again")

// protects reports whether there is anything to protect.
func (m *Mounts) protects() bool {
	return slices.ContainsFunc(m.Entries, func(e Entry) bool { return e.Kind == Protect })
}

// protectAll adds the ops of all --protect flags.
func (m *Mounts) protectAll(b *builder) error {
	if !m.protects() {
		return nil
	}
	if err := b.mayHold(); err != nil {
		return fmt.Errorf("--protect: %w", err)
	}
	root := &spot{kind: isDirectory, known: true}
	if b.tree.kind == foreign {
		root.known, root.dir = false, b.root
	}
	for _, e := range m.Entries {
		if e.Kind != Protect {
			continue
		}
		flag := "--protect " + e.Target
		how, err := parseProtect(e.Options)
		if err == nil {
			b.For(flag)
			err = b.wayTo(root, e.Target, how, flag)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	b.bindableRoot(true)
	b.guard(root)
	b.For("")
	return nil
}

// mayHold returns an error if there may be processes that outlive what holds the locks of
// the placeholders, and lose their protection when another run removes them. In a chain
// that is not fused the supervisor may be PID 1 itself.
//
// It also returns one if the payload could enter another mount namespace. The kernel lets
// a process rename and remove a mount point unless something is mounted there in the
// process's own mount namespace: with an open directory of the old one, and a new one in
// which it has unmounted everything, it could do that.
func (b *builder) mayHold() error {
	switch {
	case b.NS.New&unix.CLONE_NEWPID == 0 && (!b.Host.Handover.PIDs || b.Host.PID != 1):
		return errors.New("it needs a new PID namespace, so that no process remains when the protection ends: hk-unshare --pid")
	case !b.NS.NoNested && !b.Host.NoNested():
		return errors.New("the payload must not create a user namespace, from which it could rename what is protected: hk-unshare --user --no-nested-userns")
	case b.inPlace && b.NS.New&unix.CLONE_NEWNS == 0:
		return errors.New("in place it needs a mount namespace of the same chain: hk-unshare --mount")
	case b.Child.Outlive:
		return errors.New("the payload must end with the supervisor, which hk-unshare --outlive prevents")
	case b.NS.New&unix.CLONE_NEWPID != 0 && !b.NS.Init:
		return errors.New("it needs an init, without which the payload could outlive the supervisor: create the PID namespace with hk-unshare --pid, and join others with an hk-unshare of its own before it")
	}
	return nil
}

// wayTo adds the way to a target to the spots.
func (b *builder) wayTo(root *spot, target string, how protect, flag string) error {
	if !path.IsAbs(target) || strings.ContainsRune(target, 0) {
		return errAbsolute
	}
	cur, todo := root, split(target)
	if len(todo) == 0 {
		return errors.New("the root itself: see --root")
	}
	var links []*spot
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			if cur.parent != nil {
				cur = cur.parent
			}
			continue
		}
		next, err := b.spotIn(cur, name)
		if err != nil {
			return fmt.Errorf("/%s: %w", path.Join(cur.abs(), name), err)
		}
		if next.flag == "" {
			next.flag = flag
		}
		switch {
		case next.kind == isLink:
			if links = append(links, next); len(links) > 40 {
				return unix.ELOOP
			}
			if path.IsAbs(next.target) {
				cur = root
			}
			todo = append(namesIn(next.target), todo...)
			continue
		case next.kind == isFile && len(todo) > 0:
			// As the .git of a worktree: nothing can be in it unless it is replaced.
			how, todo = protectReadOnly, nil
		case next.kind == isMissing:
			todo = nil
			for _, l := range links {
				l.creates = true
			}
		}
		cur = next
	}
	if cur == root {
		return errors.New("it leads to the root itself")
	}
	if how > cur.protect {
		cur.protect, cur.flag = how, flag
	}
	return nil
}

// namesIn splits the target of a symbolic link, in which .. is resolved only once the
// names before it are.
func namesIn(target string) []string {
	return slices.DeleteFunc(strings.Split(target, "/"), func(n string) bool { return n == "" || n == "." })
}

// guard protects what is in a directory, and then what is in those.
func (b *builder) guard(dir *spot) {
	var missing []*spot
	for _, s := range dir.children {
		s.inReadOnly = dir.inReadOnly || dir.protect != none
		if s.kind == isMissing {
			missing = append(missing, s)
			continue
		}
		b.For(s.flag)
		at := dir.dir
		if at == nil {
			at = b.root
		}
		if !s.known || s.protect != none || b.payloadWrites(dir) {
			b.guardOne(at, s)
		}
		if s.protect != protectDeny {
			b.guard(s)
		}
		if s.dir != nil {
			b.Add(plan.Close(s.dir))
		}
	}
	b.guardMissing(dir, missing)
}

// openSpot opens a name of a directory, without following a symbolic link.
func (b *builder) openSpot(dir *plan.Result, s *spot) *plan.Result {
	const hint = "it has changed since it was looked at: start again"
	flags := uint64(unix.O_PATH | unix.O_CLOEXEC)
	switch s.kind {
	case isLink:
		flags |= unix.O_NOFOLLOW
	case isDirectory, isMissing:
		flags |= unix.O_DIRECTORY
	}
	name, resolve := s.name, uint64(unix.RESOLVE_NO_SYMLINKS)
	if dir == b.root {
		// The directories on the way are the plan's, or there are none.
		name, resolve = s.abs(), resolve|unix.RESOLVE_IN_ROOT
	}
	return b.Open("at", plan.Openat2(plan.Ref(dir), name, flags, 0, resolve).
		Hint(unix.ENOENT, hint).Hint(unix.ELOOP, hint).Hint(unix.ENOTDIR, hint))
}

// guardOne protects what exists, or keeps it from being renamed.
func (b *builder) guardOne(dir *plan.Result, s *spot) {
	at := b.openSpot(dir, s)
	if s.kind == isLink && !s.known {
		b.checkLink(at, s)
	}
	if s.protect == protectDeny {
		b.coverWith(at, b.newCover(s.kind == isDirectory, "0000"))
		return
	}
	s.dir = b.bindOnItself(at, s)
	b.Add(plan.Close(at))
}

// coverWith mounts a cover on what a descriptor refers to, and closes both.
func (b *builder) coverWith(at, cover *plan.Result) {
	b.Add(plan.MoveMount(cover, plan.Ref(at), ""))
	b.unshare(cover)
	b.Add(plan.Close(cover), plan.Close(at))
}

// bindOnItself bind mounts what a descriptor refers to on itself, with all mounts on it,
// and returns the new mount. The mount that it is part of may become read-only only when
// the root is entered.
func (b *builder) bindOnItself(at *plan.Result, s *spot) *plan.Result {
	attrs := plan.MountAttr{Propagation: unix.MS_PRIVATE}
	if s.protect == protectReadOnly {
		attrs.Set = unix.MOUNT_ATTR_RDONLY
	}
	tree := b.Open("tree", plan.OpenTree(plan.Ref(at), "",
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE))
	b.attrs[tree] = attrs
	b.Add(plan.MountSetattr(plan.Ref(tree), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attrs))
	if s.readOnly && s.protect == none {
		b.Add(plan.MountSetattr(plan.Ref(tree), "", unix.AT_EMPTY_PATH, plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY}))
	}
	b.Add(plan.MoveMount(tree, plan.Ref(at), ""))
	b.unshare(tree)
	return tree
}

// guardMissing keeps names from coming into being in a directory.
func (b *builder) guardMissing(dir *spot, missing []*spot) {
	var possible, never []*spot
	for _, s := range missing {
		switch {
		case s.inReadOnly, s.readOnly && dir.known: // so is what it is in
		case s.readOnly:
			never = append(never, s)
		case dir.known && !b.payloadWrites(dir):
		default:
			possible = append(possible, s)
		}
	}
	if len(never) > 0 {
		b.checkNever(dir.dir, never)
	}
	switch {
	case len(possible) == 0:
	case dir.known:
		b.guardOwn(dir, possible)
	default:
		b.For("")
		b.holdAll(dir.dir, possible)
		for _, s := range possible {
			b.For(s.flag)
			b.coverWith(s.dir, b.newCover(true, "0555"))
		}
	}
}

// guardOwn is guardMissing for a directory of the plan's own.
func (b *builder) guardOwn(dir *spot, missing []*spot) {
	parent := b.root
	if dir.parent != nil {
		parent = b.openSpot(b.root, dir)
	}
	for _, s := range missing {
		b.For(s.flag)
		b.Add(plan.Mkdirat(plan.Ref(parent), s.name, 0o555))
		b.coverWith(b.openSpot(parent, s), b.newCover(true, "0555"))
	}
	if parent != b.root {
		b.Add(plan.Close(parent))
	}
}

// payloadWrites reports whether the payload may create and rename names in a directory
// that the plan has created.
func (b *builder) payloadWrites(dir *spot) bool {
	on, _ := b.mountAt(dir.abs(), len(b.mounts))
	if on == b.tree {
		return on.kind == foreign || b.writable
	}
	return !on.readOnly
}
