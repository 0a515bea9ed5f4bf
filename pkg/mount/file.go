package mount

import (
	"errors"
	"fmt"
	"path/filepath"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// directory creates a directory. It may exist already.
func (b *builder) directory(e Entry) error {
	p, err := parsePermission(e.Options, 0o755)
	if err != nil {
		return err
	}
	at, err := b.target(e.Target, true)
	switch {
	case err != nil:
		return err
	case !at.known && at.there == fileThere:
		return unix.ENOTDIR
	case !at.known && !at.isRoot() && at.creates():
		parent, name, err := b.makeParents(at)
		if err != nil {
			return err
		}
		b.addCreate(at, plan.Mkdirat(plan.Ref(parent), name, p.mode).Tolerate(unix.EEXIST))
		b.Add(plan.Close(parent))
		b.note(at, &node{kind: foreign, created: true})
		at.parent.children[at.name].made()
		if p.owned || p.mode&^0o1777 != 0 { // mkdir(2) takes no other bits
			return b.chmodForeign(at, p)
		}
		return nil
	case !at.known && e.Options != "" && at.inside.host && b.changes && at.exists():
		return nil
	case !at.known && e.Options != "":
		return notChanged(at)
	case !at.known:
		b.Add(plan.Close(b.lookup(at, unix.O_DIRECTORY)))
		return nil
	case at.node == nil:
		b.Add(plan.Mkdirat(plan.Ref(at.base), at.path, p.mode))
		at.parent.set(at.name, newDir())
		if !p.owned && p.mode&^0o1777 == 0 {
			return nil
		}
	case at.node.kind == file:
		return unix.ENOTDIR
	case e.Options == "" || b.changes:
		return nil
	}
	d := b.Open("dir", plan.Openat(plan.Ref(at.base), at.path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	b.set(d, p)
	b.Add(plan.Close(d))
	return nil
}

// create finds the place for a new name, and rejects one that exists.
func (b *builder) create(target string) (place, error) {
	at, err := b.locate(target, true)
	switch {
	case err != nil:
		return at, err
	case at.isRoot() || at.known && at.parent == nil:
		return at, errors.New("the root itself")
	case at.exists():
		return at, nil
	case !at.known && at.inside.creates():
		at.base, at.path, err = b.makeParents(at)
	case !at.known:
		return at, fmt.Errorf("it would have to be created in %s, %w: mount a --tmpfs there first", at.inside.what, ErrNotCreated)
	}
	return at, err
}

// maxFile is the maximum size of a file's content, which is part of the plan.
const maxFile = 16 << 20

// file creates a file, or covers one that exists by one in memory.
func (b *builder) file(e Entry) error {
	p, err := parsePermission(e.Options, 0o644)
	if err != nil {
		return err
	}
	content := []byte(e.Source)
	if e.Kind != File {
		if content, err = b.read(e.Source, maxFile); err != nil {
			return &ContentError{e.Source, err}
		}
	}
	if e.Kind == Data || e.Kind == WritableData {
		return b.cover(e.Target, content, p, e.Kind == Data)
	}
	at, err := b.locate(e.Target, true)
	if err != nil {
		return err
	}
	if at.node != nil && at.node.kind == link && at.node.found { // what it leads to is covered, if it exists
		switch to, err := b.target(e.Target, false); {
		case errors.Is(err, ErrLink):
			return err
		case err == nil && b.covers(to):
			at = to
		}
	}
	if b.changes {
		if done, err := b.overwrite(at, content, p); done || err != nil {
			return err
		}
	}
	if b.covers(at) {
		return b.cover(e.Target, content, p, true)
	}
	if at, err = b.create(e.Target); err != nil {
		return err
	}
	if at.exists() {
		return unix.EEXIST
	}
	b.write(at, content, p)
	b.created(at, &node{kind: file, created: true})
	return nil
}

// overwrite replaces the content of a file that the plan has created, or that is in a
// writable mount of the host, if that is what is there. As for a mode, a symbolic link does
// not decide whose content that is.
//
// With O_CREAT the kernel refuses a file that another user has put into a directory like /tmp:
// fs.protected_regular in proc(5).
func (b *builder) overwrite(at place, content []byte, p permission) (done bool, err error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC | unix.O_NOCTTY | unix.O_NONBLOCK | unix.O_CLOEXEC
	var op *plan.Op
	switch {
	case at.isRoot(), at.there == dirThere, at.node != nil && at.node.kind != file && at.node.kind != link:
		return false, unix.EISDIR
	case at.node == nil, at.node.kind == link && !b.noFollow:
		return false, nil
	case at.node.kind == link:
		return false, ErrLink
	case at.known && at.node.created:
		op = plan.Openat(plan.Ref(at.base), at.path, flags|unix.O_NOFOLLOW, p.mode&0o777)
	case !at.known && at.inside.creates():
		if err := at.refuseLinks("changed"); err != nil {
			return false, err
		}
		op = plan.Openat2(plan.Ref(b.root), at.abs, flags, p.mode&0o777, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS)
	default:
		return false, nil
	}
	f := b.Open("file", op)
	if len(content) > 0 {
		b.Add(plan.Write(f, content))
	}
	b.Add(plan.Close(f))
	return true, nil
}

// write creates a file.
func (b *builder) write(at place, content []byte, p permission) {
	f := b.openNew("file", at, plan.Openat(plan.Ref(at.base), at.path,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, p.mode&0o777))
	if len(content) > 0 {
		b.Add(plan.Write(f, content))
	}
	if p.owned || p.mode > 0o777 {
		b.set(f, p)
	}
	b.Add(plan.Close(f))
}

// covers reports whether a new file is to be mounted over one that exists in a place,
// which the plan has not created.
func (b *builder) covers(at place) bool {
	return at.node != nil && at.node.kind == file && !at.node.created && !at.node.masked
}

// cover mounts a file in memory.
func (b *builder) cover(target string, content []byte, p permission, readOnly bool) error {
	if b.inPlace && b.NS.New&unix.CLONE_NEWNS == 0 {
		return errors.New("it exists, and to mount a file over it in place needs a mount namespace of the same chain: hk-unshare --mount")
	}
	at, err := b.mountPoint(target, false)
	if err != nil {
		return err
	}
	// A part of a file system can be cloned only from a mount of this namespace. Until
	// then it is on the root, where nothing is looked up meanwhile.
	m := b.newMount("tmpfs", nosuidNodev, [2]string{"mode", "0700"})
	b.Add(unbindable(m), plan.MoveMount(m, plan.Ref(b.root), "").Hint(unix.EINVAL, shared),
		plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_PRIVATE}))
	b.write(place{base: m, path: "file"}, content, p)
	attrs := plan.MountAttr{Set: nosuidNodev, Propagation: unix.MS_PRIVATE}
	if readOnly {
		attrs.Set |= unix.MOUNT_ATTR_RDONLY
	}
	tree := b.cloneTree("file", plan.Ref(m), "file", attrs, 0)
	b.Add(plan.Fchdir(m), plan.UmountDetach("."), plan.Close(m))
	b.attach(tree, at, &node{kind: file})
	return nil
}

// read reads a host file or standard input.
func (b *builder) read(name string, max int64) ([]byte, error) {
	if fd, ok := host.FDName(name); ok {
		content, err := host.ReadFD(fd)
		if int64(len(content)) > max {
			err = fmt.Errorf("more than %d MiB", max>>20)
		}
		return content, err
	}
	p := name
	if p != "-" && !filepath.IsAbs(p) {
		p = b.Host.Dir + "/" + p
	}
	if name == "-" || p[0] != '/' {
		return host.ReadInput(name, max)
	}
	found, err := b.Host.Look(p)
	if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
		return nil, err
	}
	if !found.Loose {
		return host.ReadInput(name, max)
	}
	return found.Read(max)
}

