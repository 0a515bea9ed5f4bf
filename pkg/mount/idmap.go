package mount

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// An idMap says which IDs the files of an ID-mapped mount have: IDs on the disk are
// inside IDs, and those seen are outside IDs. Without extents it is the map of the user
// namespace that the plan creates.
type idMap struct {
	uid, gid ids.Map
}

// takeIDMap removes idmap from options. Without such an option the map is nil.
func takeIDMap(options []string) (m *idMap, rest []string, err error) {
	own := false
	for _, o := range options {
		key, value, given := strings.Cut(o, "=")
		if key != "idmap" {
			rest = append(rest, o)
			continue
		}
		if m == nil {
			m = &idMap{}
		}
		if own = own || !given; own && (given || len(m.uid)+len(m.gid) > 0) {
			return nil, nil, errors.New("option idmap: either with maps or without")
		}
		if given {
			if err := m.add(value); err != nil {
				return nil, nil, fmt.Errorf("option %s: %w", o, err)
			}
		}
	}
	if m != nil && !own && (len(m.uid) == 0 || len(m.gid) == 0) {
		return nil, nil, errors.New("option idmap: both users and groups must be mapped: b: maps both")
	}
	if m != nil {
		if err = m.uid.Check("on disk", "as seen"); err == nil {
			err = m.gid.Check("on disk", "as seen")
		}
		if err != nil {
			err = fmt.Errorf("option idmap: %w", err)
		}
	}
	return m, rest, err
}

// add parses ranges as mount(8) does for X-mount.idmap=.
func (m *idMap) add(text string) error {
	words := strings.Fields(text)
	if len(words) == 0 {
		return errors.New("no map")
	}
	for _, w := range words {
		var f []string
		for _, field := range getopt.Value(w).Split(':') {
			f = append(f, field.Text())
		}
		if len(f) == 3 {
			f = append([]string{"b"}, f...)
		}
		if len(f) != 4 || f[0] != "b" && f[0] != "u" && f[0] != "g" {
			return fmt.Errorf("%q is not [b:|u:|g:]DISK:SEEN:COUNT", w)
		}
		e, err := ids.ParseExtent(f[1], f[2], f[3])
		if err != nil {
			return err
		}
		if f[0] != "g" {
			m.uid = append(m.uid, e)
		}
		if f[0] != "u" {
			m.gid = append(m.gid, e)
		}
	}
	return nil
}

