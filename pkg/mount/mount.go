// Package mount builds a root directory from mounts and pivots to it, with the mount
// calls of Linux 5.12: open_tree(2), fsopen(2), mount_setattr(2), move_mount(2), and
// pivot_root(2).
//
// The new root is attached on top of the old one, so that no directory is needed for
// it, and is unbindable until it is complete, so that it is not part of any bind mount
// of the old one. Nothing is created in a directory of the caller unless [Mounts.Create]
// is set. A target is looked up in the new root, and no symbolic link leads outside it. A bind mount has its
// attributes, on all of its submounts, before it is attached.
package mount

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Mounts says what the root consists of.
type Mounts struct {
	// Root is a directory that is bind mounted as the root, or fd:N for what a descriptor of the
	// caller above 2 refers to, as in [Entry.FD]; "" means a new tmpfs.
	Root string
	// Ephemeral makes Root writable, with changes that are finally discarded.
	Ephemeral bool
	// Writable leaves the root writable.
	Writable bool
	// Tmpfs are the options of the tmpfs that is the root, or that keeps the changes of
	// an ephemeral one, as on the command line.
	Tmpfs string
	// Create makes missing mount points, directories, files and links also in Root, in
	// the current root if InPlace is set, and in writable bind mounts and overlays. They
	// remain on the host.
	Create bool
	// InPlace changes the current mount namespace instead: there is no new root, and
	// the attributes of the old one do not change.
	InPlace bool
	// Entries are created in order.
	Entries []Entry
	// CreateWritable is Create without the root that is finally read-only: there nothing is
	// created. The caller's umask does not apply, and modes may be changed.
	CreateWritable bool
	// RootDev lets device files of Root work, and RootSuid the mode bits and file
	// capabilities by which its programs gain privileges. RootNoexec lets none of its files
	// be executed, nor what is mounted below it.
	RootDev, RootSuid, RootNoexec bool
	// Dir is the working directory in the new root. "" means the caller's if it also
	// exists there, otherwise ElseDir if that exists, otherwise /.
	Dir, ElseDir string
	// NoFollow refuses an entry whose target is a symbolic link, instead of making it where
	// that leads. Links on the way to a target are followed.
	NoFollow bool
	// Label is the SELinux label of each tmpfs and of what is in it, and of all else that is
	// created, or "".
	Label string
	// Locks are files of the new root on which the supervisor holds a lock.
	Locks []string
}

// A builder adds the ops of a root to a plan.
type builder struct {
	*stage.State
	root  *plan.Result
	tree  *node
	umask *plan.Result
	// inPlace means that root is the old root, and not unbindable.
	inPlace bool
	// creates is set if names may be created on the host, and changes if their modes are
	// changed there, whatever the caller's umask is.
	creates, changes bool
	// noFollow and label are those of Mounts.
	noFollow bool
	label    string
	// parents is the mode of directories on the way to a target.
	parents uint32
	// rootReadOnly makes the mount of the root read-only when it is entered, but not the
	// mounts below it.
	rootReadOnly bool
	// cwd is the working directory, if its name does not lead there, or nil.
	cwd *plan.Result
	// inLayer says what is mounted in a layer of the next overlay, or is "".
	inLayer string
	// made is what the plan creates in directories of the host.
	made map[hostName]*node
	// attrs are the attributes of the detached mounts.
	attrs map[*plan.Result]plan.MountAttr
	// late are the mounts that become read-only at the end.
	late []late
	// last are what is done, before it is closed, with a descriptor that is kept until its
	// last use.
	last map[*plan.Result][]*plan.Op
	// mounts are what attach has attached.
	mounts []mounted
	// writable is set if a root that the plan has created remains writable.
	writable bool
	// receives is set if what the host mounts later may appear in a mount, and
	// rootReceives if that is the root.
	receives, rootReceives bool
	// rootAttrs are the MOUNT_ATTR_* of the root.
	rootAttrs uint64
}

