package inspect

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A comparison is what a plan makes, and what the kernel tells of the process below a
// supervisor.
type comparison struct {
	plan *stage.State
	// own is the process that looks, above the supervisor, and below the process.
	own, above, below *Report
	// agrees and untold are what was compared, and what could not be. differs says what is
	// otherwise.
	agrees, untold, differs []string
	// marked is set if something of that distinguishes the process from the supervisor, so
	// that it is not a child that its caller had before.
	marked bool
	// marks is set if what performs the plan may load one filter more, by which calls stop that
	// it is to see, or others that do.
	marks bool
	// supervised is set if there is a supervisor although the chain needs none: the process may
	// lack CAP_SYS_PTRACE then.
	supervised bool
}

// sectionsOfChain are those that a chain is made of.
var sectionsOfChain = []string{"ids", "caps", "namespaces", "mounts", "root", "limits", "cgroups", "seccomp"}

// Host describes the supervisor as the caller of its chain, for the plan of [Supervisor.Words].
// It is an error if that cannot be planned by this process, because names would lead
// elsewhere: the supervisor must be in the same mount and user namespace, as far as the
// kernel tells. Unless this process may inspect the supervisor, its environment and its
// working directory are not known, and the environment is taken to be that of this one.
func (s *Supervisor) Host(h *host.Host) (*host.Host, error) {
	own, above, err := s.reports(h)
	if err != nil {
		return nil, err
	}
	return s.as(h, own, above)
}

func (s *Supervisor) reports(h *host.Host) (own, above *Report, err error) {
	if own, err = readOwn(h); err != nil {
		return nil, nil, err
	}
	above, err = Read(h, What{PID: s.PID, Sections: sectionsOfChain})
	return own, above, err
}

func (s *Supervisor) as(h *host.Host, own, above *Report) (*host.Host, error) {
	switch {
	case above.IDs == nil || above.Caps == nil || above.Mounts == nil || above.Limits == nil || own.IDs == nil:
		return nil, errors.New("its status, its limits or its mounts cannot be read")
	case !sameMounts(own.Mounts, above.Mounts):
		return nil, errors.New("it is in another mount namespace, or has another root directory")
	case above.Namespaces["user"].Caller == "other", !slices.Equal(own.IDs.UIDMap, above.IDs.UIDMap):
		return nil, errors.New("it is in another user namespace")
	}
	c := host.Caller{UID: above.IDs.UID.Effective, GID: above.IDs.GID.Effective, Groups: len(above.IDs.Groups) > 0, Env: s.env, Dir: above.Root.Directory,
		NoNewPrivs: above.Caps.NoNewPrivs, Rlimit: func(resource int) (soft, hard uint64) {
			for _, r := range resources {
				if r.id == resource {
					l := above.Limits[r.name]
					return uint64(l.Soft), uint64(l.Hard)
				}
			}
			return unix.RLIM_INFINITY, unix.RLIM_INFINITY
		}}
	sets := above.Caps.sets
	c.Permitted, c.Effective, c.Inheritable, c.Bounding, c.Ambient = sets[0], sets[1], sets[2], sets[3], sets[4]
	if s.envErr != nil {
		c.Env = h.Env
	}
	return h.As(c)
}

// sameMounts reports whether two processes see the same mounts: a mount has a number that
// no other has.
func sameMounts(a, b []Mount) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(x, y Mount) bool { return x.id == y.id && x.At == y.At })
}

// compare compares all that can be compared.
func (c *comparison) compare() {
	c.namespaces()
	c.maps()
	c.ids()
	c.caps()
	c.seccomp()
	c.limits()
	c.mounts()
	for what, why := range c.below.Unreadable {
		if strings.HasSuffix(what, ".threads") {
			c.differs = append(c.differs, strings.TrimSuffix(what, ".threads")+": "+why)
		}
	}
	if c.does("landlock_restrict_self") {
		c.untold = append(c.untold, "Landlock domains")
	}
	slices.Sort(c.differs)
}

// does reports whether the plan makes a call.
func (c *comparison) does(call string) bool {
	return slices.ContainsFunc(c.plan.Plan.Items(), func(it plan.Item) bool { return it.Op != nil && it.Op.Name == call })
}

