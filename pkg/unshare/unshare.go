// Package unshare creates namespaces and joins existing ones: namespaces(7), clone(2),
// unshare(2), setns(2).
//
// A user, PID or time namespace needs its own process, a clone, for which the caller
// remains as the supervisor. The other namespaces are created and joined by the calling
// thread, without an additional process.
package unshare

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Namespaces says which namespaces are created or joined, and how.
type Namespaces struct {
	// New are CLONE_NEW* flags.
	New uint64
	// All asks for every namespace except time, and for Keyring; Share and ShareKeyring
	// exclude some.
	All          bool
	Share        uint64
	ShareKeyring bool
	// Try are CLONE_NEWUSER and CLONE_NEWCGROUP: namespaces that are created if possible.
	Try uint64
	// Keyring gives the payload a new, empty session keyring.
	Keyring bool
	// Join are joined first, so that new namespaces belong to them.
	Join []Join
	// Hostname and Domainname are set in the new UTS namespace, unless empty.
	Hostname, Domainname string
	// Monotonic and Boottime are the offsets of the clocks in the new time namespace (Linux
	// 5.6), with nanoseconds from 0 to 999999999. nil sets no offset.
	Monotonic, Boottime *unix.Timespec
	// Propagation is private, slave, shared or unchanged: the propagation type of every
	// mount in a new mount namespace. "" means private.
	Propagation string
	// Init makes PID 1 a process of hk. It reaps orphans, and is not sent the signals
	// that a PID 1 ignores; the payload is PID 2. With InitWaits it ends, and the supervisor
	// with it, once no process is left in the PID namespace; with Outlive, the supervisor
	// ends with the payload.
	Init, InitWaits bool
	// Setsid starts a session without a terminal.
	Setsid bool
	// Outlive lets the payload continue to run when the supervisor is killed.
	Outlive bool
	// DieWithParent kills the process that was started when its parent ends; Parent is
	// the expected parent, unless it is 0.
	DieWithParent bool
	Parent        int
	// DieWithProcess has the supervisor kill itself, and the payload die with it, when the
	// parent process ends: not when only the thread of it ends that has started this
	// process, and not while the supervisor is stopped.
	DieWithProcess bool
	// Held are descriptors that the supervisor keeps open.
	Held []int
	// KeepCaps makes the capabilities in the new user namespace ambient, so that
	// executed programs keep them.
	KeepCaps bool
	// NoNested forbids user namespaces inside the new one.
	NoNested bool
	// AssertNoNested makes it an error if a user namespace can be created at the end.
	AssertNoNested bool
	// NamespaceIDs reports the namespaces before the payload is executed, and Block, a
	// descriptor of the caller, keeps the payload from being executed until there is
	// something to read, or the end of the file. 0 means none.
	NamespaceIDs bool
	Block        int
	// UserBlock is a descriptor like Block that another program writes to, or closes, when
	// it has mapped the IDs of the new user namespace: nothing more is done before that.
	// The namespaces are then reported before it. 0 means none.
	UserBlock int
	// Argv0 is the first argument of the payload in place of its name, or "".
	Argv0 string
	// CloseFDs closes all descriptors above 2 except those in KeepFDs when the next
	// program is executed.
	CloseFDs bool
	KeepFDs  []int
}

// clones reports whether the settings need a separate process.
func (n *Namespaces) clones() bool {
	return (n.flags()|n.tried()|n.joined())&(unix.CLONE_NEWUSER|unix.CLONE_NEWPID|unix.CLONE_NEWTIME) != 0 ||
		n.Setsid || n.AssertNoNested || n.reports() || n.joinsAll()
}

// Needs implements stage.Stage.
func (n *Namespaces) Needs() stage.Needs {
	joined := n.joined()
	var watch func(*stage.State) error
	if n.DieWithProcess {
		watch = watchParent
	}
	return stage.Needs{
		Supervisor: n.DieWithProcess, AtChild: watch,
		Clone: n.clones(), DieWithParent: n.DieWithParent, Parent: n.Parent,
		OtherUser: (n.flags()|n.named())&unix.CLONE_NEWUSER != 0, Joins: len(n.Join) > 0,
		Joined:  joined&unix.CLONE_NEWUSER != 0 || n.joinsAll(),
		Alone:   n.AssertNoNested,
		Hides:   joined&unix.CLONE_NEWNS != 0,
		Exposes: joined&(unix.CLONE_NEWNS|unix.CLONE_NEWPID) != 0,
		Leaves:  n.KeepFDs,
	}
}

const allFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

const everyFlag = allFlags | unix.CLONE_NEWTIME

// flags are the namespaces that are created, without those that are only tried.
func (n *Namespaces) flags() uint64 {
	f := n.New
	if n.All {
		f |= allFlags &^ n.Try
	}
	return f &^ n.Share
}

// tried are those that are created only if that is possible.
func (n *Namespaces) tried() uint64 { return n.Try &^ n.New &^ n.Share }

// keyring reports whether a new session keyring is asked for.
func (n *Namespaces) keyring() bool { return n.Keyring || n.All && !n.ShareKeyring }

func (n *Namespaces) check() error {
	f := n.flags()
	switch {
	case f|n.tried() == 0 && n.Join == nil && !n.keyring() && !n.process():
		return errors.New("no namespace was asked for: see hk-unshare(1)")
	case n.joined()&unix.CLONE_NEWUTS != 0 && n.Hostname+n.Domainname != "":
		return errors.New("--hostname and --domainname would change existing names: they cannot be combined with --join uts")
	case f&unix.CLONE_NEWUTS == 0 && n.Hostname != "":
		return errors.New("--hostname needs --uts")
	case f&unix.CLONE_NEWUTS == 0 && n.Domainname != "":
		return errors.New("--domainname needs --uts")
	case f&unix.CLONE_NEWTIME == 0 && n.Monotonic != nil:
		return errors.New("--monotonic needs --time")
	case f&unix.CLONE_NEWTIME == 0 && n.Boottime != nil:
		return errors.New("--boottime needs --time")
	case f&unix.CLONE_NEWNS == 0 && n.Propagation != "":
		return errors.New("--propagation needs --mount")
	case f&unix.CLONE_NEWPID == 0 && n.Init:
		return errors.New("--init needs --pid")
	case (f|n.tried()|n.joined())&unix.CLONE_NEWUSER == 0 && n.KeepCaps:
		return errors.New("--keep-caps needs --user or --join user")
	case f&unix.CLONE_NEWUSER == 0 && n.NoNested:
		return errors.New("--no-nested-userns needs --user: the limit belongs to the new user namespace")
	case f&unix.CLONE_NEWUSER == 0 && n.UserBlock != 0:
		return errors.New("--userns-block-fd needs --user: another program maps the IDs of the new user namespace")
	case !n.clones() && n.Outlive:
		return errors.New("--outlive: there is no supervisor without a user, PID or time namespace or --setsid")
	case (n.DieWithParent || n.DieWithProcess) && n.Outlive:
		return errors.New("--outlive cannot be combined with --die-with-parent: the payload would continue to run")
	case n.Share&^allFlags != 0 || (n.Share != 0 || n.ShareKeyring) && !n.All:
		return errors.New("--share excludes a namespace from --all")
	case n.InitWaits && !n.Init, n.Block < 0, n.UserBlock < 0, n.Try&^(unix.CLONE_NEWUSER|unix.CLONE_NEWCGROUP) != 0:
		return errors.New("InitWaits needs Init, Block and UserBlock are descriptors, and Try has no other namespaces than user and cgroup")
	case n.Try&n.joined() != 0:
		return errors.New("--user-try and --cgroup-try cannot be combined with --join of such a namespace")
	}
	return n.checkJoins()
}

// process reports whether something is asked for besides namespaces and a keyring.
func (n *Namespaces) process() bool {
	return n.Setsid || n.CloseFDs || n.DieWithParent || n.DieWithProcess || n.AssertNoNested || n.reports() || n.Argv0 != ""
}