const nosuidNodev = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// Plan adds the ops that build the root and enter it.
func (m *Mounts) Plan(s *stage.State) error {
	if err := m.check(s); err != nil {
		return err
	}
	if !m.InPlace && s.NS.New&unix.CLONE_NEWNS == 0 {
		types := map[string]uint64{"": unix.MS_PRIVATE, "slave": unix.MS_SLAVE}
		// pivot_root(2) in an existing mount namespace would also change the root of
		// its other processes.
		s.Add(stage.Privileged(unix.CLONE_NEWNS, plan.Unshare(unix.CLONE_NEWNS)),
			plan.MountSetattr(plan.AtCwd(), "/", unix.AT_RECURSIVE, plan.MountAttr{Propagation: types[s.NS.Propagation]}).
				Hint(unix.EINVAL, "the root directory is not a mount point, as in a chroot"))
		s.NS.New |= unix.CLONE_NEWNS
	}
	s.Root.Mounts = true
	b := &builder{State: s, inPlace: m.InPlace, creates: m.Create || m.CreateWritable, changes: m.CreateWritable,
		noFollow: m.NoFollow, label: m.Label, parents: 0o755, writable: m.Writable, attrs: map[*plan.Result]plan.MountAttr{}}
	created, err := b.labelCreated()
	if err != nil {
		return err
	}
	if m.Ephemeral {
		b.clearUmask() // the directory for changes is that of the root
	}
	b.openHere(m)
	if err := m.begin(b); err != nil {
		return err
	}
	if !m.Ephemeral {
		b.clearUmask()
	}
	if err := m.planEntries(b); err != nil {
		return err
	}
	b.finish(b.tree)
	b.closeKept()
	if err := m.protectAll(b); err != nil {
		return err
	}
	b.rootAttrs = b.attrs[b.root].Set
	b.Root.See = func(p string) (stage.Seen, error) { return m.see(b, p) }
	b.Root.Points = b.points
	s.Add(plan.Umask(plan.Ref(b.umask)))
	if created != nil {
		s.SetAttr(created, "\n")
		s.Add(plan.Close(created))
	}
	if !m.InPlace {
		b.noteManaged()
	}
	b.noteReceives()
	return m.enter(b)
}

// planEntries adds the entries in order, but not those of --protect, which are last.
func (m *Mounts) planEntries(b *builder) error {
	for _, e := range m.Entries {
		if e.Kind == Protect {
			continue
		}
		b.For(e.flag())
		if err := b.entry(e); err != nil {
			return &EntryError{e, err}
		}
	}
	b.For("")
	return nil
}

// clearUmask keeps the caller's umask from the modes of what is created next.
func (b *builder) clearUmask() {
	b.umask = b.Plan.NewResult("umask")
	b.Add(plan.Umask(plan.Octal(0)).Gives(b.umask))
}

// Needs implements stage.Stage. In the new root the files of the caller cannot be
// reached, and the root may not be the caller's own.
func (m *Mounts) Needs() stage.Needs {
	foreign := m.Root != "" && m.Root != "/" || slices.ContainsFunc(m.Entries, func(e Entry) bool {
		return e.Kind == RootFS && e.Source != "/"
	})
	return stage.Needs{Hides: true, Root: true, ForeignRoot: foreign, Supervisor: m.protects() || len(m.Locks) > 0, Init: m.protects(), FDs: m.descriptors()}
}

// rootFD is the descriptor of the root, or 0.
func (m *Mounts) rootFD() int {
	if fd, ok := host.FDName(m.Root); ok && fd > 2 && !m.Ephemeral {
		return fd
	}
	return 0
}

// descriptors are the caller's that are bind mounted or read.
func (m *Mounts) descriptors() (fds []int) {
	if fd := m.rootFD(); fd != 0 {
		fds = append(fds, fd)
	}
	for _, e := range m.Entries {
		fd := e.FD
		if e.isFile() && e.Kind != File {
			fd, _ = host.FDName(e.Source)
		}
		if fd > 2 && !slices.Contains(fds, fd) {
			fds = append(fds, fd)
		}
	}
	return fds
}