func (c *comparison) differ(format string, args ...any) {
	c.differs = append(c.differs, fmt.Sprintf(format, args...))
}

// settle notes what has come of a section that had no differences before.
func (c *comparison) settle(section string, before int) {
	if len(c.differs) == before {
		c.agrees = append(c.agrees, section)
	}
}

func (c *comparison) namespaces() {
	before := len(c.differs)
	for _, t := range host.NamespaceTypes {
		there, ok := c.below.Namespaces[t.Name]
		from, known := c.above.Namespaces[t.Name]
		if !known {
			from = c.own.Namespaces[t.Name]
		}
		switch made, joined := c.plan.NS.New&t.Flag != 0, c.plan.NS.Joined&t.Flag != 0; {
		case !ok || from.ID == 0:
			c.untold = append(c.untold, "namespaces: "+t.Name+" cannot be read")
		case joined && !made:
			c.untold = append(c.untold, "namespaces: "+t.Name+" was joined, and is what it was then")
		case made && there.ID == from.ID:
			c.differ("namespaces: %s is that of the supervisor", t.Name)
		case !made && there.ID != from.ID:
			c.differ("namespaces: %s is another one than that of the supervisor", t.Name)
		case made:
			c.marked = true
		}
	}
	c.settle("namespaces", before)
}

// maps compares the map of user IDs, if the plan says what is mapped.
func (c *comparison) maps() {
	ids, from := c.below.IDs, c.above.IDs
	switch {
	case ids == nil || ids.UIDMap == nil || from == nil:
		c.untold = append(c.untold, "maps of IDs")
	case !c.plan.NS.Entered(unix.CLONE_NEWUSER):
		if !slices.Equal(ids.UIDMap, from.UIDMap) {
			c.differ("ids: the map of user IDs is another one than that of the supervisor")
		}
	case c.plan.NS.MapsUser == nil:
		c.untold = append(c.untold, "maps of IDs")
	default:
		maps := c.plan.NS.MapsUser
		for _, e := range ids.uids {
			if !maps(e.Outside) || !maps(e.Outside+e.Count-1) {
				c.differ("ids: more user IDs are mapped: %s", e)
			}
		}
		uid := from.UID.Effective
		if _, ok := ids.uids.Inside(uid); !ok && maps(uid) {
			c.differ("ids: user ID %d is not mapped", uid)
		}
	}
}

func (c *comparison) ids() {
	ids, from := c.below.IDs, c.above.IDs
	switch {
	case ids == nil || from == nil:
		c.untold = append(c.untold, "ids")
	case c.plan.ChangedIDs:
		c.marked = c.marked || ids.UID != from.UID
		c.untold = append(c.untold, "the IDs to which the chain changes")
	case ids.UID != from.UID || ids.GID != from.GID:
		c.differ("ids: uid %v, gid %v are not those of the supervisor", ids.UID, ids.GID)
	default:
		c.agrees = append(c.agrees, "ids")
	}
}

func (c *comparison) caps() {
	have, from := c.below.Caps, c.above.Caps
	if have == nil || from == nil {
		c.untold = append(c.untold, "caps")
		return
	}
	before := len(c.differs)
	want := c.plan.Cred.Execve()
	same := uint64(0)
	if c.supervised && !c.plan.Plan.Cloned() {
		same = 1 << unix.CAP_SYS_PTRACE
	}
	for i, set := range [5]uint64{want.Permitted, want.Effective, want.Inheritable, want.Bounding, want.Ambient} {
		if (have.sets[i]^set)&^same != 0 {
			c.differ("caps: %s lacks %s, and has besides %s", setNames[i][1], listed(capNames(set&^have.sets[i])), listed(capNames(have.sets[i]&^set)))
		}
		c.marked = c.marked || set != from.sets[i]
	}
	if have.NoNewPrivs != want.NoNewPrivs {
		c.differ("caps: no_new_privs is %v, not %v", yes(have.NoNewPrivs), yes(want.NoNewPrivs))
	}
	c.marked = c.marked || want.NoNewPrivs && !from.NoNewPrivs
	c.settle("caps", before)
}