// Plan adds the clone or unshare(2), and the settings of the namespaces.
func (n *Namespaces) Plan(s *stage.State) error {
	if err := n.check(); err != nil {
		return err
	}
	n, err := n.find(s)
	if err != nil {
		return err
	}
	if n, err = n.possible(s); err != nil {
		return err
	}
	if n.clones() {
		s.NotDumpable()
	}
	if err := n.hold(s); err != nil {
		return err
	}
	if err := n.checkLast(s); err != nil {
		return err
	}
	timed := n.flags()&unix.CLONE_NEWTIME != 0
	var proc *plan.Result
	if timed && !s.Plan.Isolated() {
		if proc, err = s.Proc(); err != nil {
			return err
		}
	}
	defer s.For("")
	if err := n.planEnter(s); err != nil {
		return err
	}
	n.planWithin(s)
	if timed && proc == nil {
		// The child keeps nothing that was opened before it was created.
		if proc, err = s.Proc(); err != nil {
			return err
		}
	}
	if proc != nil {
		n.planTime(s, proc)
	}
	return n.planLast(s)
}

// planEnter enters the namespaces, and records in the state what that changes.
func (n *Namespaces) planEnter(s *stage.State) error {
	all, err := n.open(s)
	if err != nil {
		return err
	}
	f := n.flags()
	s.For(n.asked())
	if (f|n.joined())&unix.CLONE_NEWUSER != 0 && s.Host.DropsGroups {
		// They would give rights on the host that the namespace has no names for.
		s.Add(plan.Setgroups(nil))
	}
	if err := n.enter(s, all); err != nil {
		return err
	}
	for _, fd := range all.close {
		s.Add(plan.CloseFD(fd))
	}
	s.NS.New |= f
	if err := n.note(s); err != nil {
		return err
	}
	if n.clones() || len(n.Join) > 0 {
		s.ShieldSupervisor()
	}
	if f&unix.CLONE_NEWUSER != 0 {
		s.NS.Mapped = false
		s.Cred = s.Cred.EnterUserNS(s.Host.AllCaps())
	}
	return n.planMapped(s)
}

// planWithin adds what is done first in the new namespaces.
func (n *Namespaces) planWithin(s *stage.State) {
	if n.flags()&unix.CLONE_NEWNS != 0 {
		n.planPropagation(s)
	}
	if n.Setsid {
		s.For("--setsid")
		s.Add(plan.Setsid())
	}
	if n.keyring() {
		op := plan.JoinSessionKeyring().
			Hint(unix.EPERM, "the seccomp filter of a surrounding container may forbid keyctl(2): --share keyring leaves the caller's session keyring in place").
			Because(unix.EDQUOT, cause.KeyLimit, "the user has as many keys as the sysctl kernel.keys.maxkeys allows: one for each running sandbox; --share keyring creates none")
		if n.Keyring {
			s.For("--keyring")
		} else {
			s.For("--all")
			op = op.Tolerate(unix.ENOSYS) // a kernel without keys has no keyring to share
		}
		s.Add(op)
	}
	if n.Hostname != "" {
		s.For("--hostname " + n.Hostname)
		s.Add(plan.Sethostname(n.Hostname))
	}
	if n.Domainname != "" {
		s.For("--domainname " + n.Domainname)
		s.Add(plan.Setdomainname(n.Domainname))
	}
}

// planLast adds what applies to everything that follows.
func (n *Namespaces) planLast(s *stage.State) error {
	if n.NoNested {
		s.For("--no-nested-userns")
		if err := planNoNested(s); err != nil {
			return err
		}
	}
	if n.KeepCaps {
		s.For("--keep-caps")
		s.MakeAmbient(s.Cred.Permitted)
	}
	if err := n.atLast(s); err != nil {
		return err
	}
	if n.CloseFDs {
		s.For("--close-fds")
		s.Add(closeFDs(n.KeepFDs)...)
		names := stale(s.Env.List(), n.KeepFDs)
		s.Env.Unset(names...)
		s.Next.Unset = append(s.Next.Unset, names...)
		// The next stage needs its program even after it has been executed.
		switch {
		case s.Next.FD >= 0:
			s.Add(plan.KeepOpen(plan.Int(int64(s.Next.FD))))
		case s.Next.Program != nil:
			s.Add(plan.KeepOpen(plan.Ref(s.Next.Program)))
		}
	}
	return nil
}

