package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"hk/pkg/cause"
	"hk/pkg/getopt"
	"hk/pkg/ids"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A permission is the mode of a file or directory, and its owner if that is not who
// performs the plan.
type permission struct {
	mode     uint32
	owned    bool
	uid, gid uint32
}

// parsePermission parses MODE[:UID:GID]. If text is empty, the mode is the given one.
func parsePermission(text string, mode uint32) (permission, error) {
	p := permission{mode: mode}
	if text == "" {
		return p, nil
	}
	f := getopt.Value(text).Split(':')
	n, err := strconv.ParseUint(f[0].Text(), 8, 32)
	if err != nil || n > 0o7777 {
		return p, fmt.Errorf("%q is not an octal mode", f[0].Text())
	}
	p.mode = uint32(n)
	switch len(f) {
	case 1:
		return p, nil
	case 3:
		p.owned = true
		if p.uid, err = ids.Parse(f[1].Text()); err == nil {
			p.gid, err = ids.Parse(f[2].Text())
		}
		return p, err
	}
	return p, fmt.Errorf("%q is not MODE or MODE:UID:GID", text)
}

// mode is the mode of a file of the host, as for chmod(2).
func (b *builder) mode(p string) (uint32, error) {
	m, err := b.Host.Stat(p)
	mode := uint32(m.Perm())
	for bit, flag := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if m&flag != 0 {
			mode |= bit
		}
	}
	return mode, err
}

// set changes the owner and the mode of an open file. To change the owner clears bits
// of the mode.
func (b *builder) set(f *plan.Result, p permission) {
	if p.owned {
		b.Add(plan.Fchown(f, p.uid, p.gid).
			Because(unix.EINVAL, cause.Unmapped, "the ID is not mapped in the user namespace").
			Because(unix.EPERM, cause.Capability, "the owner can be changed only with CAP_CHOWN"))
	}
	b.Add(plan.Fchmod(f, p.mode))
}

// chmod changes the mode of what the plan has created, or of what is in an ephemeral
// root.
func (b *builder) chmod(e Entry) error {
	p, err := parsePermission(e.Options, 0)
	if err != nil {
		return err
	}
	at, err := b.target(e.Target, false)
	switch {
	case err != nil:
		return err
	case !at.known:
		return b.chmodForeign(at, p)
	case at.node == nil:
		return unix.ENOENT
	case at.node.masked:
		return errors.New("it is masked")
	case at.node.kind == file && !at.node.created:
		return fmt.Errorf("it is a file of the host, %w", ErrNotChanged)
	}
	f := b.Open("file", plan.Openat(plan.Ref(at.base), at.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0))
	b.set(f, p)
	b.Add(plan.Close(f))
	return nil
}

// notChanged is the error for a mode in a foreign mount.
func notChanged(at place) error {
	return fmt.Errorf("it is in %s, %w", at.inside.what, ErrNotChanged)
}

// chmodForeign is chmod in a tree that the plan did not create.
func (b *builder) chmodForeign(at place, p permission) error {
	if at.inside.host && b.changes {
		return b.chmodHost(at, p)
	}
	if !at.inside.writable || at.inside != b.tree {
		return notChanged(at)
	}
	// A bind mount in it is not the overlay, and must not change.
	f := b.Open("file", plan.Openat2(plan.Ref(b.root), at.abs, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV).
		Hint(unix.EXDEV, "it is in another mount, where modes are never changed"))
	b.set(f, p)
	b.Add(plan.Close(f))
	return nil
}

// chmodHost changes the mode of what is in a writable mount of the host, or of what the plan
// has created there. A symbolic link does not decide whose mode that is, as for what is
// created.
func (b *builder) chmodHost(at place, p permission) error {
	if err := at.refuseLinks("changed"); err != nil {
		return err
	}
	f := b.Open("file", plan.Openat2(plan.Ref(b.root), at.abs, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS))
	b.set(f, p)
	b.Add(plan.Close(f))
	return nil
}
