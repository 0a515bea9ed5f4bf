package mount

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"hk/pkg/host"
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
	// straight is the path without symbolic links, if that is known.
	straight string
	// here means that real starts at the working directory, whose name does not lead
	// there.
	here bool
	// handed means that the child may not search the directories in the path: the
	// supervisor opens it.
	handed bool
	// fd is the descriptor of the caller that was given, and what it refers to; or 0.
	fd int
	is host.Descriptor
}

// named reports whether its name suffices to find it.
func (s source) named() bool { return !s.loose && !s.here && !s.handed }

// inside is look for names in it, or "" if they are not known: ".." could lead elsewhere
// once there are more names, and in place the plan may have mounted something there.
func (b *builder) inside(s source) string {
	p := s.look()
	if s.straight == "" && strings.Contains(p, "..") || b.inPlace && b.mountedAt(s) {
		return ""
	}
	return p
}

// mountedAt reports whether the plan may have mounted something on or in a source that is
// in the root.
func (b *builder) mountedAt(s source) bool {
	if s.straight == "" || s.here {
		return len(b.mounts) > 0
	}
	n := b.tree
	for _, name := range split(s.straight) {
		if n = n.children[name]; n == nil || n.isMount() {
			return n != nil
		}
	}
	return n.hasMount()
}

// isMount reports whether the plan has mounted something on a node.
func (n *node) isMount() bool {
	switch n.kind {
	case file:
		return !n.found && !n.created
	case foreign:
		return n.mount == nil
	}
	return n.kind == dir
}

// hasMount reports whether the plan has mounted something below a node.
func (n *node) hasMount() bool {
	for _, child := range n.children {
		if child.isMount() || child.hasMount() {
			return true
		}
	}
	return false
}

// look is the path by which it is found on the host when the plan is made.
func (s source) look() string {
	switch {
	case s.straight != "":
		return s.straight
	case s.here:
		return s.real
	}
	return s.path
}

// source looks up a file on the host. The bind mount is made of what its name leads to
// when the plan is performed; if that has become a directory, or has stopped being one,
// it no longer fits its mount point and the plan fails. Symbolic links that other users
// could create are not followed.
func (b *builder) source(p string) (source, error) {
	if p == "" {
		return source{}, errors.New("an empty path")
	}
	relative := !filepath.IsAbs(p)
	if !strings.Contains(p, "..") { // after a symbolic link .. is a different directory
		p = path.Clean(p)
	}
	full := p
	if relative {
		if b.Host.Dir == "" {
			return source{}, errors.New("the path is relative, and the working directory has no name")
		}
		if full = b.Host.Dir + "/" + p; !strings.Contains(p, "..") {
			full = path.Clean(full)
		}
	}
	here := relative && b.cwd != nil
	if !here {
		p = full
	}
	f, err := b.Host.Look(p)
	if err != nil {
		return source{}, b.barrier(p, err)
	}
	here = here && !filepath.IsAbs(f.Path)
	return source{path: full, isDir: f.IsDir, real: f.Path, loose: f.Loose, straight: f.Straight, here: here, handed: b.handed(f.Reach)}, nil
}

// barrier says which directory on the way to a file is the reason for an error.
func (b *builder) barrier(p string, err error) error {
	for i := 1; i < len(p); i++ {
		if p[i] != '/' {
			continue
		}
		_, e := b.Host.Look(p[:i])
		switch {
		case e == nil:
		case errors.Is(err, unix.EACCES) && errors.Is(e, unix.EACCES):
			return fmt.Errorf("%w: %s may not be searched", err, path.Dir(p[:i]))
		case errors.Is(err, unix.ENOENT) && errors.Is(e, unix.ENOENT):
			return fmt.Errorf("%w: there is no %s", err, p[:i])
		default:
			return err
		}
	}
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %s may not be searched", err, path.Dir(p))
	}
	return err
}

