package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"hk/pkg/getopt"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// clone is cloneTree for a source.
func (b *builder) clone(name string, src source, attrs plan.MountAttr, flags uint64) *plan.Result {
	if src.named() {
		return b.cloneTree(name, plan.AtCwd(), src.path, attrs, flags)
	}
	at := b.open(src)
	tree := b.cloneTree(name, plan.Ref(at), "", attrs, flags)
	b.Add(plan.Close(at))
	return tree
}

// cloneTree makes a detached copy of the mounts at a path, with attributes. Unless they
// have a type of propagation, the copy is private, because what would be mounted later
// where it came from would have none of the attributes, or a slave if that was asked for.
// Without attributes it is a slave: later mounts appear in it, and nothing propagates
// back. flags are AT_RECURSIVE and AT_SYMLINK_NOFOLLOW.
func (b *builder) cloneTree(name string, dir plan.Arg, p string, attrs plan.MountAttr, flags uint64) *plan.Result {
	at := unix.AT_EMPTY_PATH | flags&unix.AT_RECURSIVE
	flags |= unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if p == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	tree := b.Open(name, plan.OpenTree(dir, p, flags).
		Hint(unix.EINVAL, "in a user namespace a directory with mounts below it can be bind mounted only together with them: remove norec, or, in an fstab, use rbind instead of bind"))
	if attrs.Propagation == 0 {
		attrs.Propagation = b.propagation(attrs)
	}
	b.Add(plan.MountSetattr(plan.Ref(tree), "", at, attrs).
		Hint(unix.EPERM, "in a user namespace the access time options of host mounts are locked: remove noatime and similar options"))
	b.attrs[tree] = attrs
	return tree
}

func (b *builder) bind(e Entry) error {
	src, err := b.sourceOf(e)
	if err != nil {
		if e.FD == 0 && (e.Kind == TryReadOnly || e.Kind == TryBind) && errors.Is(err, fs.ErrNotExist) {
			b.Skip(fmt.Sprintf("--%s %s: %v", e.Kind, e.Source, err))
			return nil
		}
		return err
	}
	attrs, flags, ids, err := bindOptions(e)
	if err != nil {
		return err
	}
	target := e.Target
	if target == "" {
		target = src.path
	}
	at, err := b.mountPoint(target, src.isDir)
	if err != nil {
		return err
	}
	as := &node{kind: file, source: b.inside(src)}
	if src.isDir {
		as = newBound(src.path)
		as.source, as.single = b.inside(src), flags == 0
		as.host = b.creates && attrs.Set&unix.MOUNT_ATTR_RDONLY == 0
		as.readOnly = attrs.Set&unix.MOUNT_ATTR_RDONLY != 0
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

// bindOptions returns the attributes of a bind mount, AT_RECURSIVE unless only the source
// itself is mounted, and its ID map, or nil.
func bindOptions(e Entry) (attrs plan.MountAttr, flags uint64, ids *idMap, err error) {
	set := uint64(nosuidNodev)
	switch e.Kind {
	case ReadOnlyBind, TryReadOnly:
		set |= unix.MOUNT_ATTR_RDONLY
	case DeviceBind:
		set = unix.MOUNT_ATTR_NOSUID
	}
	attrs, rest, err := parseAttrs(e.Options, set)
	if err != nil {
		return attrs, 0, nil, err
	}
	if ids, rest, err = takeIDMap(rest); err != nil {
		return attrs, 0, nil, err
	}
	flags = unix.AT_RECURSIVE
	for _, o := range rest {
		switch o {
		case "norec":
			flags = 0
		case "private":
			attrs.Propagation = unix.MS_PRIVATE
		default:
			return attrs, 0, nil, fmt.Errorf("unknown option %q", o)
		}
	}
	if ids != nil { // what appeared later would not be mapped
		attrs.Propagation = unix.MS_PRIVATE
	}
	if (e.Kind == ReadOnlyBind || e.Kind == TryReadOnly) && attrs.Set&unix.MOUNT_ATTR_RDONLY == 0 {
		return attrs, 0, nil, errors.New("option rw: use --rw or --try-rw")
	}
	return attrs, flags, ids, nil
}

func (b *builder) sourceOf(e Entry) (source, error) {
	if e.FD != 0 {
		return b.descriptor(e.FD)
	}
	return b.source(e.Source)
}

// systemDirs are the directories of the host that --rootfs / uses.
var systemDirs = []string{"bin", "etc", "lib", "lib32", "lib64", "sbin", "usr"}

// rootNames are the names in a root that --rootfs uses: for the host's own root a fixed
// list, and for any other all except proc.
func (b *builder) rootNames(src source) ([]string, error) {
	if src.path == "/" {
		return systemDirs, nil
	}
	list, err := b.Host.ReadDir(src.look())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.Name() != "proc" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// rootfs bind mounts the system directories of a root, read-only. Symbolic links at its
// top level are copied.
func (b *builder) rootfs(root string) error {
	src, err := b.source(root)
	if err != nil {
		return err
	}
	names, err := b.rootNames(src)
	if err != nil {
		return err
	}
	dir := plan.AtCwd()
	if !src.named() {
		at := b.open(src)
		dir = plan.Ref(at)
		defer func() { b.Add(plan.Close(at)) }()
	}
	for _, name := range names {
		from := path.Join(src.look(), name)
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
			if !src.named() {
				what = name
			}
			tree := b.cloneTree("tree", dir, what, plan.MountAttr{Set: nosuidNodev | unix.MOUNT_ATTR_RDONLY},
				unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
			as := newBound(path.Join(src.path, name))
			as.source, as.readOnly = b.inside(source{path: from, straight: from, here: src.here}), true
			b.attach(tree, at, as)
		}
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
