// Package setuser changes credentials, credentials(7) and capabilities(7), and the
// environment, environ(7).
package setuser

import (
	"errors"
	"fmt"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Credentials says which user the payload runs as, which capabilities it may have, and how
// its environment differs from the caller's.
type Credentials struct {
	// User is USER[:GROUP[:G1,G2...]] or "". Names are looked up in the passwd and
	// group files of the current root directory.
	User *User
	// Groups is a list of supplementary groups, or "none", or "keep"; "" means those
	// that follow from User. It takes precedence over the groups in User.
	Groups string
	// Caps is none, all, or a list of +CAP and -CAP; "" leaves the sets to the kernel's
	// rules for changes of IDs and for execve(2). all means all capabilities that the
	// caller has; in a new user namespace those are all that exist. keep is like "", but
	// CAP_SYS_PTRACE is kept too, with which the payload may trace its supervisor.
	Caps string
	// NoNewPrivs sets the no_new_privs attribute.
	NoNewPrivs bool
	// Securebits are names of securebits(7), comma-separated.
	Securebits string
	// Umask is the file mode creation mask; nil does not change it.
	Umask *uint32
	// Environment are changes of the environment.
	Environment []Change
}

// keep is a value of Caps.
const keep = "keep"

// Needs implements stage.Stage.
func (c *Credentials) Needs() stage.Needs {
	return stage.Needs{Credentials: c.changes(), UserID: c.User != nil}
}

// changes reports whether IDs or capabilities change.
func (c *Credentials) changes() bool { return c.User != nil || c.Groups != "" || c.Caps != "" }

// Plan adds the changes in the only order in which each is still permitted: bounding
// set, groups, IDs, capability sets, ambient set, and then anything that these have
// undone.
func (c *Credentials) Plan(s *stage.State) error {
	if !c.changes() && !c.NoNewPrivs && c.Securebits == "" && c.Umask == nil && len(c.Environment) == 0 {
		return errors.New("nothing was asked for: see hk-setuser(1)")
	}
	var caps *uint64
	if c.Caps != "" && c.Caps != keep {
		set, err := ParseCaps(c.Caps, s.Cred.Permitted, s.Host.LastCap)
		if err != nil {
			return fmt.Errorf("--caps: %w", err)
		}
		caps = &set
	}
	bits, err := parseSecurebits(c.Securebits)
	if err != nil {
		return fmt.Errorf("--securebits: %w", err)
	}
	if c.changes() {
		s.NotDumpable()
	}
	user, err := c.planAccount(s)
	if err != nil {
		return err
	}
	if caps != nil {
		s.For("--caps " + c.Caps)
		c.dropBounding(s, *caps)
	}
	s.For(c.idsFlag())
	ids, err := c.planIDs(s, caps != nil && *caps != 0 || bits != 0)
	if err != nil {
		return err
	}
	if bits != 0 {
		s.For("--securebits " + c.Securebits)
		planSecurebits(s, bits, caps, c.User != nil)
	}
	if caps != nil {
		s.For("--caps " + c.Caps)
		s.MakeAmbient(*caps)
	}
	if c.NoNewPrivs {
		s.For("--no-new-privs")
		s.SetNoNewPrivs(true)
	}
	if c.Umask != nil {
		s.For(fmt.Sprintf("--umask %03o", *c.Umask))
		s.Add(plan.Umask(plan.Octal(*c.Umask)))
	}
	s.For("")
	s.ChangedIDs = s.ChangedIDs || ids
	s.SetCaps = s.SetCaps || c.Caps != ""
	if ids || caps != nil {
		s.DieWithSupervisor()
	}
	return c.planEnvironment(s, user)
}

// idsFlag is the flag that asks for a change of IDs, or "".
func (c *Credentials) idsFlag() string {
	switch {
	case c.User != nil:
		return "--user " + c.User.String()
	case c.Groups != "":
		return "--groups " + c.Groups
	}
	return ""
}

// dropBounding removes everything else from the bounding set. That needs CAP_SETPCAP,
// which a change of IDs may remove, so it comes first.
func (c *Credentials) dropBounding(s *stage.State, keep uint64) {
	for cap := 0; cap <= s.Host.LastCap; cap++ {
		if keep>>cap&1 == 0 {
			s.DropBounding(cap)
		}
	}
}

// planSecurebits sets the bits after the IDs have changed, because they must not apply
// before. That needs CAP_SETPCAP, which was kept for it.
func planSecurebits(s *stage.State, bits uint32, caps *uint64, changed bool) {
	hold := uint64(1) << unix.CAP_SETPCAP
	if caps != nil {
		hold |= *caps
	}
	switch {
	case caps != nil && bits&stage.SecbitNoAmbientRaise != 0:
		// The set must become ambient before raising ambient capabilities is forbidden.
		s.Capset(hold, hold, *caps)
		s.RaiseAmbient(*caps)
	case changed && !s.Cred.Root:
		s.Capset(hold, hold, 0)
	}
	s.Add(plan.Prctl("PR_SET_SECUREBITS", unix.PR_SET_SECUREBITS, plan.Value(uint64(bits), securebitsText)).
		Hint(unix.EPERM, "changing securebits needs CAP_SETPCAP"))
	s.Cred = s.Cred.SetSecurebits(bits)
	if changed && !s.Cred.Root && caps == nil {
		s.Capset(0, 0, 0)
	}
}

// planIDs adds the changes of IDs and reports whether there are any. keepCaps means
// that capabilities must be kept across the change.
func (c *Credentials) planIDs(s *stage.State, keepCaps bool) (bool, error) {
	if (c.User != nil || c.Groups != "") && c.Groups != "keep" && s.SetgroupsDenied() {
		flag := "--groups"
		if c.Groups == "" {
			flag = "--user"
		}
		return false, fmt.Errorf("%s: %w", flag, errNoSetgroups)
	}
	if c.User == nil {
		if c.Groups == "" || c.Groups == "keep" {
			return false, nil
		}
		list, names, err := c.groupList()
		if err != nil {
			return false, err
		}
		if names == nil {
			s.Add(mayKeepGroups(plan.Setgroups(list)))
			return true, nil
		}
		l := newLookup(s, "", "", names)
		l.plan(s)
		s.Add(l.setgroups())
		return true, nil
	}
	uid, gid, setgroups, err := c.identify(s)
	if err != nil {
		return false, err
	}
	if keepCaps {
		s.KeepCaps()
	}
	s.Add(setgroups...)
	s.Add(stage.Mapped("the group ID", plan.Setresgid(gid)))
	s.Setresuid(uid, c.User.isRoot())
	if s.Host.SuidDumpable() == 1 {
		if !s.Plan.Cloned() {
			return false, errors.New("--user: the sysctl fs.suid_dumpable is 1, so the new user could trace a process whose other threads still have the caller's IDs: set it to 0 or 2, or use a supervisor, for example with hk-unshare --setsid")
		}
		s.Add(plan.Dumpable(false))
	}
	if !s.Cred.Root && !keepCaps {
		// The kernel does that only for a process that changes from user ID 0.
		s.Capset(0, 0, 0)
	}
	return true, nil
}

var errNoSetgroups = errors.New("setgroups(2) is denied in this user namespace, as it is if an ordinary user maps only its own group: map more with hk-idmap --auto, or, as root, use hk-idmap --setgroups allow; or keep the groups with --groups keep")
