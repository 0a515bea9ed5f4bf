package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A fstype is a type of file system that can be mounted anew.
type fstype struct {
	kind  EntryKind
	attrs uint64
	// params are the parameters that a user may give, and switches are those without a
	// value.
	params, switches []string
	// needs is the namespace without which the kernel allows it only to root.
	needs string
	flag  uint64
}

var fstypes = []fstype{
	{kind: Tmpfs, attrs: nosuidNodev, params: []string{"size", "mode", "uid", "gid", "nr_blocks", "nr_inodes", "huge", "mpol"},
		switches: []string{"inode32", "inode64", "noswap"}},
	{kind: Proc, attrs: nosuidNodev | unix.MOUNT_ATTR_NOEXEC, params: []string{"hidepid", "subset", "gid"}, needs: "--pid", flag: unix.CLONE_NEWPID},
	{kind: Mqueue, attrs: nosuidNodev | unix.MOUNT_ATTR_NOEXEC, needs: "--ipc", flag: unix.CLONE_NEWIPC},
	{kind: Sysfs, attrs: nosuidNodev | unix.MOUNT_ATTR_NOEXEC, needs: "--net", flag: unix.CLONE_NEWNET},
	{kind: Cgroup2, attrs: nosuidNodev | unix.MOUNT_ATTR_NOEXEC, needs: "--cgroup", flag: unix.CLONE_NEWCGROUP},
}

func fstypeOf(kind EntryKind) *fstype {
	for i := range fstypes {
		if fstypes[i].kind == kind {
			return &fstypes[i]
		}
	}
	return nil
}

// filesystem mounts a new file system.
func (b *builder) filesystem(e Entry) error {
	t := fstypeOf(e.Kind)
	if t == nil {
		return fmt.Errorf("unknown kind of entry")
	}
	set := t.attrs
	if b.controls(string(e.Kind)) {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	attrs, rest, err := parseAttrs(e.Options, set)
	if err != nil {
		return err
	}
	covered := false
	if e.Kind == Proc {
		rest, covered = b.takeRWSys(rest)
	}
	params, err := t.parameters(rest)
	if err != nil {
		return err
	}
	if t.flag != 0 && b.NS.New&unix.CLONE_NEWUSER != 0 && b.NS.New&t.flag == 0 {
		return fmt.Errorf("%w hk-unshare %s", ErrNamespace, t.needs)
	}
	at, err := b.mountPoint(e.Target, true)
	if err != nil {
		return err
	}
	as := newForeign(string(e.Kind))
	if e.Kind == Proc {
		as.source = "/proc" // a directory there is a directory here
	}
	if e.Kind == Tmpfs {
		as = newDir()
		switch {
		case attrs.Set&unix.MOUNT_ATTR_RDONLY == 0:
		case b.inPlace:
			// Where it propagates to, it would remain writable.
			as = newForeign("a read-only tmpfs")
			as.whole, as.readOnly = true, true
		default:
			m := b.newMount(string(e.Kind), attrs.Set&^unix.MOUNT_ATTR_RDONLY, params...)
			b.readOnlyLater(m, at, as)
			b.attach(m, at, as)
			return nil
		}
	}
	b.attachNew(string(e.Kind), attrs.Set, params, at, as, covered)
	return nil
}

// parameters are those of options.
func (t *fstype) parameters(options []string) (params [][2]string, err error) {
	for _, o := range options {
		key, value, given := strings.Cut(o, "=")
		switch {
		case slices.Contains(t.params, key) && value == "":
			return nil, fmt.Errorf("option %s needs a value", key)
		case !slices.Contains(t.params, key) && (given || !slices.Contains(t.switches, key)):
			return nil, fmt.Errorf("unknown option %q", o)
		}
		if t.kind == Tmpfs {
			if err := checkTmpfs(key, value); err != nil {
				return nil, err
			}
		}
		params = append(params, [2]string{key, value})
	}
	return params, nil
}

// anyFilesystem mounts any type of file system that the kernel supports.
func (b *builder) anyFilesystem(fstype, source, target, options string) error {
	set := uint64(nosuidNodev)
	if b.controls(fstype) {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	attrs, rest, err := parseAttrs(options, set)
	if err != nil {
		return err
	}
	covered := false
	if fstype == string(Proc) {
		rest, covered = b.takeRWSys(rest)
	}
	if strings.HasPrefix(source, "/") { // a device, usually
		found, err := b.Host.Look(source)
		if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
			return err
		}
		if err == nil {
			source = found.Path
		}
	}
	var params [][2]string
	if source != "" && source != "none" {
		params = append(params, [2]string{"source", source})
	}
	if attrs.Set&unix.MOUNT_ATTR_RDONLY != 0 && !slices.Contains(controlFilesystems, fstype) {
		// Otherwise a device would be opened for writing. A file system with a single
		// instance would become read-only for the whole system.
		params = append(params, [2]string{"ro"})
	}
	for _, p := range parameters(rest) {
		if fstype == string(Tmpfs) {
			if err := checkTmpfs(p[0], p[1]); err != nil {
				return err
			}
		}
		params = append(params, p)
	}
	at, err := b.mountPoint(target, true)
	if err != nil {
		return err
	}
	b.attachNew(fstype, attrs.Set, params, at, newForeign(fstype), covered)
	return nil
}

// parameters are options of a file system in the form of fsconfig(2).
func parameters(options []string) [][2]string {
	var params [][2]string
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		params = append(params, [2]string{key, value})
	}
	return params
}