func (c *comparison) seccomp() {
	have, from, more := c.below.Seccomp, c.above.Seccomp, len(c.plan.Filters)
	switch {
	case have == nil || from == nil || have.Filters == nil || from.Filters == nil:
		c.untold = append(c.untold, "seccomp")
		return
	case c.marks && more == 0 && *have.Filters == *from.Filters+1:
		c.agrees = append(c.agrees, "the number of filters with the one by which calls stop")
		return
	case *have.Filters != *from.Filters+more:
		c.differ("seccomp: %d filters, not %d", *have.Filters, *from.Filters+more)
		return
	}
	c.marked = c.marked || more > 0
	switch read := have.Contents; {
	case more == 0 || len(read) != *have.Filters || c.marks:
		c.agrees = append(c.agrees, "the number of filters")
	case !slices.EqualFunc(c.plan.Filters, read[len(read)-more:], func(code []unix.SockFilter, f FilterContent) bool { return slices.Equal(code, f.code) }):
		c.differ("seccomp: other filters")
		return
	default:
		c.agrees = append(c.agrees, "filters")
		return
	}
	if more > 0 {
		c.untold = append(c.untold, "what filters do")
	}
}

func (c *comparison) limits() {
	before := len(c.differs)
	for _, r := range resources {
		soft, hard, set := c.plan.RlimitSet(r.id)
		have, ok := c.below.Limits[r.name]
		switch want := (Limit{Amount(soft), Amount(hard)}); {
		case !set:
		case !ok:
			c.untold = append(c.untold, "limits: "+r.name)
		case have != want:
			c.differ("limits: %s is %v:%v, not %v:%v", r.name, have.Soft, have.Hard, want.Soft, want.Hard)
		default:
			c.marked = c.marked || c.above.Limits[r.name] != want
		}
	}
	c.settle("limits", before)
}

// mounts compares where something is mounted, and the attributes.
func (c *comparison) mounts() {
	list, from := c.below.Mounts, c.above.Mounts
	if list == nil || from == nil {
		c.untold = append(c.untold, "mounts")
		return
	}
	before := len(c.differs)
	if c.plan.Root.See == nil {
		if c.plan.NS.Entered(unix.CLONE_NEWNS) {
			return // the copies of the mounts have other numbers
		}
		if !sameMounts(list, from) {
			c.differ("mounts: not those of the supervisor")
		}
		return
	}
	for _, at := range c.plan.Root.Points() {
		if !slices.ContainsFunc(list, func(m Mount) bool { return m.At == at }) {
			c.differ("mounts: nothing is mounted on %s", at)
		}
	}
	for i := range list {
		if m := &list[i]; !m.Hidden {
			c.mount(m)
		}
	}
	c.settle("mounts", before)
}

func (c *comparison) mount(m *Mount) {
	seen, err := c.plan.Root.See(m.At)
	switch {
	case m.Type == "proc" || m.Type == "devpts" || path.Base(m.At) == "console":
		return // what the kernel has there depends on more than the plan
	case err != nil || seen.Unsure != "":
		c.untold = append(c.untold, "the mount on "+m.At)
		return
	case !seen.There && !seen.Protected:
		c.differ("mounts: the chain mounts nothing on %s", m.At)
		return
	}
	for option, attr := range map[string]uint64{"ro": unix.MOUNT_ATTR_RDONLY, "nosuid": unix.MOUNT_ATTR_NOSUID, "nodev": unix.MOUNT_ATTR_NODEV, "noexec": unix.MOUNT_ATTR_NOEXEC} {
		if seen.Attrs&attr != 0 && !m.has(option) {
			c.differ("mounts: %s is not %s", m.At, option)
		}
	}
	if seen.Protected && m.Type == "tmpfs" {
		return // in the place of what did not exist
	}
	if from := mountAt(c.own.Mounts, seen.Source); seen.Source != "" && from != nil {
		dir := path.Join(from.From, strings.TrimPrefix(seen.Source, strings.TrimSuffix(from.At, "/")))
		if m.Device != from.Device || m.From != dir {
			c.differ("mounts: on %s is %s of %s, and not what is in %s", m.At, m.From, m.Device, seen.Source)
		}
	}
}
