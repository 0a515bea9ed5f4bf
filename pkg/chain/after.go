package chain

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"hk/pkg/host"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/seccomp"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// someNumber stands for a descriptor or a PID that is known only where a program runs. No
// number that the kernel gives is as high.
const someNumber = 1<<30 + 7919

// overflow is the ID of what is not mapped in a user namespace.
const overflow = 65534

// errUnknown is the error of what is known only where a program runs.
var errUnknown = errors.New("known only where it runs")

// unknowns are what the programs of a chain find, as far as their hosts do not say it.
type unknowns struct {
	// said are sentences about what was asked and is not known.
	said []string
	// uid is the caller's user ID, and other is set once a program has changed it.
	uid   uint32
	other bool
	// root is what [host.Host.HostRoot] returns for the caller.
	root  uint32
	known bool
	// groups is set while there are supplementary groups.
	groups bool
}

func unknownsOf(h *host.Host) *unknowns {
	list, err := unix.Getgroups()
	u := &unknowns{uid: h.UID, groups: h.DropsGroups || err == nil && len(list) > 0}
	u.root, u.known = h.HostRoot()
	return u
}

func (u *unknowns) say(format string, args ...any) error {
	if text := fmt.Sprintf(format, args...); !slices.Contains(u.said, text) {
		u.said = append(u.said, text)
	}
	return errUnknown
}

// after describes the machine for the program that the plan executes: as the host of this
// plan, changed by what the plan does.
func (t *translator) after(u *unknowns) *host.Host {
	d := *t.Host
	t.idsAfter(&d, u)
	t.capsAfter(&d)
	t.namespacesAfter(&d, u)
	t.processAfter(&d)
	t.limitsAfter(&d)
	t.filtersAfter(&d, u)
	if t.Root.New || t.Root.Mounts {
		t.rootAfter(&d, u)
	}
	t.programAfter(&d, u)
	t.handoverAfter(&d)
	d.DropsGroups = d.Effective>>unix.CAP_SETGID&1 != 0 && u.groups && !d.NoSetgroups()
	d.TryUserNS = func() error {
		u.say("whether a user namespace can be created is tried where the stage runs")
		return t.Host.TryUserNS()
	}
	return &d
}

// idsAfter sets the IDs.
func (t *translator) idsAfter(d *host.Host, u *unknowns) {
	if t.NS.Mapped {
		d.UID, d.GID = mapped(t.NS.UID), mapped(t.NS.GID)
	}
	for _, it := range t.Plan.Items() {
		if it.Step != nil {
			continue
		}
		switch it.Op.Name {
		case "setresuid":
			d.UID, u.other = number(it.Op.Args[0]), true
		case "setresgid":
			d.GID = number(it.Op.Args[0])
		case "setgroups":
			u.groups = it.Op.Args[0].String() != "0"
		}
	}
}

func mapped(id uint32) uint32 {
	if id == ids.None {
		return overflow
	}
	return id
}

// number is an ID, or overflow if a step finds it out.
func number(a plan.Arg) uint32 {
	n, err := strconv.ParseUint(a.String(), 10, 32)
	if err != nil {
		return overflow
	}
	return uint32(n)
}

// capsAfter sets the capabilities, as execve(2) leaves them.
func (t *translator) capsAfter(d *host.Host) {
	c := t.Cred
	if t.handover.Ambient && !t.Host.Handover.Ambient {
		set := c.Permitted & (c.Inheritable | c.Bounding)
		c = c.Capset(set, set, set).RaiseAmbient(set)
	}
	c = c.Execve()
	d.Permitted, d.Effective, d.Inheritable, d.Bounding, d.Ambient = c.Permitted, c.Effective, c.Inheritable, c.Bounding, c.Ambient
	d.Securebits, d.NoNewPrivs = c.Securebits, c.NoNewPrivs
}

// namespacesAfter sets what depends on the namespaces that the plan has created.
func (t *translator) namespacesAfter(d *host.Host, u *unknowns) {
	created := t.NS.New&unix.CLONE_NEWUSER != 0
	isMapped := t.NS.Mapped || !created && t.Host.Mapped()
	d.Mapped = func() bool { return isMapped }
	setgroups, user, nested := t.SetgroupsDenied(), t.InUserNS(), t.NS.NoNested || t.Host.NoNested != nil && t.Host.NoNested()
	d.NoSetgroups = func() bool { return setgroups }
	d.UserNS = func() bool { return user }
	d.NoNested = func() bool { return nested }
	if t.NS.New&unix.CLONE_NEWNET != 0 {
		d.OwnNet = func() bool { return true }
	}
	if created || t.NS.Mapped {
		root, known := t.rootAfterMap(u, d.UID, isMapped)
		d.HostRoot = func() (uint32, bool) { return root, known }
	}
}

// rootAfterMap is what [host.Host.HostRoot] finds in the user namespace.
func (t *translator) rootAfterMap(u *unknowns, uid uint32, isMapped bool) (id uint32, known bool) {
	if !isMapped {
		return ids.None, false
	}
	if t.NS.MapsUser == nil {
		return t.Host.HostRoot()
	}
	root, known := t.Host.HostRoot()
	if t.Host.Handover.Unmapped {
		root, known = u.root, u.known // an earlier stage has created the namespace
	}
	if known && root != ids.None && t.NS.MapsUser(root) {
		if root == t.Host.UID {
			return uid, true
		}
		return 0, false
	}
	return ids.None, uid != overflow
}