// labelCreated sets the label of what this thread creates, and returns the open attribute, or
// nil if there is no label.
func (b *builder) labelCreated() (*plan.Result, error) {
	if b.label == "" {
		return nil, nil
	}
	flag := "--context " + b.label
	if err := b.Host.CheckLabel(b.label); err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	proc, err := b.Proc()
	if err != nil {
		return nil, err
	}
	b.For(flag)
	attr := b.OpenAttr(proc, "fscreate")
	b.SetAttr(attr, b.label)
	b.Add(plan.Close(proc))
	b.For("")
	return attr, nil
}

// newMount creates a file system and a detached mount of it.
func (b *builder) newMount(fstype string, attrs uint64, params ...[2]string) *plan.Result {
	return b.newMountAs("mount", fstype, attrs, params...)
}

// newMountAs is newMount for a result with another name.
func (b *builder) newMountAs(name, fstype string, attrs uint64, params ...[2]string) *plan.Result {
	return b.configure(name, fstype, attrs, params, func(*plan.Result) {})
}

// configure is newMountAs for a file system with more parameters.
func (b *builder) configure(name, fstype string, attrs uint64, params [][2]string, more func(fs *plan.Result)) *plan.Result {
	fs := b.Open("fs", plan.Fsopen(fstype))
	if fstype == "tmpfs" && b.label != "" && !slices.ContainsFunc(params, func(p [2]string) bool { return p[0] == "context" }) {
		params = append(slices.Clip(params), [2]string{"context", b.label})
	}
	for _, p := range params {
		if p[1] == "" {
			b.Add(plan.FsconfigFlag(fs, p[0]))
			continue
		}
		b.Add(plan.FsconfigString(fs, p[0], p[1]))
	}
	more(fs)
	create, mount := plan.FsconfigCreate(fs), plan.Fsmount(fs, attrs)
	if fstype == "proc" {
		const masked = "a procfs can be mounted in a user namespace only while an existing one is fully visible; in a container whose /proc is partly covered, bind mount that one: --ro /proc; inside a chain started by root, --proc=DST:rw-sys of that chain keeps it visible"
		create, mount = create.Because(unix.EPERM, cause.ProcCovered, masked), mount.Because(unix.EPERM, cause.ProcCovered, masked)
	}
	if fstype == "sysfs" {
		mount = mount.Because(unix.EPERM, cause.SysfsCovered, "a sysfs can be mounted in a user namespace only while an existing one is fully visible: bind mount that one, with --ro /sys")
	}
	if fstype == "overlay" && b.inLayer != "" {
		create = create.Hint(unix.EINVAL, b.inLayer)
	}
	b.Add(create)
	m := b.Open(name, mount)
	a := plan.MountAttr{Set: attrs, Propagation: unix.MS_PRIVATE}
	if attrs&unix.MOUNT_ATTR__ATIME != 0 { // mount_setattr(2) wants the whole field cleared
		a.Clear = unix.MOUNT_ATTR__ATIME
	}
	b.attrs[m] = a
	b.Add(plan.Close(fs))
	return m
}