// idmap ID-maps a detached tree (MOUNT_ATTR_IDMAP, Linux 5.12). That needs
// CAP_SYS_ADMIN over the file system, which the supervisor may have and a child in a
// user namespace does not. But the child clones the tree, because in a copy made
// outside nothing would be locked for its user namespace. flags are AT_RECURSIVE or 0.
func (b *builder) idmap(tree *plan.Result, m *idMap, flags uint64) error {
	own := len(m.uid) == 0
	if err := b.mayIdmap(own); err != nil {
		return err
	}
	flags |= unix.AT_EMPTY_PATH
	all := "AT_EMPTY_PATH"
	if flags&unix.AT_RECURSIVE != 0 {
		all += "|AT_RECURSIVE"
	}
	uid, gid := m.uid.String(), m.gid.String()
	by := fmt.Sprintf("a user namespace with uid_map %q, gid_map %q", strings.TrimSpace(uid), strings.TrimSpace(gid))
	var userns *plan.Result
	if own {
		proc, err := b.Proc()
		if err != nil {
			return err
		}
		userns = b.Open("userns", plan.Openat(plan.Ref(proc), "self/ns/user", unix.O_CLOEXEC, 0))
		b.Add(plan.Close(proc))
		by = userns.String()
	}
	text := fmt.Sprintf(`mount_setattr(%s, "", %s, {attr_set=MOUNT_ATTR_IDMAP, attr_clr=0, propagation=0, userns_fd=%s}, 32)`, tree, all, by)
	name := b.Name
	takes := []*plan.Result{tree}
	var namespace func(name, uid, gid string) (int, error)
	if own {
		takes = append(takes, userns)
	} else {
		b.NotDumpable() // the first process of the user namespace shares this process's memory
		namespace = b.namespaceMaker()
	}
	b.Plan.AddStep(plan.Step{Stage: name, Text: text, Takes: takes, Do: func(at plan.Context) error {
		var ns int
		if own {
			ns = at.FD(userns)
		} else {
			var err error
			if ns, err = namespace(name, uid, gid); err != nil {
				return err
			}
			defer unix.Close(ns)
		}
		err := unix.MountSetattr(at.FD(tree), "", uint(flags), &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
		if errno, ok := err.(unix.Errno); ok {
			return idmapError(&plan.Error{Stage: name, Op: text, Call: "mount_setattr", Errno: errno}, at.FD(tree))
		}
		return err
	}})
	if own {
		b.Add(plan.Close(userns))
	}
	return nil
}

// namespaceMaker is what makes a user namespace with maps while the plan is performed.
func (b *builder) namespaceMaker() func(name, uid, gid string) (int, error) {
	switch {
	case b.Plan.Isolated():
		return newUserNamespaceApart
	case !b.Plan.Cloned():
		return elsewhere(newUserNamespace)
	}
	return newUserNamespace
}

// mayIdmap returns an error if no process can map a mount by that user namespace: the
// chain's own, or one that is created for it.
func (b *builder) mayIdmap(own bool) error {
	switch {
	case own && b.NS.New&unix.CLONE_NEWUSER == 0 && b.Host.UserNS():
		return errors.New("option idmap: only a process outside the user namespace can set the map, and a chain that is not fused has none")
	case own && b.NS.New&unix.CLONE_NEWUSER == 0:
		return errors.New("option idmap: there is no new user namespace whose map could be used: add hk-unshare --user and hk-idmap, or use idmap=DISK:SEEN:COUNT")
	case b.Host.Effective>>unix.CAP_SYS_ADMIN&1 == 0:
		return cause.Because(cause.Capability, errors.New("option idmap: it needs CAP_SYS_ADMIN in the user namespace in which the file system was mounted, which an ordinary user lacks: run the chain as root"))
	}
	return nil
}

// idmapError adds likely causes to an error. tree is what was to be mapped.
func idmapError(e *plan.Error, tree int) error {
	var fs unix.Statfs_t
	switch e.Errno {
	case unix.EPERM:
		e.Because = cause.Capability
		e.Hint = "it needs CAP_SYS_ADMIN in the user namespace in which the file system was mounted, and a mount cannot be ID-mapped twice"
	case unix.EINVAL:
		if unix.Fstatfs(tree, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && host.TmpfsIdmap.Check() != nil {
			e.Unsupported, e.Because, e.Hint = true, cause.KernelVersion, "a tmpfs cannot be ID-mapped: "+host.TmpfsIdmap.Advice()
			return e
		}
		e.Hint = "a file system in the tree cannot be ID-mapped, such as procfs or sysfs; norec excludes the mounts below the first"
	}
	return e
}

// elsewhere runs f on another thread, which exists from now on. The thread that
// performs a plan has the new root mounted over its own root at that time, and so have
// its children: to the kernel that is a chroot, in which user namespaces cannot be
// created.
func elsewhere(f func(name, uid, gid string) (int, error)) func(name, uid, gid string) (int, error) {
	work, there := make(chan func()), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(there)
		for w := range work {
			w()
		}
	}()
	<-there
	return func(name, uid, gid string) (fd int, err error) {
		done := make(chan struct{})
		work <- func() {
			defer close(done)
			fd, err = f(name, uid, gid)
		}
		<-done
		return fd, err
	}
}

// newUserNamespace returns a descriptor of a user namespace with the maps. A child
// process holds it until it is open.
func newUserNamespace(name, uid, gid string) (fd int, err error) {
	p := plan.New()
	p.Clone(name, unix.CLONE_NEWUSER, false)
	opened := sendUserNamespace(p, name, uid, gid, &fd)
	child, err := run.Start(p, run.Attr{})
	if err != nil {
		return -1, err
	}
	defer child.Close()
	if err := child.Setup(); !errors.Is(err, opened) {
		return -1, err
	}
	return fd, nil
}

// newUserNamespaceApart is newUserNamespace for a program that continues to run.
func newUserNamespaceApart(name, uid, gid string) (fd int, err error) {
	p := plan.New()
	// As for the child of the chain, and by a program with privileges: others have no use
	// for such a namespace.
	off, on := plan.Dumpable(false), plan.Dumpable(true)
	off.If, on.If = plan.GivenDumpable, plan.GivenDumpable
	p.Add(name, off)
	const last = 3
	p.Isolate(last, nil, []*plan.Op{on})
	p.Clone(name, unix.CLONE_NEWUSER, true)
	opened := sendUserNamespace(p, name, uid, gid, &fd)
	if _, err := run.Lay(p).Launch(run.Attr{}); !errors.Is(err, opened) {
		return -1, err
	}
	return fd, nil
}

// sendUserNamespace adds the ops and the step that map the IDs of a child and store a
// descriptor of its user namespace in fd. The step then fails with the error that is
// returned, which ends the child.
func sendUserNamespace(p *plan.Plan, name, uid, gid string, fd *int) error {
	opened := errors.New("open")
	userns := p.Open(name, "userns", plan.Openat(plan.AtCwd(), "/proc/self/ns/user", unix.O_CLOEXEC, 0))
	p.AddStep(plan.Step{Stage: name, Takes: []*plan.Result{userns}, Do: func(at plan.Context) (err error) {
		if err := at.Write("uid_map", uid); err != nil {
			return err
		}
		if err := at.Write("gid_map", gid); err != nil {
			return err
		}
		if *fd, err = unix.FcntlInt(uintptr(at.FD(userns)), unix.F_DUPFD_CLOEXEC, 3); err != nil {
			return err
		}
		return opened
	}})
	return opened
}
