package bwrap

import (
	"fmt"

	"hk/pkg/host"
	"hk/pkg/idmap"
	"hk/pkg/ids"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/seccomp"
	"hk/pkg/setuser"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// A compiler makes the stages of settings. Each method adds what concerns it.
type compiler struct {
	*Settings
	Host       *host.Host
	namespaces unshare.Namespaces
	mounts     mount.Mounts
	user       setuser.Credentials
	// newUser is set if a user namespace is created.
	newUser bool
	// parents is the mode of directories on the way to what is added next.
	parents uint32
	// consumed are descriptors that stages read.
	consumed []int
}

// Compile makes the stages of settings. It reads what they name on the host, and changes
// nothing. consumed are descriptors that the stages read and the payload does not get.
func Compile(s *Settings, h *host.Host) (stages []stage.Stage, consumed []int, err error) {
	c := &compiler{Settings: s, Host: h}
	if err := c.missing(); err != nil {
		return nil, nil, err
	}
	if err := c.unshare(); err != nil {
		return nil, nil, err
	}
	if err := c.root(); err != nil {
		return nil, nil, err
	}
	if err := c.credentials(); err != nil {
		return nil, nil, err
	}
	stages = append(stages, &c.namespaces)
	if c.newUser {
		stages = append(stages, c.idmap())
	}
	stages = append(stages, &c.mounts)
	if c.Namespaces.Net {
		stages = append(stages, &netns.Network{Loopback: true})
	}
	stages = append(stages, &c.user)
	for _, fd := range c.Filters {
		if err := c.consume(fd); err != nil {
			return nil, nil, fmt.Errorf("Can't read seccomp data: %s", reason(err))
		}
		stages = append(stages, &seccomp.Filter{BPF: descriptor(fd)})
	}
	return stages, c.consumed, nil
}

// missing refuses what cannot be done.
func (c *compiler) missing() error {
	n := &c.Namespaces
	for _, o := range []struct {
		what  string
		given bool
	}{
		{"--userns-block-fd", c.UsernsBlockFD >= 0}, {"--userns2", n.JoinUser2 >= 0},
		{"--uid and --gid with --userns", n.JoinUser >= 0 && (c.UID >= 0 || c.GID >= 0)},
		{"--userns with --unshare-pid, but for --as-pid-1", n.JoinUser >= 0 && n.PID && !c.AsPID1},
		{"--pidns with --unshare-pid", n.JoinPID >= 0 && n.PID},
	} {
		if o.given {
			return fmt.Errorf("%s: hk-bwrap does not have this", o.what)
		}
	}
	return nil
}

// descriptor is the name of a descriptor for a stage.
func descriptor(fd int) string { return fmt.Sprintf("fd:%d", fd) }

// consume records that a stage reads a descriptor.
func (c *compiler) consume(fd int) error {
	for _, before := range c.consumed {
		if before == fd {
			return unix.EBADF
		}
	}
	if _, err := c.Host.FDInfo(fd); err != nil {
		return unix.EBADF
	}
	c.consumed = append(c.consumed, fd)
	return nil
}

// unshare sets the namespaces and the processes.
func (c *compiler) unshare() error {
	n, from := &c.namespaces, &c.Namespaces
	c.newUser = from.User || from.UserTry || c.Host.UID != 0 && from.JoinUser < 0
	n.New = unix.CLONE_NEWNS
	for _, ns := range []struct {
		wanted, try bool
		flag        uint64
	}{
		{from.User || c.newUser && c.Host.UID != 0, from.UserTry, unix.CLONE_NEWUSER}, {from.Cgroup, from.CgroupTry, unix.CLONE_NEWCGROUP},
		{from.IPC, false, unix.CLONE_NEWIPC}, {from.PID, false, unix.CLONE_NEWPID}, {from.Net, false, unix.CLONE_NEWNET}, {from.UTS, false, unix.CLONE_NEWUTS},
	} {
		switch {
		case ns.wanted:
			n.New |= ns.flag
		case ns.try:
			n.Try |= ns.flag
		}
	}
	n.Hostname, n.Propagation = c.Hostname, "slave"
	n.Init = from.PID && !c.AsPID1
	n.InitWaits = n.Init
	n.Setsid = c.NewSession
	n.DieWithParent = c.DieWithParent
	n.AssertNoNested = from.AssertDisabled
	n.Argv0 = c.Argv0
	n.NamespaceIDs = c.InfoFD >= 0 || c.StatusFD >= 0 || c.SyncFD >= 0 || len(c.Locks) > 0 // it needs a supervisor
	if err := c.descriptors(); err != nil {
		return err
	}
	apart := (n.New|n.Try)&(unix.CLONE_NEWUSER|unix.CLONE_NEWPID) != 0 || len(n.Join) > 0 || n.NamespaceIDs || n.Setsid || n.Block > 0 || n.AssertNoNested
	// What is held is held as long as there is a process of the sandbox.
	n.Outlive = apart && !c.DieWithParent && c.SyncFD < 0 && len(c.Locks) == 0
	n.NoNested = from.Disable
	return nil
}

// descriptors sets what is waited for, kept open and joined.
func (c *compiler) descriptors() error {
	n := &c.namespaces
	if fd := c.BlockFD; fd >= 0 {
		if err := c.consume(fd); err != nil || fd == 0 {
			return fmt.Errorf("--block-fd %d: %s", fd, reason(unix.EBADF))
		}
		n.Block = fd
	}
	if fd := c.SyncFD; fd >= 0 {
		if err := c.consume(fd); err != nil {
			return fmt.Errorf("--sync-fd %d: %s", fd, reason(err))
		}
		n.Held = append(n.Held, fd)
	}
	for _, j := range []struct {
		fd   int
		flag uint64
		text string
	}{
		{c.Namespaces.JoinUser, unix.CLONE_NEWUSER, "Joining specified user namespace failed"},
		{c.Namespaces.JoinPID, unix.CLONE_NEWPID, "Setting pidns failed"},
	} {
		if j.fd < 0 {
			continue
		}
		if err := c.consume(j.fd); err != nil {
			return fmt.Errorf("%s: %s", j.text, reason(err))
		}
		n.Join = append(n.Join, unshare.Join{Namespaces: j.flag, Target: fmt.Sprintf("/proc/self/fd/%d", j.fd)})
	}
	return nil
}

// idmap maps one user and one group: the caller's.
func (c *compiler) idmap() *idmap.Maps {
	m := &idmap.Maps{}
	for _, d := range []struct {
		wanted int64
		own    uint32
		list   *[]idmap.Range
	}{{c.UID, c.Host.UID, &m.UID}, {c.GID, c.Host.GID, &m.GID}} {
		if d.wanted >= 0 && uint32(d.wanted) != d.own {
			*d.list = []idmap.Range{{Extent: ids.Extent{Inside: uint32(d.wanted), Outside: d.own, Count: 1}}}
		}
	}
	return m
}
