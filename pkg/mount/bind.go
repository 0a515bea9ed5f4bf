package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A source is a host file to bind mount.
type source struct {
	path  string
	isDir bool
	// real is the path by which it is opened, and loose means that no component of it
	// may be a symbolic link: see host.Found.
	real  string
	loose bool
}

// source looks up a file on the host. The bind mount is made of what its name leads to
// when the plan is performed; if that has become a directory, or has stopped being one,
// it no longer fits its mount point and the plan fails. Symbolic links that other users
// could create are not followed.
func (b *builder) source(p string) (source, error) {
	if p == "" {
		return source{}, errors.New("an empty path")
	}
	if !filepath.IsAbs(p) {
		if b.Host.Dir == "" {
			return source{}, errors.New("the path is relative, and the working directory has no name")
		}
		p = b.Host.Dir + "/" + p
	}
	if !strings.Contains(p, "..") { // after a symbolic link .. is a different directory
		p = path.Clean(p)
	}
	f, err := b.Host.Look(p)
	if err != nil {
		return source{}, err
	}
	return source{p, f.IsDir, f.Path, f.Loose}, nil
}

// open opens a source that another user could change: no component that was not a
// symbolic link before may be one now.
func (b *builder) open(src source) *plan.Result {
	return b.Open("source", plan.Openat2(plan.AtCwd(), src.real, unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS).
		Hint(unix.ELOOP, "it, or a directory in its path, has become a symbolic link since it was checked").
		Hint(unix.ENOENT, "it has been removed since it was checked"))
}

// clone is cloneTree for a source.
func (b *builder) clone(name string, src source, attrs plan.MountAttr, flags uint64) *plan.Result {
	if !src.loose {
		return b.cloneTree(name, plan.AtCwd(), src.path, attrs, flags)
	}
	at := b.open(src)
	tree := b.cloneTree(name, plan.Ref(at), "", attrs, flags)
	b.Add(plan.Close(at))
	return tree
}

// cloneTree makes a detached copy of the mounts at a path, with attributes. The copy is
// private, because what would be mounted later where it came from would have none of
// the attributes. Without attributes it is a slave: later mounts appear in it, and
// nothing propagates back. flags are AT_RECURSIVE and AT_SYMLINK_NOFOLLOW.
func (b *builder) cloneTree(name string, dir plan.Arg, p string, attrs plan.MountAttr, flags uint64) *plan.Result {
	at := unix.AT_EMPTY_PATH | flags&unix.AT_RECURSIVE
	flags |= unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if p == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	tree := b.Open(name, plan.OpenTree(dir, p, flags).
		Hint(unix.EINVAL, "in a user namespace a directory with mounts below it can be bind mounted only together with them: remove norec, or, in an fstab, use rbind instead of bind"))
	attrs.Propagation = unix.MS_PRIVATE
	if attrs.Set|attrs.Clear == 0 {
		attrs.Propagation = unix.MS_SLAVE
	}
	b.Add(plan.MountSetattr(plan.Ref(tree), "", at, attrs).
		Hint(unix.EPERM, "in a user namespace the access time options of host mounts are locked: remove noatime and similar options"))
	b.attrs[tree] = attrs
	return tree
}

func (b *builder) bind(e Entry) error {
	src, err := b.source(e.Source)
	if err != nil {
		if (e.Kind == TryReadOnly || e.Kind == TryBind) && errors.Is(err, fs.ErrNotExist) {
			b.Skip(fmt.Sprintf("--%s %s: %v", e.Kind, e.Source, err))
			return nil
		}
		return err
	}
	set := uint64(nosuidNodev)
	switch e.Kind {
	case ReadOnlyBind, TryReadOnly:
		set |= unix.MOUNT_ATTR_RDONLY
	case DeviceBind:
		set = unix.MOUNT_ATTR_NOSUID
	}
	attrs, rest, err := parseAttrs(e.Options, set)
	if err != nil {
		return err
	}
	ids, rest, err := takeIDMap(rest)
	if err != nil {
		return err
	}
	flags := uint64(unix.AT_RECURSIVE)
	for _, o := range rest {
		if o != "norec" {
			return fmt.Errorf("unknown option %q", o)
		}
		flags = 0
	}
	if (e.Kind == ReadOnlyBind || e.Kind == TryReadOnly) && attrs.Set&unix.MOUNT_ATTR_RDONLY == 0 {
		return errors.New("option rw: use --rw or --try-rw")
	}
	target := e.Target
	if target == "" {
		target = src.path
	}
	at, err := b.mountPoint(target, src.isDir)
	if err != nil {
		return err
	}
	as := &node{kind: file}
	if src.isDir {
		as = newBound(src.path)
	}
	tree := b.clone("tree", src, attrs, flags)
	if ids != nil {
		if err := b.idmap(tree, ids, flags); err != nil {
			return err
		}
	}
	b.attach(tree, at, as)
	return nil
}

