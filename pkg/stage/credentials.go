package stage

import (
	"fmt"
	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Credentials are those of the thread that performs the plan, as described in
// capabilities(7). Sets are bits by capability number. The effects of system calls are
// methods; each returns the credentials after a successful call.
type Credentials struct {
	// Root is set if the real, effective and saved user IDs of the thread are 0 in its
	// user namespace.
	Root bool

	Permitted, Effective, Inheritable, Bounding, Ambient uint64

	// Securebits are SECBIT_* of securebits(7).
	Securebits uint32
	// NoNewPrivs is the no_new_privs attribute.
	NoNewPrivs bool
}

// Securebits of linux/securebits.h on which the transitions depend.
const (
	SecbitNoRoot         = 1 << 0
	SecbitNoSetuidFixup  = 1 << 2
	SecbitKeepCaps       = 1 << 4
	SecbitNoAmbientRaise = 1 << 6
)

// credentialsOf returns those of the caller.
func credentialsOf(h *host.Host) Credentials {
	all := h.AllCaps()
	return Credentials{
		Root:      h.UID == 0 && !h.Handover.Unmapped,
		Permitted: h.Permitted & all, Effective: h.Effective & all, Inheritable: h.Inheritable & all,
		Bounding: h.Bounding & all, Ambient: h.Ambient & all,
		Securebits: h.Securebits, NoNewPrivs: h.NoNewPrivs,
	}
}

// Has reports whether a capability is effective.
func (c Credentials) Has(capability int) bool { return c.Effective>>capability&1 != 0 }

// RootGains reports whether the thread has user ID 0 and execve(2) gives capabilities
// to it.
func (c Credentials) RootGains() bool { return c.Root && c.Securebits&SecbitNoRoot == 0 }

// Execve is the effect of execve(2) of a program that is not set-user-ID and has no
// file capabilities.
func (c Credentials) Execve() Credentials {
	permitted, effective := c.Ambient, c.Ambient
	if c.RootGains() {
		permitted = c.Bounding | c.Inheritable | c.Ambient
		if c.NoNewPrivs {
			permitted &= c.Permitted
		}
		effective = permitted
	}
	c.Permitted, c.Effective = permitted, effective
	c.Securebits &^= SecbitKeepCaps
	return c
}

// Setresuid is the effect of setresuid(2) with the same ID three times; root means that
// it is 0.
func (c Credentials) Setresuid(root bool) Credentials {
	was := c.Root
	c.Root = root
	switch {
	case was == root || c.Securebits&SecbitNoSetuidFixup != 0:
	case root:
		c.Effective = c.Permitted
	default:
		c.Effective, c.Ambient = 0, 0
		if c.Securebits&SecbitKeepCaps == 0 {
			c.Permitted = 0
		}
	}
	return c
}

// Capset is the effect of capset(2). Preconditions: permitted is a subset of the
// permitted set, effective of permitted, and inheritable of the union of the permitted
// and inheritable sets.
func (c Credentials) Capset(effective, permitted, inheritable uint64) Credentials {
	c.Effective, c.Permitted, c.Inheritable = effective, permitted, inheritable
	c.Ambient &= permitted & inheritable
	return c
}

// DropBounding is the effect of PR_CAPBSET_DROP of prctl(2). Capabilities that the
// thread has remain until execve(2). Preconditions: CAP_SETPCAP is effective.
func (c Credentials) DropBounding(capability int) Credentials {
	c.Bounding &^= 1 << capability
	return c
}

// RaiseAmbient is the effect of PR_CAP_AMBIENT_RAISE of prctl(2) for each capability of
// a set. Preconditions: they are permitted and inheritable.
func (c Credentials) RaiseAmbient(set uint64) Credentials {
	c.Ambient |= set
	return c
}

// LowerAmbient is the effect of PR_CAP_AMBIENT_LOWER of prctl(2) for each capability of a
// set.
func (c Credentials) LowerAmbient(set uint64) Credentials {
	c.Ambient &^= set
	return c
}

// SetSecurebits is the effect of PR_SET_SECUREBITS of prctl(2). Preconditions:
// CAP_SETPCAP is effective.
func (c Credentials) SetSecurebits(bits uint32) Credentials {
	c.Securebits = bits
	return c
}

// EnterUserNS is the effect of clone(2), unshare(2) or setns(2) into another user
// namespace. all are all capabilities that the kernel knows. Root is not set: whether
// the thread has user ID 0 there depends on the map.
func (c Credentials) EnterUserNS(all uint64) Credentials {
	return Credentials{Permitted: all, Effective: all, Bounding: all, NoNewPrivs: c.NoNewPrivs}
}

// PayloadCaps are the most capabilities that the payload can have, if no later stage
// removes more.
func (s *State) PayloadCaps() uint64 { return s.Cred.Execve().Permitted }

// Gains are the capabilities that the payload gets by execve(2) and the process did not
// have before.
func (s *State) Gains() uint64 { return s.Cred.Execve().Permitted &^ s.Cred.Permitted }

// Capset appends capset(2).
func (s *State) Capset(effective, permitted, inheritable uint64) {
	op := plan.Capset(effective, permitted, inheritable)
	if missing := permitted &^ s.Cred.Permitted; missing != 0 {
		op = op.Hint(unix.EPERM, "a capability cannot be gained: the caller does not have "+plan.CapNames(missing))
	}
	s.Add(op)
	s.Cred = s.Cred.Capset(effective, permitted, inheritable)
}

// DropBounding appends ops that remove a capability from the bounding set.
func (s *State) DropBounding(capability int) {
	s.Add(plan.DropBounding(capability).
		Because(unix.EPERM, cause.Capability, "changing the bounding set needs CAP_SETPCAP, which root has, and in a new user namespace its creator: hk-unshare --user"))
	s.Cred = s.Cred.DropBounding(capability)
}

// MakeAmbient appends ops with which the thread has a set, and keeps it when it
// executes a program. Preconditions: the set is permitted.
func (s *State) MakeAmbient(set uint64) {
	s.Capset(set, set, set)
	s.RaiseAmbient(set)
}

// RaiseAmbient appends ops that make a set ambient. If securebits forbid that, what is
// ambient already is skipped. Preconditions: the set is permitted and inheritable.
func (s *State) RaiseAmbient(set uint64) {
	raise := set
	if s.Cred.Securebits&SecbitNoAmbientRaise != 0 {
		raise &^= s.Cred.Ambient
	}
	for c := range s.Host.LastCap + 1 {
		if raise>>c&1 != 0 {
			s.Add(plan.RaiseAmbient(c).Hint(unix.EPERM, "the caller's SECBIT_NO_CAP_AMBIENT_RAISE forbids it"))
		}
	}
	s.Cred = s.Cred.RaiseAmbient(set)
}

// LowerAmbient appends ops after which a set is not ambient.
func (s *State) LowerAmbient(set uint64) {
	for c := range s.Host.LastCap + 1 {
		if set>>c&1 != 0 {
			s.Add(plan.LowerAmbient(c))
		}
	}
	s.Cred = s.Cred.LowerAmbient(set)
}

// KeepCaps appends an op that keeps the permitted set across a change of the user ID.
func (s *State) KeepCaps() {
	s.Add(plan.Prctl("PR_SET_KEEPCAPS", unix.PR_SET_KEEPCAPS, plan.Int(1)))
	s.Cred = s.Cred.SetSecurebits(s.Cred.Securebits | SecbitKeepCaps)
}

// Setresuid appends setresuid(2); root means that the user ID is 0.
func (s *State) Setresuid(uid plan.Arg, root bool) {
	s.Add(Mapped("the user ID", plan.Setresuid(uid)))
	s.Cred = s.Cred.Setresuid(root)
	s.ChangedIDs, s.ChangedUser = true, true
}

// SetNoNewPrivs appends an op that sets the no_new_privs attribute, unless it is
// already set and a filter may now deny setting it. asked is set if a flag asks for the
// attribute, and not set if the stage needs it, unless told otherwise.
func (s *State) SetNoNewPrivs(asked bool) {
	if s.noNewPrivsBy == "" {
		s.noNewPrivsBy, s.noNewPrivsImplied = s.Name, !asked
	}
	s.setNoNewPrivs()
}

func (s *State) setNoNewPrivs() {
	done := s.NoNewPrivs && len(s.Filters) > 0 || s.Host.KeepsNoNewPrivs()
	s.NoNewPrivs, s.Cred.NoNewPrivs = true, true
	if !s.Plan.Cloned() && s.CallerNoNewPrivs == "" {
		s.CallerNoNewPrivs = s.Name
	}
	if !done {
		s.Add(plan.NoNewPrivs())
	}
}

// NoNewPrivsBy is the first stage that has set the no_new_privs attribute, or "".
func (s *State) NoNewPrivsBy() string { return s.noNewPrivsBy }

// AllowNewPrivs is for a stage that is told not to set no_new_privs. It is an error if
// an earlier stage of the plan has set the attribute, or if a later one sets it and was
// not asked to. The caller of the chain may have set it.
func (s *State) AllowNewPrivs() error {
	if s.noNewPrivsBy != "" {
		return fmt.Errorf("--allow-new-privs: %s, which comes earlier, sets no_new_privs", s.noNewPrivsBy)
	}
	s.AtEnd(func() error {
		if !s.noNewPrivsImplied {
			return nil
		}
		return fmt.Errorf("--allow-new-privs: %s, which comes later, sets no_new_privs: give it the flag too, or use hk-setuser --no-new-privs", s.noNewPrivsBy)
	})
	return nil
}
