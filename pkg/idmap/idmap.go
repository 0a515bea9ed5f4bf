// Package idmap maps user and group IDs of a new user namespace: user_namespaces(7),
// newuidmap(1), newgidmap(1).
package idmap

import (
	"errors"
	"fmt"
	"strconv"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/ids"
	"hk/pkg/stage"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// Maps says how IDs inside the namespace map to IDs outside it.
//
// At most one of Self, Root and Auto is set, and none of them together with UID or GID.
type Maps struct {
	// Self maps the caller's IDs to themselves. This is also the default.
	Self bool
	// Root maps ID 0 inside to the caller's IDs.
	Root bool
	// Auto maps 0 to the caller, and the IDs from 1 on to all that subuid(5) and
	// subgid(5) give to the caller, one range after the other.
	Auto bool
	// UID and GID are explicit maps. An empty one maps the caller's ID to itself.
	UID, GID []Range
	// Setgroups is "allow", "deny" or "". Empty means deny for a map of only the
	// caller's own IDs, which needs no privilege if setgroups(2) is denied, and allow
	// for other maps.
	Setgroups string
	// PID is the process whose user namespace is mapped from outside; 0 means the
	// process that performs the plan. The namespace must be a child of the caller's.
	PID int
}

// Finishes reports whether the stage works without a next program.
func (m *Maps) Finishes() bool { return m.PID != 0 }

// A direction is one of the two maps and its properties.
type direction struct {
	name   string // "uid", "gid"
	helper string
	cap    capability.Cap
	ids    ids.Map
	self   uint32
}

// inside is the caller's ID in the user namespace, or ids.None.
func (d direction) inside() uint32 {
	if id, ok := d.ids.Inside(d.self); ok {
		return id
	}
	return ids.None
}

func (d direction) single() bool {
	return len(d.ids) == 1 && d.ids[0].Count == 1 && d.ids[0].Outside == d.self
}

func (m *Maps) resolve(h *host.Host) (uid, gid direction, err error) {
	uid = direction{name: "uid", helper: "newuidmap", cap: capability.CAP_SETUID, self: h.UID}
	gid = direction{name: "gid", helper: "newgidmap", cap: capability.CAP_SETGID, self: h.GID}
	switch {
	case m.Root && m.Auto || m.Self && (m.Root || m.Auto):
		return uid, gid, errors.New("--self, --root and --auto are mutually exclusive")
	case (m.Self || m.Root || m.Auto) && len(m.UID)+len(m.GID) > 0:
		return uid, gid, errors.New("--uid and --gid give the whole map: they cannot be combined with --root, --auto or --self")
	case m.Root:
		uid.ids = ids.Map{{Inside: 0, Outside: h.UID, Count: 1}}
		gid.ids = ids.Map{{Inside: 0, Outside: h.GID, Count: 1}}
	case m.Auto:
		if uid.ids, err = auto(h.UID, h, "uid"); err != nil {
			return uid, gid, err
		}
		if gid.ids, err = auto(h.GID, h, "gid"); err != nil {
			return uid, gid, err
		}
	default:
		uid.ids = defaults(m.UID, h.UID)
		gid.ids = defaults(m.GID, h.GID)
	}
	for _, d := range []direction{uid, gid} {
		if err := d.ids.Check("inside", "outside"); err != nil {
			return uid, gid, fmt.Errorf("--%s: %w", d.name, err)
		}
	}
	return uid, gid, nil
}

func defaults(list []Range, self uint32) ids.Map {
	if len(list) == 0 {
		return ids.Map{{Inside: self, Outside: self, Count: 1}}
	}
	m := make(ids.Map, len(list))
	for i, r := range list {
		m[i] = r.Extent
		if !r.OutsideSet {
			m[i].Outside = self
		}
		if !r.CountSet {
			m[i].Count = 1
		}
	}
	return m
}

// auto maps 0 to the caller, followed by all of its subordinate IDs.
func auto(self uint32, h *host.Host, kind string) (ids.Map, error) {
	list, err := h.SubIDs(kind)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		err := fmt.Errorf("--auto: /etc/sub%s gives the caller no IDs: root can add some that nobody else has with usermod --add-sub%ss: hk-doctor says which", kind, kind)
		if h.UID == 0 {
			err = fmt.Errorf("%w; or map any IDs without it: --uid 0:100000:65536 --gid 0:100000:65536; --root maps only its own", err)
		}
		return nil, cause.Because(cause.SubidMissing, err)
	}
	m := ids.Map{{Inside: 0, Outside: self, Count: 1}}
	next := uint64(1)
	for _, s := range list {
		if next+uint64(s.Count) > uint64(ids.Last)+1 {
			return nil, fmt.Errorf("--auto: /etc/sub%s gives more IDs than there are", kind)
		}
		m = append(m, ids.Extent{Inside: uint32(next), Outside: s.First, Count: s.Count})
		next += uint64(s.Count)
	}
	return m, nil
}