// systemDirs are the directories of the host that --rootfs / uses.
var systemDirs = []string{"bin", "etc", "lib", "lib32", "lib64", "sbin", "usr"}

// rootfs bind mounts the system directories of a root, read-only. Symbolic links at its
// top level are copied. For the host's own root the directories are a fixed list; for
// any other root they are all except proc.
func (b *builder) rootfs(root string) error {
	names := systemDirs
	src, err := b.source(root)
	if err != nil {
		return err
	}
	if src.path != "/" {
		list, err := b.Host.ReadDir(src.path)
		if err != nil {
			return err
		}
		names = nil
		for _, e := range list {
			if e.Name() != "proc" {
				names = append(names, e.Name())
			}
		}
	}
	dir := plan.AtCwd()
	if src.loose {
		at := b.open(src)
		dir = plan.Ref(at)
		defer func() { b.Add(plan.Close(at)) }()
	}
	for _, name := range names {
		from := strings.TrimSuffix(src.path, "/") + "/" + name
		mode, err := b.Host.Lstat(from)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", from, err)
		case mode&fs.ModeSymlink != 0:
			text, _, err := b.Host.Readlink(from)
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			err = b.symlink(Entry{Source: text, Target: "/" + name})
			if err != nil {
				return err
			}
		case mode.IsDir():
			at, err := b.mountPoint("/"+name, true)
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			// It was a directory. If it has become a symbolic link by the time of the
			// bind mount, that is not followed, and does not fit the mount point.
			what := from
			if src.loose {
				what = name
			}
			tree := b.cloneTree("tree", dir, what, plan.MountAttr{Set: nosuidNodev | unix.MOUNT_ATTR_RDONLY},
				unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
			b.attach(tree, at, newBound(from))
		}
	}
	return nil
}

// readOnly bind mounts a place on itself, read-only, with everything mounted below it.
func (b *builder) readOnly(target string) error {
	at, err := b.follow(target, false)
	if err != nil {
		return err
	}
	if at.isRoot() {
		return errors.New("the root itself is read-only without --writable-root")
	}
	if at.known && at.node == nil {
		return unix.ENOENT
	}
	from := b.lookup(at, 0)
	if !b.inPlace {
		b.Add(plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_PRIVATE}))
	}
	tree := b.Open("tree", plan.OpenTree(plan.Ref(from), "",
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE))
	if !b.inPlace {
		b.Add(unbindable(b.root))
	}
	attrs := plan.MountAttr{Set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
	b.Add(plan.MountSetattr(plan.Ref(tree), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attrs),
		plan.MoveMount(tree, plan.Ref(from), ""))
	b.attrs[tree] = attrs
	b.unshare(tree)
	b.Add(plan.Close(tree), plan.Close(from))
	switch {
	case !at.known:
		at.inside.forget()
	case at.node.kind == dir:
		at.parent.children[at.name] = newForeign(target + ", which is read-only")
	}
	return nil
}

var attrOptions = []struct {
	name       string
	set, clear uint64
}{
	{"ro", unix.MOUNT_ATTR_RDONLY, 0},
	{"rw", 0, unix.MOUNT_ATTR_RDONLY},
	{"nosuid", unix.MOUNT_ATTR_NOSUID, 0},
	{"suid", 0, unix.MOUNT_ATTR_NOSUID},
	{"nodev", unix.MOUNT_ATTR_NODEV, 0},
	{"dev", 0, unix.MOUNT_ATTR_NODEV},
	{"noexec", unix.MOUNT_ATTR_NOEXEC, 0},
	{"exec", 0, unix.MOUNT_ATTR_NOEXEC},
	// The access time options are a field, not single bits.
	{"noatime", unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME},
	{"relatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"strictatime", unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	{"atime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"nodiratime", unix.MOUNT_ATTR_NODIRATIME, 0},
	{"diratime", 0, unix.MOUNT_ATTR_NODIRATIME},
	{"nosymfollow", unix.MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"symfollow", 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
}

// parseAttrs applies mount(8)'s names for attributes to the default attributes; other
// options are returned. An option that clears one of hk's attributes keeps that of the
// host's mount; the access time option is replaced.
func parseAttrs(options string, set uint64) (plan.MountAttr, []string, error) {
	attrs := plan.MountAttr{Set: set}
	var rest []string
	if options == "" {
		return attrs, nil, nil
	}
option:
	for _, o := range getopt.List(options) {
		if o == "" {
			return attrs, nil, errors.New("an empty option")
		}
		for _, a := range attrOptions {
			if a.name == o {
				attrs.Set = attrs.Set&^a.clear | a.set
				attrs.Clear |= a.clear & unix.MOUNT_ATTR__ATIME
				continue option
			}
		}
		rest = append(rest, o)
	}
	return attrs, rest, nil
}
