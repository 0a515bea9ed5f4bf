// Package setuser changes credentials, credentials(7) and capabilities(7), and the
// environment, environ(7).
package setuser

import (
	"errors"
	"fmt"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Credentials says which user the payload runs as, which capabilities it may have, and how
// its environment differs from the caller's.
type Credentials struct {
	// UserNS is a descriptor of the caller, of an existing user namespace that is entered
	// first; 0 means none. It must be a descendant of the current one.
	UserNS int
	// User is USER[:GROUP[:G1,G2...]] or nil. Names are looked up in the passwd and
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
	// Bounding, Inheritable and Ambient are each a list for one set, which Caps then does
	// not change. all means those of Caps, or without it all that the caller has, and in
	// Bounding those that are in the bounding set; keep is the set as it is. In a process
	// that changes to another user than root without Caps, the permitted set is the ambient
	// one.
	Bounding, Inheritable, Ambient string
	// NoNewPrivs sets the no_new_privs attribute.
	NoNewPrivs bool
	// Securebits are names of securebits(7), comma-separated.
	Securebits string
	// Label is the SELinux label of the payload, or "". It applies to the next program that is
	// executed.
	Label string
	// Umask is the file mode creation mask; nil does not change it.
	Umask *uint32
	// Environment are changes of the environment.
	Environment []Change
}

// keep is a value of Caps.
const keep = "keep"

// Needs implements stage.Stage.
func (c *Credentials) Needs() stage.Needs {
	n := stage.Needs{Credentials: c.changes(), UserID: c.User != nil}
	if c.Label != "" { // the child opens the procfs before a new root hides it
		n.Supervisor, n.CallerProc = true, true
	}
	if c.UserNS > 0 {
		n.Supervisor, n.OtherUser, n.Joins, n.Joined, n.Alone = true, true, true, true, true
		n.FDs = []int{c.UserNS}
	}
	return n
}

// changes reports whether IDs or capabilities change.
func (c *Credentials) changes() bool {
	return c.UserNS > 0 || c.User != nil || c.Groups != "" || c.capsFlag() != ""
}

// capsFlag is the first flag that asks for capabilities, or "".
func (c *Credentials) capsFlag() string {
	for _, f := range []struct{ name, value string }{
		{"caps", c.Caps}, {"inheritable", c.Inheritable}, {"ambient", c.Ambient}, {"bounding", c.Bounding},
	} {
		if f.value != "" {
			return "--" + f.name + " " + f.value
		}
	}
	return ""
}

// begin enters the user namespace, and refuses settings that ask for nothing.
func (c *Credentials) begin(s *stage.State) error {
	if !c.changes() && !c.NoNewPrivs && c.Securebits == "" && c.Umask == nil && c.Label == "" && len(c.Environment) == 0 {
		return errors.New("nothing was asked for: see hk-setuser(1)")
	}
	return c.enter(s)
}

// Plan adds the changes in the only order in which each is still permitted: user
// namespace, bounding set, groups, IDs, capability sets, ambient set, and then anything
// that these have undone.
func (c *Credentials) Plan(s *stage.State) error {
	if err := c.begin(s); err != nil {
		return err
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
	if c.Inheritable != "" || c.Ambient != "" {
		c.dropHandedOver(s)
	}
	r, err := c.request(s)
	if err != nil {
		return err
	}
	want, err := r.sets(s)
	if err != nil {
		return err
	}
	c.dropBounding(s, r.keeps())
	s.For(c.idsFlag())
	ids, err := c.planIDs(s, bits != 0 || want != nil && want.permitted|want.inheritable != 0)
	if err != nil {
		return err
	}
	if bits != 0 {
		s.For("--securebits " + c.Securebits)
		planSecurebits(s, bits, want, c.User.changes())
	}
	if want != nil {
		s.For(c.capsFlag())
		planSets(s, *want)
	}
	if left := (s.Cred.Inheritable | s.Cred.Ambient) &^ s.Cred.Bounding; c.Bounding != "" && left != 0 {
		s.Note("--bounding does not remove " + plan.CapNames(left) + ", which is inheritable or ambient: see hk-setuser(1)")
	}
	if err := c.planProcess(s); err != nil {
		return err
	}
	s.ChangedIDs = s.ChangedIDs || ids
	s.SetCaps = s.SetCaps || c.Caps != "" || want != nil
	s.AsksTrace = s.AsksTrace || c.Caps != "" || want != nil && (want.inheritable|want.ambient)>>unix.CAP_SYS_PTRACE&1 != 0
	if ids || want != nil {
		s.DieWithSupervisor()
	}
	return c.planEnvironment(s, user)
}

// planProcess sets what is left of the process.
func (c *Credentials) planProcess(s *stage.State) error {
	if c.NoNewPrivs {
		s.For("--no-new-privs")
		s.SetNoNewPrivs(true)
	}
	if err := c.planLabel(s); err != nil {
		return err
	}
	if c.Umask != nil {
		s.For(fmt.Sprintf("--umask %03o", *c.Umask))
		s.Add(plan.Umask(plan.Octal(*c.Umask)))
	}
	s.For("")
	return nil
}

// planLabel sets the label of the program that is executed.
func (c *Credentials) planLabel(s *stage.State) error {
	if c.Label == "" {
		return nil
	}
	flag := "--selinux-label " + c.Label
	if err := s.Host.CheckLabel(c.Label); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	if s.Next.Stage {
		return fmt.Errorf("%s: the next stage is executed as a program and would have it in the payload's place: make hk-setuser the last stage, or unset HK_FUSE", flag)
	}
	proc, err := s.CallerProc()
	if err != nil {
		return err
	}
	s.For(flag)
	attr := s.OpenAttr(proc, "exec")
	s.SetAttr(attr, c.Label)
	s.Add(plan.Close(attr))
	s.CloseCallerProc(proc)
	return nil
}

// dropHandedOver removes the capabilities that are inheritable and ambient only for this
// stage, which was executed by the one before, and that the next stage would get.
func (c *Credentials) dropHandedOver(s *stage.State) {
	if s.Host.Handover.Ambient && s.Next.Stage && !s.SetCaps {
		s.For(c.capsFlag())
		s.Capset(s.Cred.Effective, s.Cred.Permitted, 0)
		s.For("")
	}
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
	s.For("--caps " + c.Caps)
	if c.Bounding != "" {
		s.For("--bounding " + c.Bounding)
	}
	for cap := 0; cap <= s.Host.LastCap; cap++ {
		if keep>>cap&1 == 0 {
			s.DropBounding(cap)
		}
	}
}

// planSecurebits sets the bits after the IDs have changed, because they must not apply
// before. That needs CAP_SETPCAP, which was kept for it.
func planSecurebits(s *stage.State, bits uint32, want *sets, changed bool) {
	hold := uint64(1) << unix.CAP_SETPCAP
	var inheritable uint64
	if want != nil {
		hold |= want.permitted
		inheritable = want.inheritable &^ want.permitted
	}
	switch {
	case want != nil && bits&stage.SecbitNoAmbientRaise != 0:
		// The set must become ambient before raising ambient capabilities is forbidden.
		s.Capset(hold, hold, want.inheritable)
		s.LowerAmbient(s.Cred.Ambient &^ want.ambient)
		s.RaiseAmbient(want.ambient)
	case changed && !s.Cred.Root:
		s.Capset(hold, hold, inheritable)
	}
	s.Add(plan.Prctl("PR_SET_SECUREBITS", unix.PR_SET_SECUREBITS, plan.Value(uint64(bits), securebitsText)).
		Hint(unix.EPERM, "changing securebits needs CAP_SETPCAP"))
	s.Cred = s.Cred.SetSecurebits(bits)
	if changed && !s.Cred.Root && want == nil {
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
		return false, cause.Because(cause.SetgroupsDenied, fmt.Errorf("%s: %w", flag, errNoSetgroups))
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
	if c.User.Group != keep {
		s.Add(stage.Mapped("the group ID", plan.Setresgid(gid)))
	}
	if !c.User.changes() {
		return true, nil
	}
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
