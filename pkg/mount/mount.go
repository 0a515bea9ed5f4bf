// Package mount builds a root directory from mounts and pivots to it, with the mount
// calls of Linux 5.12: open_tree(2), fsopen(2), mount_setattr(2), move_mount(2), and
// pivot_root(2).
//
// The new root is attached on top of the old one, so that no directory is needed for
// it, and is unbindable until it is complete, so that it is not part of any bind mount
// of the old one. Nothing is created in a directory of the caller. A target is looked
// up in the new root, and no symbolic link leads outside it. A bind mount has its
// attributes, on all of its submounts, before it is attached.
package mount

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Mounts says what the root consists of.
type Mounts struct {
	// Root is a directory that is bind mounted as the root; "" means a new tmpfs.
	Root string
	// Ephemeral makes Root writable, with changes that are finally discarded.
	Ephemeral bool
	// Writable leaves the root writable.
	Writable bool
	// InPlace changes the current mount namespace instead: there is no new root, and
	// the attributes of the old one do not change.
	InPlace bool
	// Entries are created in order.
	Entries []Entry
	// Dir is the working directory in the new root. "" means the caller's if it also
	// exists there, otherwise /.
	Dir string
}

// An Entry is one thing in the new root.
type Entry struct {
	Kind   EntryKind
	Source string
	Target string
	// Options are a list as on the command line, including its backslashes.
	Options string
}

// An EntryKind says what an entry is. It is the name of the flag.
type EntryKind string

const (
	ReadOnlyBind EntryKind = "ro"
	Bind         EntryKind = "rw"
	DeviceBind   EntryKind = "dev-bind"
	TryReadOnly  EntryKind = "try-ro"
	TryBind      EntryKind = "try-rw"
	RootFS       EntryKind = "rootfs"
	Tmpfs        EntryKind = "tmpfs"
	Proc         EntryKind = "proc"
	Dev          EntryKind = "dev"
	// Overlay and ReadOnlyOverlay have their layers in Options.
	Overlay         EntryKind = "overlay"
	ReadOnlyOverlay EntryKind = "ro-overlay"
	TmpOverlay      EntryKind = "tmp-overlay"
	Mqueue          EntryKind = "mqueue"
	Sysfs           EntryKind = "sysfs"
	Cgroup2         EntryKind = "cgroup2"
	ReadOnly        EntryKind = "read-only"
	Mask            EntryKind = "mask"
	// FileSystem has "TYPE:SRC" in Source.
	FileSystem EntryKind = "fs"
	// Fstab makes the mounts listed in Source, a host file in the format of fstab(5).
	Fstab     EntryKind = "fstab"
	Directory EntryKind = "dir"
	// File has its content in Source.
	File EntryKind = "file"
	// FileFrom is read from Source, a host file, or "-".
	FileFrom EntryKind = "file-from"
	// Symlink is a symbolic link at Target that leads to Source.
	Symlink EntryKind = "symlink"
)

// A builder adds the ops of a root to a plan.
type builder struct {
	*stage.State
	root  *plan.Result
	tree  *node
	umask *plan.Result
	// inPlace means that root is the old root, and not unbindable.
	inPlace bool
	// attrs are the attributes of the detached mounts.
	attrs map[*plan.Result]plan.MountAttr
}

