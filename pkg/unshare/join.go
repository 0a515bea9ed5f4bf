package unshare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Join is namespaces of others that are entered: setns(2).
type Join struct {
	// Namespaces holds CLONE_NEW* flags; with a path, one of them.
	Namespaces uint64
	// Target is a path with a slash, of a file in /proc/PID/ns or one that was
	// bound from there; or a PID; or "pidfd:N", a descriptor of the caller's
	// from pidfd_open(2).
	Target string
}

func parseJoin(v string) (Join, error) {
	list, rest, ok := getopt.Value(v).Cut('=')
	target := string(rest)
	j := Join{Target: target}
	if !ok {
		return j, errors.New("a join is NS=PATH, NS,...=PID or NS,...=pidfd:FD")
	}
	for _, name := range getopt.List(string(list)) {
		flag, err := parseNamespace(name)
		if err != nil {
			return j, err
		}
		if j.Namespaces&flag != 0 {
			return j, fmt.Errorf("%s: more than once", name)
		}
		j.Namespaces |= flag
	}
	switch {
	case strings.Contains(target, "/"):
		if j.Namespaces&(j.Namespaces-1) != 0 {
			return j, fmt.Errorf("%s: a file is one namespace", target)
		}
		return j, nil
	case strings.HasPrefix(target, "pidfd:"):
		_, err := getopt.ParseFD(target[len("pidfd:"):])
		return j, err
	}
	if _, err := getopt.ParsePID(target); err != nil {
		return j, fmt.Errorf("%q is not a path with a slash, a PID or pidfd:FD", target)
	}
	return j, nil
}

func (j Join) String() string {
	var list []string
	for _, ns := range names {
		if j.Namespaces&ns.flag != 0 {
			list = append(list, ns.name)
		}
	}
	return strings.Join(list, ",") + "=" + j.Target
}

// joined holds the CLONE_NEW* flags of all namespaces that are joined.
func (n *Namespaces) joined() uint64 {
	var f uint64
	for _, j := range n.Join {
		f |= j.Namespaces
	}
	return f
}

// In these namespaces there are processes of others that could attach to one of
// ours, because they see it or have capabilities over it.
const exposing = unix.CLONE_NEWUSER | unix.CLONE_NEWPID

func (n *Namespaces) checkJoins() error {
	var seen uint64
	f := n.flags()
	for _, j := range n.Join {
		for _, ns := range names {
			switch {
			case j.Namespaces&ns.flag == 0:
			case seen&ns.flag != 0:
				return fmt.Errorf("--join %s: more than once", ns.name)
			case f&ns.flag != 0 && n.New&ns.flag == 0:
				return fmt.Errorf("--join %s: --all creates a new one: add --share %s", ns.name, ns.name)
			case f&ns.flag != 0:
				return fmt.Errorf("--join %s cannot be combined with --%s, which creates a new one", ns.name, ns.name)
			}
		}
		seen |= j.Namespaces
	}
	switch {
	case seen != 0 && n.Init:
		return errors.New("--init cannot be combined with --join: use a second hk-unshare")
	case seen&exposing != 0 && f&(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME) != 0:
		return errors.New("--join user or pid cannot be combined with --user or --time: use a second hk-unshare")
	}
	return nil
}

// A member is a namespace that is joined, once it has been opened.
type member struct {
	name string
	flag uint64
	fd   *plan.Result
	// own is the namespace of that kind in which the process is that joins.
	own *plan.Result
	// root is the root directory of the process whose mount namespace it is,
	// or nil.
	root *plan.Result
	// by is the flag that asks for it.
	by string
}

// A joining is all of them.
type joining struct {
	members []member
	// close are descriptors that the caller gave.
	close []int
}