// asked is the flag that asks for the process or the namespaces that are created.
func (n *Namespaces) asked() string {
	if n.All {
		return "--all"
	}
	var flags []string
	for _, ns := range names {
		if n.New&ns.flag != 0 {
			flags = append(flags, "--"+ns.name)
		}
	}
	for _, j := range n.Join {
		flags = append(flags, "--join "+j.String())
	}
	if flags == nil && n.Setsid {
		return "--setsid"
	}
	return strings.Join(flags, " ")
}

func (n *Namespaces) planPropagation(s *stage.State) {
	if s.NS.Propagation = n.Propagation; n.Propagation == "private" {
		s.NS.Propagation = ""
	}
	types := map[string]uint64{"": unix.MS_PRIVATE, "private": unix.MS_PRIVATE, "slave": unix.MS_SLAVE, "shared": unix.MS_SHARED}
	if n.Propagation == "unchanged" {
		return
	}
	if n.Propagation != "" {
		s.For("--propagation " + n.Propagation)
	}
	s.Add(plan.MountSetattr(plan.AtCwd(), "/", unix.AT_RECURSIVE, plan.MountAttr{Propagation: types[n.Propagation]}).
		Because(unix.EINVAL, cause.Chroot, "the root directory is not a mount point, as in a chroot; --propagation unchanged avoids the call"))
}

// planTime creates the time namespace, sets its clocks while it has no members, and
// enters it. Kernels before 6.3 do not enter it by execve(2) alone.
func (n *Namespaces) planTime(s *stage.State, proc *plan.Result) {
	s.For("--time")
	s.Add(stage.Privileged(unix.CLONE_NEWTIME, plan.Unshare(unix.CLONE_NEWTIME)))
	var offsets string
	var flags []string
	if n.Monotonic != nil {
		offsets += fmt.Sprintf("monotonic %d %d\n", n.Monotonic.Sec, n.Monotonic.Nsec)
		flags = append(flags, "--monotonic "+offsetText(*n.Monotonic))
	}
	if n.Boottime != nil {
		offsets += fmt.Sprintf("boottime %d %d\n", n.Boottime.Sec, n.Boottime.Nsec)
		flags = append(flags, "--boottime "+offsetText(*n.Boottime))
	}
	if offsets != "" {
		s.For(strings.Join(flags, ", "))
		s.WhileDumpable(s.Host.UID != 0, func() {
			s.ProcWrite(proc, "self/timens_offsets", offsets, "clock offsets need CAP_SYS_TIME in the user namespace")
		})
	}
	s.For("--time")
	ns := s.Open("time", plan.Openat(plan.Ref(proc), "self/ns/time_for_children", unix.O_CLOEXEC, 0))
	s.Add(plan.Setns(ns, unix.CLONE_NEWTIME), plan.Close(ns))
}

// planNoNested sets the limit of the new user namespace to 0 and removes the capability
// that could raise it. The capability could be regained only in a nested user
// namespace, and there are none.
func planNoNested(s *stage.State) error {
	proc, err := s.Proc()
	if err != nil {
		return err
	}
	s.ProcWrite(proc, "sys/user/max_user_namespaces", "0", "")
	s.NS.NoNested = true
	s.Add(plan.Close(proc))
	s.DropBounding(unix.CAP_SYS_RESOURCE)
	left := s.Cred.Permitted &^ (1 << unix.CAP_SYS_RESOURCE)
	s.Capset(left, left, 0)
	return nil
}

// SpellOut replaces All, and what is shared of it, by the namespaces that it stands for.
func (n *Namespaces) SpellOut() {
	n.New, n.Try, n.Keyring = n.flags(), n.tried(), n.keyring()
	n.All, n.Share, n.ShareKeyring = false, 0, false
}

// Enters are the CLONE_NEW* flags of the namespaces that are created or joined, also those
// of which that is tried.
func (n *Namespaces) Enters() uint64 { return n.flags() | n.tried() | n.joined() }