const nosuidNodev = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// Plan adds the ops that build the root and enter it.
func (m *Mounts) Plan(s *stage.State) error {
	switch {
	case s.NS.Joined&unix.CLONE_NEWNS != 0:
		return errors.New("hk-mount cannot follow hk-unshare --join mnt: its paths are the caller's, and its mounts would appear in the existing namespace")
	case s.Root.Landlocked:
		return errors.New("hk-mount cannot follow hk-landlock: a Landlock domain for files forbids every mount")
	case len(s.Filters) > 0:
		return errors.New("hk-mount cannot follow hk-seccomp: the filter could deny its system calls")
	case s.Unmapped():
		return errors.New("the new user namespace has no ID map: hk-idmap must come between hk-unshare and hk-mount")
	case m.InPlace && (m.Root != "" || m.Writable):
		return errors.New("--in-place creates no root: it cannot be combined with --root, --root-rw or --writable-root")
	case m.InPlace && len(m.Entries) == 0:
		return errors.New("--in-place with nothing to mount: see hk-mount(1)")
	}
	if !m.InPlace && s.NS.New&unix.CLONE_NEWNS == 0 {
		// pivot_root(2) in an existing mount namespace would also change the root of
		// its other processes.
		s.Add(stage.Privileged(unix.CLONE_NEWNS, plan.Unshare(unix.CLONE_NEWNS)),
			plan.MountSetattr(plan.AtCwd(), "/", unix.AT_RECURSIVE, plan.MountAttr{Propagation: unix.MS_PRIVATE}).
				Hint(unix.EINVAL, "the root directory is not a mount point, as in a chroot"))
		s.NS.New |= unix.CLONE_NEWNS
	}
	s.Root.Mounts = true
	b := &builder{State: s, inPlace: m.InPlace, attrs: map[*plan.Result]plan.MountAttr{}}
	if err := m.begin(b); err != nil {
		return err
	}
	b.umask = s.Plan.NewResult("umask")
	s.Add(plan.Umask(plan.Octal(0)).Gives(b.umask))
	for _, e := range m.Entries {
		flag := "--" + string(e.Kind) + " " + e.name()
		b.For(flag)
		if err := b.entry(e); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	b.For("")
	s.Add(plan.Umask(plan.Ref(b.umask)))
	return m.enter(b)
}

// Needs implements stage.Stage. In the new root the files of the caller cannot be
// reached, and the root may not be the caller's own.
func (m *Mounts) Needs() stage.Needs {
	foreign := m.Root != "" && m.Root != "/" || slices.ContainsFunc(m.Entries, func(e Entry) bool {
		return e.Kind == RootFS && e.Source != "/"
	})
	return stage.Needs{Hides: true, ForeignRoot: foreign}
}

// name is the name of the entry in an error.
func (e Entry) name() string {
	switch {
	case e.Kind == File || e.Kind == FileFrom || e.Source == "":
		return e.Target
	case e.Target == "" || e.Target == e.Source:
		return e.Source
	}
	return e.Source + ":" + e.Target
}

// begin creates the root and attaches it over the old one.
func (m *Mounts) begin(b *builder) error {
	if m.InPlace {
		b.root = b.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		b.tree = newForeign("the current root")
		b.tree.source = "/"
		return nil
	}
	if m.Root == "" {
		fs := b.Open("fs", plan.Fsopen("tmpfs"))
		b.Add(plan.FsconfigString(fs, "mode", "0755"), plan.FsconfigCreate(fs))
		b.root = b.Open("root", plan.Fsmount(fs, nosuidNodev))
		b.Add(plan.Close(fs))
		b.tree = newDir()
	} else {
		b.For(m.rootFlag())
		dir, err := b.source(m.Root)
		if err != nil {
			return fmt.Errorf("%s: %w", m.rootFlag(), err)
		}
		if !dir.isDir {
			return fmt.Errorf("%s: not a directory", m.rootFlag())
		}
		b.tree = newForeign(m.Root)
		b.tree.source = dir.path
		if m.Ephemeral {
			b.tree.writable = true
			tmpfs := b.newMount("tmpfs", nosuidNodev, [2]string{"mode", "0755"})
			b.Add(unbindable(tmpfs), plan.MoveMount(tmpfs, plan.AtCwd(), "/").Hint(unix.EINVAL, shared),
				// An overlay bind mounts it.
				plan.MountSetattr(plan.Ref(tmpfs), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_PRIVATE}))
			b.root = b.overTmpfs(dir, tmpfs)
			b.Add(plan.Close(tmpfs))
		} else {
			attrs := uint64(nosuidNodev)
			if !m.Writable {
				attrs |= unix.MOUNT_ATTR_RDONLY
			}
			b.root = b.clone("root", dir, plan.MountAttr{Set: attrs}, unix.AT_RECURSIVE)
		}
	}
	b.Add(unbindable(b.root),
		plan.MoveMount(b.root, plan.AtCwd(), "/").Hint(unix.EINVAL, shared))
	return nil
}