// openHere opens the working directory if there is a relative source, and if the name of
// the working directory does not lead there: the caller may not search a directory in it,
// or something is mounted over it.
func (b *builder) openHere(m *Mounts) {
	if b.Plan.Isolated() || b.Root.New || b.Host.Dir == "" || b.Host.DirNamed == nil || !m.relative() || b.Host.DirNamed() {
		return
	}
	b.cwd = b.Open("cwd", plan.Openat(plan.AtCwd(), ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
}

// relative reports whether a source may be relative.
func (m *Mounts) relative() bool {
	is := func(p string) bool { return p != "" && !filepath.IsAbs(p) }
	if is(m.Root) && m.rootFD() == 0 {
		return true
	}
	for _, e := range m.Entries {
		switch e.Kind {
		case Overlay, ReadOnlyOverlay, Fstab:
			return true
		case ReadOnlyBind, Bind, DeviceBind, TryReadOnly, TryBind, RootFS, TmpOverlay:
			if is(e.Source) || e.Kind == TmpOverlay && e.Source == "" {
				return true
			}
		}
	}
	return false
}

// handed reports whether the child may have lost what lets the caller search the
// directories of a path: its user ID, its groups, and its capabilities over files whose
// owners are not mapped.
func (b *builder) handed(reach host.Reach) bool {
	switch {
	case !b.Plan.Cloned():
		return false
	case reach == host.ReachOther && b.NS.Entered(unix.CLONE_NEWUSER):
		return true
	}
	return reach != host.ReachAll && b.ChangedUser
}

// descriptor is the source that a descriptor of the caller refers to.
func (b *builder) descriptor(fd int) (source, error) {
	if b.Plan.Isolated() {
		return source{}, fmt.Errorf("descriptor %d: this program would have to keep it open for every start: give a path", fd)
	}
	d, err := b.Host.Descriptor(fd)
	if err != nil {
		return source{}, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return source{path: d.Path, isDir: d.IsDir, real: d.Path, loose: true, handed: b.handed(d.Reach), fd: fd, is: d}, nil
}

// What has happened to a source since it was checked.
const (
	wasRemoved = "it has been removed since it was checked"
	becameLink = "it, or a directory in its path, has become a symbolic link since it was checked"
)

// open opens a source that another user could change: no component that was not a
// symbolic link before may be one now.
func (b *builder) open(src source) *plan.Result {
	from, resolve := plan.AtCwd(), uint64(0)
	if src.here {
		from = plan.Ref(b.cwd)
	}
	if src.loose {
		resolve = unix.RESOLVE_NO_SYMLINKS
	}
	var at *plan.Result
	if src.handed {
		at = b.openHanded(src, resolve)
	} else {
		at = b.Open("source", plan.Openat2(from, src.real, unix.O_PATH|unix.O_CLOEXEC, 0, resolve).
			Hint(unix.ELOOP, becameLink).Hint(unix.ENOENT, wasRemoved))
	}
	if src.fd > 0 {
		b.checkDescriptor(at, src)
	}
	return at
}

// openHanded has the supervisor open a source, with the rights of the caller, in the mount
// namespace of the child: starting at the root directory or the working directory that the
// child sends. No symbolic link leads outside.
func (b *builder) openHanded(src source, resolve uint64) *plan.Result {
	from := "/"
	if src.here {
		from = "."
		resolve |= unix.RESOLVE_NO_MAGICLINKS
	} else {
		resolve |= unix.RESOLVE_IN_ROOT
	}
	var at *plan.Result
	if src.here {
		at = b.Open("source", plan.Openat(plan.Ref(b.cwd), from, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	} else {
		at = b.Open("source", plan.Openat(plan.AtCwd(), from, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	}
	name := b.Name
	b.Plan.AddStep(plan.Step{Stage: name, Takes: []*plan.Result{at}, Replaces: at,
		Text: fmt.Sprintf("open %q in %s, with the rights of the caller, and send it in the place of %s", src.real, at, at),
		Do: func(c plan.Context) error {
			fd, err := openIn(c.FD(at), src.real, unix.O_PATH|unix.O_CLOEXEC, resolve)
			if errno, ok := err.(unix.Errno); ok {
				e := &plan.Error{Stage: name, Op: fmt.Sprintf("openat2(%s, %q, ...)", at, src.real), Call: "openat2", Errno: errno}
				switch errno {
				case unix.ELOOP:
					e.Hint = becameLink
				case unix.ENOENT:
					e.Hint = wasRemoved
				}
				return e
			}
			defer unix.Close(fd)
			return c.Replace(at, fd)
		}})
	return at
}

// openIn is openat2(2), repeated where the kernel gives up at a .. because something on the
// system was renamed or mounted in the meantime.
func openIn(dir int, p string, flags, resolve uint64) (fd int, err error) {
	for range 10000 {
		if fd, err = unix.Openat2(dir, p, &unix.OpenHow{Flags: flags, Resolve: resolve}); err != unix.EAGAIN {
			break
		}
	}
	return fd, err
}

// checkDescriptor adds the step that compares what was opened by the path of a descriptor
// with what the descriptor refers to. The descriptor is open until then, so that no other
// file can have the same inode.
func (b *builder) checkDescriptor(at *plan.Result, src source) {
	b.Plan.AddStep(plan.Step{Stage: b.Name, Takes: []*plan.Result{at},
		Text: fmt.Sprintf("check that %s is what descriptor %d refers to: inode %d of device %d:%d", at, src.fd, src.is.Ino, unix.Major(src.is.Dev), unix.Minor(src.is.Dev)),
		Do: func(c plan.Context) error {
			var st unix.Stat_t
			if err := unix.Fstat(c.FD(at), &st); err != nil {
				return fmt.Errorf("fstat: %w", err)
			}
			if uint64(st.Dev) != src.is.Dev || st.Ino != src.is.Ino {
				return fmt.Errorf("descriptor %d: %s no longer leads to what it refers to", src.fd, src.path)
			}
			return nil
		}})
}
