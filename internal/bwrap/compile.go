package bwrap

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"

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
	// newUser is set if a user namespace is created, and apart if the program is another
	// process than this one.
	newUser, apart bool
	// parents is the mode of directories on the way to what is added next.
	parents uint32
	// consumed are descriptors that stages read.
	consumed []int
}

// Compile makes the stages of settings. It reads what they name on the host, and changes
// nothing. consumed are descriptors that the stages read and the payload does not get.
func Compile(s *Settings, h *host.Host) (stages []stage.Stage, consumed []int, err error) {
	c := &compiler{Settings: s, Host: h}
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
	switch {
	case c.othersMap() && (c.UID >= 0 || c.GID >= 0):
		stages = append(stages, c.become())
	case c.newUser && !c.othersMap():
		stages = append(stages, c.idmap())
	}
	stages = append(stages, &c.mounts)
	if c.Namespaces.Net {
		stages = append(stages, &netns.Network{Loopback: true})
	}
	stages = append(stages, &c.user)
	if c.DenyTIOCSTI {
		stages = append(stages, seccomp.Terminal(runtime.GOARCH))
	}
	for _, fd := range c.Filters {
		if err := c.consume(fd); err != nil {
			return nil, nil, fmt.Errorf("Can't read seccomp data: %s", reason(err))
		}
		stages = append(stages, &seccomp.Filter{BPF: descriptor(fd)})
	}
	return stages, c.consumed, nil
}

// othersMap reports whether the IDs of the user namespace are mapped by another program.
func (c *compiler) othersMap() bool { return c.Namespaces.JoinUser >= 0 || c.UsernsBlockFD >= 0 }

// descriptor is the name of a descriptor for a stage.
func descriptor(fd int) string { return fmt.Sprintf("fd:%d", fd) }

// consume records that a stage reads a descriptor, from which nothing else has read.
func (c *compiler) consume(fd int) error {
	if slices.Contains(c.consumed, fd) || slices.Contains(c.Read, fd) {
		return unix.EBADF
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
	// A parent outside the PID namespace has no PID in it: of its end only the kernel tells.
	n.DieWithProcess = c.DieWithParent && c.Host.Parent != 0
	n.DieWithParent = c.DieWithParent && !n.DieWithProcess
	n.AssertNoNested = from.AssertDisabled
	n.Argv0 = c.Argv0
	n.NamespaceIDs = c.InfoFD >= 0 || c.StatusFD >= 0 || len(c.Held) > 0 || len(c.Locks) > 0 // it needs a supervisor
	if err := c.descriptors(); err != nil {
		return err
	}
	c.apart = c.DieWithParent || (n.New|n.Try)&(unix.CLONE_NEWUSER|unix.CLONE_NEWPID) != 0 || len(n.Join) > 0 || n.NamespaceIDs || n.Setsid || n.Block > 0 || n.AssertNoNested
	// What is held is held as long as there is a process of the sandbox.
	n.Outlive = c.apart && !c.DieWithParent && len(c.Held) == 0 && len(c.Locks) == 0
	n.NoNested = from.Disable
	return nil
}

// descriptors sets what is waited for, kept open and joined.
func (c *compiler) descriptors() error {
	n := &c.namespaces
	for _, b := range []struct {
		name string
		fd   int
		at   *int
	}{{"block-fd", c.BlockFD, &n.Block}, {"userns-block-fd", c.UsernsBlockFD, &n.UserBlock}} {
		if b.fd < 0 {
			continue
		}
		if b.fd <= 2 {
			return fmt.Errorf("--%s %d: a descriptor above 2 is needed here", b.name, b.fd)
		}
		if err := c.consume(b.fd); err != nil {
			return fmt.Errorf("--%s %d: %s", b.name, b.fd, reason(err))
		}
		*b.at = b.fd
	}
	for _, fd := range c.Held {
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
		err := c.consume(j.fd)
		if err == nil && c.newUser { // which does not own a PID namespace that exists
			err = unix.EPERM
		}
		if err != nil {
			return fmt.Errorf("%s: %s", j.text, reason(err))
		}
		n.Join = append(n.Join, unshare.Join{Namespaces: j.flag, Target: descriptor(j.fd)})
	}
	if fd := c.Namespaces.JoinUser2; fd >= 0 {
		if fd <= 2 {
			return fmt.Errorf("--userns2 %d: a descriptor above 2 is needed here", fd)
		}
		if err := c.consume(fd); err != nil {
			return fmt.Errorf("Setting userns2 failed: %s", reason(err))
		}
		c.user.UserNS = fd
	}
	return nil
}

// become changes the IDs to those that are asked for, and keeps the capabilities for what
// follows.
func (c *compiler) become() *setuser.Credentials {
	u := &setuser.User{Name: "keep", Group: "keep"}
	if c.UID >= 0 {
		u.Name = strconv.FormatInt(c.UID, 10)
	}
	if c.GID >= 0 {
		u.Group = strconv.FormatInt(c.GID, 10)
	}
	return &setuser.Credentials{User: u, Groups: "keep", Caps: "all"}
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