// rootFlag is the flag that determines the root.
func (m *Mounts) rootFlag() string {
	switch {
	case m.Ephemeral:
		return "--ephemeral " + m.Root
	case m.Writable:
		return "--root-rw " + m.Root
	}
	return "--root " + m.Root
}

// unbindable excludes a mount from all bind mounts, and makes the kernel refuse to
// attach it where it would propagate to other namespaces.
func unbindable(m *plan.Result) *plan.Op {
	return plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_UNBINDABLE})
}

const shared = "the mounts of this namespace are shared with other namespaces, to which the new root would propagate: use hk-unshare --propagation private or slave"

// enter makes the new root the root directory and detaches the old one.
func (m *Mounts) enter(b *builder) error {
	if !m.InPlace {
		last := plan.MountAttr{Propagation: unix.MS_PRIVATE}
		if !m.Writable && !m.Ephemeral {
			last.Set = unix.MOUNT_ATTR_RDONLY
		}
		b.Add(plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH, last),
			plan.Fchdir(b.root),
			plan.PivotRoot(".", ".").Hint(unix.EINVAL, "the root directory is not a mount point, as in a chroot or an initramfs"),
			plan.UmountDetach("."),
			plan.Chdir("/"))
		// The topmost mount on the new root is detached. If there were another below
		// it, /.. would lead there.
		top := b.Open("top", plan.Openat2(plan.AtCwd(), "/..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_XDEV).
			Hint(unix.EXDEV, "something is mounted on top of the caller's root directory: chroot /.. changes to the mount on top"))
		b.Add(plan.Close(top))
		b.Root.New = true
	}
	b.Add(plan.Close(b.root))
	switch {
	case m.Dir != "":
		if !path.IsAbs(m.Dir) {
			return fmt.Errorf("--chdir %s: not an absolute path", m.Dir)
		}
		b.For("--chdir " + m.Dir)
		dir := b.Open("dir", plan.Openat2(plan.AtCwd(), m.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0,
			unix.RESOLVE_NO_MAGICLINKS).Hint(unix.ELOOP, "a symbolic link of procfs could lead outside the root"))
		b.Add(plan.Fchdir(dir), plan.Close(dir))
	default:
		// A directory that is now covered by a mount must not remain reachable as the
		// working directory.
		if m.InPlace {
			b.Add(plan.Chdir("/"))
		}
		if b.Host.Dir != "" && b.Host.Dir != "/" {
			dir := b.Open("dir", plan.Openat2(plan.AtCwd(), b.Host.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0,
				unix.RESOLVE_NO_MAGICLINKS).Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ELOOP))
			b.Add(plan.Fchdir(dir).Tolerate(unix.EBADF, unix.EACCES), plan.Close(dir).Tolerate(unix.EBADF))
		}
	}
	return nil
}

func (b *builder) entry(e Entry) error {
	switch e.Kind {
	case ReadOnlyBind, Bind, DeviceBind, TryReadOnly, TryBind:
		return b.bind(e)
	case RootFS:
		return b.rootfs(e.Source)
	case Overlay, ReadOnlyOverlay:
		return b.overlay(e)
	case TmpOverlay:
		return b.tmpOverlay(e)
	case Mask:
		return b.mask(e.Target)
	case FileSystem:
		fstype, source, _ := strings.Cut(e.Source, ":")
		return b.anyFilesystem(fstype, source, e.Target, e.Options)
	case Fstab:
		return b.fstab(e.Source)
	case ReadOnly:
		return b.readOnly(e.Target)
	case Dev:
		return b.dev(e.Target)
	case Directory:
		return b.directory(e)
	case File, FileFrom:
		return b.file(e)
	case Symlink:
		return b.symlink(e)
	}
	return b.filesystem(e)
}