// processAfter sets what the process and its parent are.
func (t *translator) processAfter(d *host.Host) {
	d.ParentDeathSignal = t.deathSignalAfter()
	switch {
	case !t.Plan.Cloned():
	case t.NS.New&unix.CLONE_NEWPID == 0:
		d.PID, d.Parent = someNumber, someNumber
	case t.Plan.Direct():
		d.PID, d.Parent = 1, 0
	default:
		d.PID, d.Parent = 2, 1
	}
	if t.Root.New && t.Root.See != nil {
		if seen, err := t.Root.See(d.Dir); err != nil || !seen.There || !seen.Dir {
			d.Dir = "/"
		}
	}
}

// deathSignalAfter is the signal that the next program gets when its parent ends, or 0. After
// each change that clears it, the plan sets it again.
func (t *translator) deathSignalAfter() unix.Signal {
	sig, actor := t.Host.ParentDeathSignal, plan.Caller
	if t.Plan.Cloned() {
		sig, actor = 0, plan.Child
	}
	kill := plan.ParentDeathSignal(unix.SIGKILL).String()
	for _, it := range t.Plan.Items() {
		if it.Step == nil && it.Actor == actor && it.Op.String() == kill {
			sig = unix.SIGKILL
		}
	}
	if t.Gains() != 0 {
		return 0
	}
	return sig
}

// limitsAfter sets the limits, and the descriptor that is used next.
func (t *translator) limitsAfter(d *host.Host) {
	d.Rlimit = t.Rlimit
	d.Raised = slices.DeleteFunc(slices.Clone(d.Raised), func(r host.Rlimit) bool {
		_, _, set := t.RlimitSet(r.Resource)
		return set
	})
	taken, spare := t.handover.Supervisor, t.Host.SpareFD
	d.SpareFD = func() int {
		soft, _ := t.Rlimit(unix.RLIMIT_NOFILE)
		fd := min(int(min(soft, 1024))-1, spare())
		if fd == taken {
			fd--
		}
		if fd < 128 {
			return 0
		}
		return fd
	}
}

// filtersAfter sets what a program finds out by calls that a filter may stop.
func (t *translator) filtersAfter(d *host.Host, u *unknowns) {
	if len(t.Filters) == 0 {
		return
	}
	filters, before := t.Filters, *t.Host
	load := plan.Prctl("PR_SET_SECCOMP", unix.PR_SET_SECCOMP, plan.Int(unix.SECCOMP_MODE_FILTER), plan.Int(0), plan.Int(0), plan.Int(0))
	d.FilterByPrctl = func() bool {
		may, certain := seccomp.Stops(filters, load)
		if may && !certain {
			u.say("whether the filter of an earlier stage allows to load another one is tried where the stage runs")
		}
		return !certain
	}
	d.KeepsNoNewPrivs = func() bool {
		may, certain := seccomp.Stops(filters, plan.NoNewPrivs())
		if may && !certain {
			u.say("whether the filter of an earlier stage allows to set no_new_privs is tried where the stage runs")
		}
		return certain && d.NoNewPrivs || before.KeepsNoNewPrivs()
	}
	d.Has = func(f host.Feature) bool {
		u.say("whether the filter of an earlier stage hides a call is tried where the stage runs: %v", f)
		return before.Has(f)
	}
}

// programAfter sets which file the next program is executed from.
func (t *translator) programAfter(d *host.Host, u *unknowns) {
	was := t.Host
	self, selfErr := was.Program()
	if t.ExecutesSealed {
		self.Sealed, self.Fixed, self.Writable = true, true, false
	}
	at := was.ProgramAt
	_, copies := first(t.links, func(n stage.Needs) bool { return n.Confines })
	d.ProgramAt = func(path string) (host.Program, error) {
		p, err := at(path)
		p.Writable = p.Writable && t.mayWrite(u, path)
		return p, err
	}
	p, err := self, selfErr
	d.SelfFD = was.SelfFD
	switch {
	case t.Next.FD >= 0, t.Next.Program != nil && (copies || t.exposed):
		if copies {
			p.Sealed, p.Fixed, p.Writable = true, true, false
		}
	default:
		if p, err = d.ProgramAt(t.path); p.Path == "" {
			p.Path = t.path
		}
	}
	if t.Next.Program != nil {
		d.SelfFD = someNumber
	}
	d.SelfProgram = &p
	procfs := d.Procfs
	d.Program = func() (host.Program, error) {
		if err := procfs(); err != nil {
			return host.Program{}, err
		}
		return p, err
	}
}

// mayWrite reports whether the next program may write to a file to which its caller may.
func (t *translator) mayWrite(u *unknowns, path string) bool {
	owner, _, err := t.Host.Owner(path)
	if err != nil || !u.other && owner == u.uid {
		return true
	}
	if t.Cred.Execve().Effective>>unix.CAP_DAC_OVERRIDE&1 == 0 {
		return false
	}
	return !t.InUserNS() || t.NS.MapsUser != nil && t.NS.MapsUser(owner)
}

// handoverAfter sets the environment, and what is left in it, as far as the kernel does not
// contradict it.
func (t *translator) handoverAfter(d *host.Host) {
	env := t.Env.List()
	if v := t.handover.Variable(); v != "" {
		env = append(env, v)
	}
	var given host.Handover
	d.Env, given = host.Inherited(env)
	if d.Handover = given; given == (host.Handover{}) {
		return
	}
	if d.Handover.Unmapped = !d.Mapped(); d.Handover.Unmapped {
		d.UID, d.GID = given.UID, given.GID
	} else {
		d.Handover.UID, d.Handover.GID = 0, 0
	}
	d.Handover.Ambient = given.Ambient && d.Permitted != 0 && d.Ambient == d.Permitted
}