// A ContentError is for the content of a file that cannot be read.
type ContentError struct {
	Source string
	Err    error
}

func (e *ContentError) Error() string { return e.Source + ": " + e.Err.Error() }

func (e *ContentError) Unwrap() error { return e.Err }

// An EntryError is for an entry that cannot be made.
type EntryError struct {
	Entry Entry
	Err   error
}

func (e *EntryError) Error() string { return e.Entry.flag() + ": " + e.Err.Error() }

func (e *EntryError) Unwrap() error { return e.Err }

// What is wrong with a target: what is there is not what it would have to be.
var (
	ErrOnFile      = errors.New("a directory on a file")
	ErrOnDirectory = errors.New("a file on a directory")
	ErrIsFile      = errors.New("is a file") // on the way to the target
	ErrLink        = errors.New("it is a symbolic link, and --nofollow was given")
)

// Why something is not done at a target.
var (
	ErrNotCreated = errors.New("where nothing is ever created")
	ErrNotChanged = errors.New("where modes are never changed")
	// ErrNamespace is for a file system that in a new user namespace needs another one too.
	ErrNamespace = errors.New("in a new user namespace it also needs")
)

// An ExistsError is for a symbolic link that cannot be created because something is there:
// another symbolic link, whose target is Link, or anything else.
type ExistsError struct {
	Target, Link string
}

func (e *ExistsError) Error() string {
	if e.Link != "" {
		return fmt.Sprintf("%v: a symbolic link to %s", unix.EEXIST, e.Link)
	}
	return unix.EEXIST.Error()
}

func (e *ExistsError) Unwrap() error { return unix.EEXIST }

// symlink creates a symbolic link. One with the same target may exist already.
func (b *builder) symlink(e Entry) error {
	if e.Source == "" {
		return errors.New("an empty link target")
	}
	at, err := b.create(e.Target)
	if err != nil {
		return err
	}
	if at.node != nil && at.node.kind == link && at.node.target == e.Source {
		return nil
	}
	if at.exists() {
		there := &ExistsError{Target: e.Target}
		if at.node != nil && at.node.kind == link {
			there.Link = at.node.target
		}
		return there
	}
	op := plan.Symlinkat(e.Source, plan.Ref(at.base), at.path)
	if !at.known && (at.inside.host || at.there == unsure) {
		// It may be there, or another chain with this root may create it now.
		b.addCreate(at, op.Tolerate(unix.EEXIST))
		l := b.Open("link", plan.Openat2(plan.Ref(at.base), at.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS))
		b.compareLink(l, e.Source, func(_ uint32, same bool) error {
			if !same {
				return fmt.Errorf("/%s: %w", at.abs, unix.EEXIST)
			}
			return nil
		})
		b.Add(plan.Close(l))
	} else {
		b.addCreate(at, op)
	}
	b.created(at, &node{kind: link, target: e.Source})
	return nil
}

// created records what was created in the place found by create.
func (b *builder) created(at place, n *node) {
	at.parent.set(at.name, n)
	if !at.known {
		b.note(at, n)
		b.Add(plan.Close(at.base))
	}
}