// open adds the ops that open what is joined, before anything changes, and the
// steps that look at it. What was looked at is what is entered: a namespace is
// entered by the descriptor.
func (n *Namespaces) open(s *stage.State) (*joining, error) {
	all := &joining{}
	if len(n.Join) == 0 {
		return all, nil
	}
	proc, err := s.Proc()
	if err != nil {
		return nil, err
	}
	own := func(m *member) {
		m.own = s.Open("own", plan.Openat(plan.Ref(proc), "self/ns/"+m.name, unix.O_CLOEXEC, 0))
	}
	for _, j := range n.Join {
		s.For("--join " + j.String())
		if strings.Contains(j.Target, "/") {
			m := member{name: fileName(j.Namespaces), flag: j.Namespaces, by: "--join " + j.String()}
			open, err := s.OpenPath(j.Target, unix.O_NONBLOCK|unix.O_CLOEXEC)
			if err != nil {
				return nil, fmt.Errorf("--join %v: %w", j, err)
			}
			m.fd = s.Open(m.name, open)
			own(&m)
			s.Plan.AddStep(look(s.Name, 0, nil, -1, []member{m}))
			all.members = append(all.members, m)
			continue
		}
		if s.Plan.Cloned() && s.NS.Entered(unix.CLONE_NEWPID) {
			return nil, fmt.Errorf("--join %v: the chain has entered another PID namespace, in which PIDs are different: join first, or by path", j)
		}
		pid, given, err := j.process(s)
		if err != nil {
			return nil, err
		}
		var target *plan.Result
		if given < 0 {
			target = s.Open("target", plan.PidfdOpen(pid))
		} else {
			all.close = append(all.close, given)
		}
		var list []member
		for _, ns := range names {
			if j.Namespaces&ns.flag == 0 {
				continue
			}
			m := member{name: fileName(ns.flag), flag: ns.flag, by: "--join " + j.String()}
			m.fd = s.Open(m.name, plan.Openat(plan.Ref(proc), fmt.Sprintf("%d/ns/%s", pid, m.name), unix.O_CLOEXEC, 0).
				Hint(unix.EACCES, "the caller may not inspect this process: see ptrace(2)").
				Hint(unix.ENOENT, "the process has ended"))
			own(&m)
			if ns.flag == unix.CLONE_NEWNS {
				m.root = s.Open("root", plan.Openat(plan.Ref(proc), fmt.Sprintf("%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
			}
			list = append(list, m)
		}
		s.Plan.AddStep(look(s.Name, pid, target, given, list))
		all.members = append(all.members, list...)
	}
	return all, nil
}

// process is the PID of the target, and the descriptor of the caller's by which
// it is known, or -1.
func (j Join) process(s *stage.State) (pid, fd int, err error) {
	text, ok := strings.CutPrefix(j.Target, "pidfd:")
	if !ok {
		pid, err = strconv.Atoi(j.Target)
		return pid, -1, err
	}
	if fd, err = strconv.Atoi(text); err != nil {
		return 0, -1, err
	}
	info, err := s.Host.FDInfo(fd)
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("the caller has no such descriptor")
	}
	if err == nil {
		pid, err = pidIn(info)
	}
	if err != nil {
		return 0, -1, fmt.Errorf("--join %v: %w", j, err)
	}
	return pid, fd, nil
}

// pidIn reads the PID of a process's descriptor out of what
// /proc/PID/fdinfo/FD says.
func pidIn(info string) (int, error) {
	for _, line := range strings.Split(info, "\n") {
		value, ok := strings.CutPrefix(line, "Pid:")
		if !ok {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(value))
		switch {
		case err != nil || pid == 0:
			return 0, errors.New("the process is not in this PID namespace")
		case pid < 0:
			return 0, errors.New("the process has ended")
		}
		return pid, nil
	}
	return 0, errors.New("it is not a PID file descriptor: see pidfd_open(2)")
}

// enter adds the ops that join. The process is not dumpable: those in a user
// namespace that it enters, or who will see it, must not attach to it, for it
// holds what the caller holds until it executes the payload.
//
// Who has CAP_SYS_ADMIN here has it in all user namespaces below, so the joined
// one comes last; who does not has it only once that is entered.
func (all *joining) enter(s *stage.State) error {
	ordered, user := []member{}, []member{}
	var flags uint64
	for _, m := range all.members {
		flags |= m.flag
		if m.flag == unix.CLONE_NEWUSER {
			user = append(user, m)
		} else {
			ordered = append(ordered, m)
		}
	}
	if s.Cred.Has(unix.CAP_SYS_ADMIN) {
		ordered = append(ordered, user...)
	} else {
		ordered = append(user, ordered...)
	}
	if flags&exposing != 0 {
		if err := s.Child.Attach(); err != nil {
			return err
		}
	}
	if flags&unix.CLONE_NEWUSER != 0 && s.Host.SuidDumpable() == 1 {
		return errors.New("--join user: the sysctl fs.suid_dumpable is 1, so the owner of the user namespace could trace the process that enters it: set it to 0 or 2")
	}
	if flags&unix.CLONE_NEWNS != 0 && !s.Plan.Cloned() {
		// The other threads must not have the same root and working directory.
		s.Add(plan.Unshare(unix.CLONE_FS))
	}
	asked := s.Plan.For
	defer s.For(asked)
	for _, m := range ordered {
		s.For(m.by)
		op := plan.Setns(m.fd, m.flag).
			Hint(unix.EPERM, "joining it needs CAP_SYS_ADMIN in the user namespace that owns it: an ordinary user must join that one too")
		if m.flag == unix.CLONE_NEWPID {
			op = op.Hint(unix.EINVAL, "a PID namespace can be joined only from an ancestor of it")
		}
		s.Add(op)
		if m.root != nil {
			s.Add(plan.Fchdir(m.root), plan.Chroot("."))
		}
	}
	return nil
}

// note tells the state what has been joined.
func (n *Namespaces) note(s *stage.State) error {
	flags := n.joined()
	s.NS.Joined |= flags
	if flags&unix.CLONE_NEWNS != 0 {
		s.Root.New = true
	}
	if flags&unix.CLONE_NEWUSER == 0 {
		return nil
	}
	s.NS.Mapped, s.NS.MapsUser = true, nil
	s.Cred = s.Cred.EnterUserNS(s.Host.AllCaps())
	for _, j := range n.Join {
		if j.Namespaces&unix.CLONE_NEWUSER == 0 || strings.Contains(j.Target, "/") {
			continue
		}
		pid, _, err := j.process(s)
		if err != nil {
			return err
		}
		maps, err := s.Host.UIDMap(pid)
		if errors.Is(err, unix.ENOENT) {
			err = errors.New("there is no such process, or it has ended")
		}
		if err != nil {
			return fmt.Errorf("--join %v: %w", j, err)
		}
		if strings.TrimSpace(maps) == "" {
			return fmt.Errorf("--join %v: its user namespace has no ID map yet", j)
		}
		m := ids.ParseMap(maps)
		id, ok := m.Inside(s.Host.UID)
		s.Cred.Root, s.NS.MapsUser = ok && id == 0, m.Has
	}
	return nil
}