// flag is the flag that asks for the maps, or "" if there is none; the caller's IDs are
// then mapped to themselves.
func (m *Maps) flag() string {
	switch {
	case m.PID != 0:
		return "--pid " + strconv.Itoa(m.PID)
	case m.Root:
		return "--root"
	case m.Auto:
		return "--auto"
	case m.UID != nil && m.GID != nil:
		return "--uid, --gid"
	case m.UID != nil:
		return "--uid"
	case m.GID != nil:
		return "--gid"
	case m.Self:
		return "--self"
	}
	return ""
}

// Needs implements stage.Stage.
func (*Maps) Needs() stage.Needs { return stage.Needs{} }

// Plan adds the writes of the maps: by the child where the kernel allows it, otherwise
// by the supervisor if it has the capabilities, otherwise by newuidmap and newgidmap.
func (m *Maps) Plan(s *stage.State) error {
	uid, gid, err := m.resolve(s.Host)
	if err != nil {
		return err
	}
	s.For(m.flag())
	if m.PID != 0 {
		return m.planOther(s, uid, gid)
	}
	fused := s.NS.New&unix.CLONE_NEWUSER != 0
	switch {
	case s.NS.Mapped:
		return errors.New("the user namespace already has its ID maps")
	case !fused && s.Host.Mapped() && (s.NS.NoUser || s.Host.Handover.NoUser):
		s.Skip("the ID maps: hk-unshare --user-try has not created a user namespace")
		return nil
	case !fused && s.Host.Mapped():
		return errors.New("there is no new user namespace to map IDs in: hk-unshare --user must come first")
	}
	single := uid.single() && gid.single()
	privileged := fused && s.Host.Effective&caps(uid.cap, gid.cap) == caps(uid.cap, gid.cap)
	if !fused && !single {
		return errors.New("only a process outside the user namespace can write this map, and a chain that is not fused has none")
	}
	setgroups, err := m.setgroups(single, privileged, gid)
	if err != nil {
		return err
	}
	// The files of a process that is not dumpable belong to root.
	s.WhileDumpable(fused && s.Host.UID != 0, func() {
		if privileged && (!single || setgroups == "allow") {
			s.Plan.AddStep(direct(s.Name, uid, gid, setgroups))
		} else {
			err = ordinary(s, uid, gid, setgroups)
		}
	})
	if err != nil {
		return err
	}
	s.NS.Mapped, s.NS.NoSetgroups = true, setgroups == "deny"
	s.NS.MapsUser, s.NS.HasUser, s.NS.HasGroup = uid.ids.Has, uid.ids.HasInside, gid.ids.HasInside
	s.NS.UID, s.NS.GID = uid.inside(), gid.inside()
	id, ok := uid.ids.Inside(uid.self)
	s.Cred.Root = ok && id == 0
	return nil
}

// setgroups is "deny" or "allow". single means that both maps contain only the caller's
// own ID.
func (m *Maps) setgroups(single, privileged bool, gid direction) (string, error) {
	switch {
	case m.Setgroups == "" && (single || !privileged && gid.single()):
		return "deny", nil
	case m.Setgroups == "":
		return "allow", nil
	case m.Setgroups == "allow" && !privileged && gid.single():
		return "", errors.New("--setgroups allow: without CAP_SETGID, the caller's own group can be mapped only with setgroups denied")
	}
	return m.Setgroups, nil
}

func caps(list ...capability.Cap) uint64 {
	var set uint64
	for _, c := range list {
		set |= 1 << c
	}
	return set
}
