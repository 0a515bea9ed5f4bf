package hakoniwa

import (
	"errors"
	"slices"

	"hk/pkg/host"
	"hk/pkg/idmap"
	"hk/pkg/landlock"
	"hk/pkg/limit"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/seccomp"
	"hk/pkg/setuser"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// Compiled is what settings come to: a chain in parts.
type Compiled struct {
	Stages []stage.Stage
	// Payload is the program, by its path, and its arguments.
	Payload []string
	// Notes are about what was chosen, and Warnings about what is probably not meant.
	Notes, Warnings []string
}

// A compiler makes the stages. Each method adds what concerns it.
type compiler struct {
	*Settings
	Host       *host.Host
	namespaces unshare.Namespaces
	mounts     mount.Mounts
	network    netns.Network
	user       setuser.Credentials
	limits     limit.Limits // of a process
	total      limit.Limits // of all processes together
	notes      []string
	// given are the bind mounts of the command line.
	given []mount.Entry
}

// Compile makes the stages of settings. It reads what they name on the host, and changes
// nothing. An error is one in the settings.
func Compile(s *Settings, h *host.Host) (*Compiled, error) {
	c := &compiler{Settings: s, Host: h}
	if err := c.unshare(); err != nil {
		return nil, err
	}
	ids, err := c.idmap()
	if err != nil {
		return nil, err
	}
	if err := c.root(); err != nil {
		return nil, err
	}
	if err := c.credentials(ids); err != nil {
		return nil, err
	}
	if err := c.limit(); err != nil {
		return nil, err
	}
	rules, err := c.landlock()
	if err != nil {
		return nil, err
	}
	filters, err := c.seccomp()
	if err != nil {
		return nil, err
	}
	payload, err := c.payload()
	if err != nil {
		return nil, err
	}
	return &Compiled{c.stages(ids, rules, filters), payload, c.notes, c.uncovered()}, nil
}

// stages are the stages in order. What the supervisor enforces comes first: inside, a
// program could not create a control group, nor find the file of a report. A limit on
// open files comes after what opens files. Without no_new_privs a domain and a filter
// need CAP_SYS_ADMIN, so the capabilities are dropped after them.
func (c *compiler) stages(ids *idmap.Maps, rules *landlock.Ruleset, filters []*seccomp.Filter) []stage.Stage {
	var list []stage.Stage
	add := func(s stage.Stage, wanted bool) {
		if wanted {
			list = append(list, s)
		}
	}
	add(&c.total, len(c.total.Args()) > 0)
	add(&c.namespaces, true)
	add(ids, true)
	add(&c.mounts, true)
	add(&c.network, len(c.network.Args()) > 0)
	last := c.User.AllowNewPrivs
	add(&c.user, !last)
	add(rules, rules != nil)
	add(&c.limits, !last && len(c.limits.List) > 0)
	for _, f := range filters {
		add(f, true)
	}
	add(&c.user, last)
	add(&c.limits, last && len(c.limits.List) > 0)
	return list
}

// namespaceFlag is the flag of a namespace that is not always created, or 0.
func namespaceFlag(name string) uint64 {
	switch name {
	case "cgroup":
		return unix.CLONE_NEWCGROUP
	case "ipc":
		return unix.CLONE_NEWIPC
	case "network":
		return unix.CLONE_NEWNET
	case "uts":
		return unix.CLONE_NEWUTS
	case "time":
		return unix.CLONE_NEWTIME
	}
	return 0
}

// unshare sets the namespaces, and what the payload inherits: nothing but its standard
// descriptors and a new session keyring.
func (c *compiler) unshare() error {
	n := &c.namespaces
	n.New = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID
	n.Keyring, n.CloseFDs = true, true
	// A payload that is PID 1 could kill hk-run, and then outlive its time.
	n.Init, n.Setsid = c.Process.Init || c.Limits.Walltime != 0, c.Process.Setsid
	n.Outlive, n.NoNested = c.Process.Outlive, c.Process.NoNested
	n.Monotonic, n.Boottime = offset(c.Process.Monotonic), offset(c.Process.Boottime)
	for _, ns := range c.Namespaces {
		flag := namespaceFlag(ns.Type)
		switch {
		case flag == 0:
			return errors.New("unknown namespace " + ns.Type)
		case ns.Share:
			n.New &^= flag
		default:
			n.New |= flag
		}
	}
	if c.Hostname != "" {
		n.New |= unix.CLONE_NEWUTS
		n.Hostname = c.Hostname
	}
	if c.Domainname != "" {
		n.New |= unix.CLONE_NEWUTS
		n.Domainname = c.Domainname
	}
	switch c.Network.Mode {
	case "":
	case "host":
		n.New &^= unix.CLONE_NEWNET
	case "none":
		n.New |= unix.CLONE_NEWNET
	case "pasta":
		n.New |= unix.CLONE_NEWNET
		c.network.Pasta, c.network.PastaArgs = true, slices.Clone(c.Network.Options)
	default:
		return errors.New("unknown network mode " + c.Network.Mode)
	}
	c.network.Loopback, c.network.Forward, c.network.Expose = c.Network.Loopback, c.Network.Forward, c.Network.Expose
	if len(c.network.Args()) > 0 && n.New&unix.CLONE_NEWNET == 0 {
		return errors.New("loopback, forward and expose: the network is the host's")
	}
	return nil
}

// offset is the offset of a clock.
func offset(seconds *int64) *unix.Timespec {
	if seconds == nil {
		return nil
	}
	return &unix.Timespec{Sec: *seconds}
}