// begin creates the root and attaches it over the old one.
func (m *Mounts) begin(b *builder) error {
	var attrs uint64
	var params [][2]string
	if m.Tmpfs != "" || !m.InPlace && (m.Root == "" || m.Ephemeral) {
		var err error
		if attrs, params, err = m.rootTmpfs(nosuidNodev); err != nil {
			return fmt.Errorf("--root-tmpfs %s: %w", m.Tmpfs, err)
		}
	}
	if m.InPlace {
		b.root = b.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		b.tree = newForeign("the current root")
		b.tree.source = "/"
		b.tree.host = b.creates
		return nil
	}
	if m.Root == "" {
		b.root = b.newMountAs("root", "tmpfs", attrs, params...)
		b.tree = newDir()
	} else {
		b.For(m.rootFlag())
		look := b.source
		if m.Ephemeral {
			look = b.layer
		}
		if fd := m.rootFD(); fd != 0 {
			look = func(string) (source, error) { return b.descriptor(fd) }
		}
		dir, err := look(m.Root)
		if err != nil {
			return fmt.Errorf("%s: %w", m.rootFlag(), err)
		}
		if !dir.isDir {
			return fmt.Errorf("%s: not a directory", m.rootFlag())
		}
		b.tree = newForeign(m.Root)
		b.tree.source, b.tree.readOnly = b.inside(dir), !m.Writable && !m.Ephemeral
		if m.Ephemeral {
			b.tree.writable, b.tree.single = true, true
			tmpfs := b.newMount("tmpfs", nosuidNodev, params...)
			b.Add(unbindable(tmpfs), plan.MoveMount(tmpfs, plan.AtCwd(), "/").Hint(unix.EINVAL, shared),
				// An overlay bind mounts it.
				plan.MountSetattr(plan.Ref(tmpfs), "", unix.AT_EMPTY_PATH, plan.MountAttr{Propagation: unix.MS_PRIVATE}))
			if b.root, err = b.overStage(tmpfs, stack{lower: []source{dir}}, true, attrs); err != nil {
				return fmt.Errorf("%s: %w", m.rootFlag(), err)
			}
			b.Add(plan.Close(tmpfs))
		} else {
			b.rootReceives = b.slave()
			b.cloneRoot(dir, m)
		}
	}
	b.attachRoot()
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
		if b.rootReceives {
			last.Propagation = unix.MS_SLAVE
		}
		if !m.Writable && !m.Ephemeral || b.rootReadOnly {
			last.Set = unix.MOUNT_ATTR_RDONLY
		}
		b.Add(plan.MountSetattr(plan.Ref(b.root), "", unix.AT_EMPTY_PATH, last),
			plan.Fchdir(b.root).Hint(unix.EACCES, "the new root may not be searched: by its mode, or because its owner has no number in the user namespace"),
			plan.PivotRoot(".", ".").Because(unix.EINVAL, cause.Chroot, "the root directory is not a mount point, as in a chroot or an initramfs"))
		if b.rootReceives { // what the root was on
			b.Add(plan.UmountDetach("."))
		}
		b.Add(plan.UmountDetach("."),
			plan.Chdir("/"))
		// The topmost mount on the new root is detached. If there were another below
		// it, /.. would lead there.
		top := b.Open("top", plan.Openat2(plan.AtCwd(), "/..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_XDEV).
			Hint(unix.EXDEV, "something is mounted on top of the caller's root directory: chroot /.. changes to the mount on top"))
		b.Add(plan.Close(top))
		b.Root.New = true
	}
	b.Add(plan.Close(b.root))
	if err := m.enterDir(b); err != nil {
		return err
	}
	return m.lock(b)
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
	case Mask, TryMask:
		return b.mask(e)
	case FileSystem:
		fstype, source, _ := strings.Cut(e.Source, ":")
		return b.anyFilesystem(fstype, source, e.Target, e.Options)
	case Fstab:
		return b.fstab(e.Source)
	case ReadOnly, TryMakeReadOnly:
		return b.readOnly(e)
	case Dev:
		return b.dev(e.Target, e.Options)
	case Directory:
		return b.directory(e)
	case File, FileFrom, Data, WritableData:
		return b.file(e)
	case Symlink:
		return b.symlink(e)
	case Chmod:
		return b.chmod(e)
	case Parents:
		p, err := parsePermission(e.Options, 0o755)
		b.parents = p.mode
		return err
	}
	return b.filesystem(e)
}
