package unshare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/getopt"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Join is a set of existing namespaces to enter: setns(2).
type Join struct {
	// Namespaces are CLONE_NEW* flags; with a path, exactly one of them.
	Namespaces uint64
	// All is for all namespaces of a process, except those that it shares with the caller,
	// and those that are created or that another Join names. Namespaces is then 0.
	All bool
	// Target is a path with a slash, of a file in /proc/PID/ns or one that is bind
	// mounted from there; or "fd:N", where N is a descriptor of the caller of such a file;
	// or a PID; or "pidfd:N", where N is a descriptor of the caller
	// from pidfd_open(2); or "socket:N", a socket, for its network namespace.
	Target string
}

func parseJoin(v string) (Join, error) {
	list, rest, ok := getopt.Value(v).Cut('=')
	target := string(rest)
	j := Join{Target: target}
	if !ok {
		return j, errors.New("a join is NS=PATH, NS=fd:FD, NS,...=PID, NS,...=pidfd:FD or net=socket:FD")
	}
	if j.All = list == "all"; j.All {
		return j, checkProcess(target)
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
	case j.isFile():
		if j.Namespaces&(j.Namespaces-1) != 0 {
			return j, fmt.Errorf("%s: a file is one namespace", target)
		}
		if number, ok := strings.CutPrefix(target, fileWord); ok {
			_, err := getopt.ParseFD(number)
			return j, err
		}
		return j, nil
	case strings.HasPrefix(target, socketWord):
		if j.Namespaces != unix.CLONE_NEWNET {
			return j, fmt.Errorf("%s: a socket has only a net namespace", target)
		}
		_, err := getopt.ParseFD(target[len(socketWord):])
		return j, err
	}
	return j, checkProcess(target)
}

const (
	pidfdWord  = "pidfd:"
	socketWord = "socket:"
)

// checkProcess checks the target of a Join that is a process.
func checkProcess(target string) error {
	if text, ok := strings.CutPrefix(target, pidfdWord); ok {
		_, err := getopt.ParseFD(text)
		return err
	}
	if _, err := getopt.ParsePID(target); err != nil {
		return fmt.Errorf("%q is not a path with a slash, a PID, fd:FD, pidfd:FD or socket:FD", target)
	}
	return nil
}

func (j Join) String() string {
	if j.All {
		return "all=" + j.Target
	}
	var list []string
	for _, ns := range names {
		if j.Namespaces&ns.flag != 0 {
			list = append(list, ns.name)
		}
	}
	return strings.Join(list, ",") + "=" + j.Target
}

// joined are the CLONE_NEW* flags of all namespaces that are joined. Before [Namespaces.find]
// they include those of all=, which may be fewer.
func (n *Namespaces) joined() uint64 {
	f := n.named()
	for _, j := range n.Join {
		if j.All && j.Namespaces == 0 {
			f |= everyFlag &^ n.flags() &^ n.tried()
		}
	}
	return f
}

// named are those that are certain to be joined.
func (n *Namespaces) named() (f uint64) {
	for _, j := range n.Join {
		f |= j.Namespaces
	}
	return f
}

// In these namespaces existing processes could trace a process of hk, because they see
// it or have capabilities over it.
const exposing = unix.CLONE_NEWUSER | unix.CLONE_NEWPID

func (n *Namespaces) checkJoins() error {
	var seen uint64
	f := n.flags()
	targets := 0
	for _, j := range n.Join {
		if j.All {
			targets++
		}
		for _, ns := range names {
			switch {
			case j.Namespaces&ns.flag == 0:
			case seen&ns.flag != 0:
				return fmt.Errorf("--join %s: more than once", ns.name)
			case f&ns.flag != 0 && n.New&ns.flag == 0:
				return fmt.Errorf("--join %s: --all creates a new one: add --share %s", ns.name, ns.name)
			case f&ns.flag != 0 && ns.flag == unix.CLONE_NEWPID: // one inside the other
			case f&ns.flag != 0:
				return fmt.Errorf("--join %s cannot be combined with --%s, which creates a new one", ns.name, ns.name)
			}
		}
		seen |= j.Namespaces
	}
	switch {
	case targets > 1:
		return errors.New("--join all: more than once")
	case seen&exposing != 0 && f&(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME) != 0:
		return errors.New("--join user or pid cannot be combined with --user or --time: use a second hk-unshare")
	}
	return nil
}

// A member is a joined namespace, once it has been opened.
type member struct {
	name string
	flag uint64
	fd   *plan.Result
	// own is the namespace of the same type of the process that joins.
	own *plan.Result
	// root is the root directory of the process that the mount namespace belongs to, or
	// nil.
	root *plan.Result
	// by is the flag that asks for it.
	by string
}

// A joining is all namespaces to join.
type joining struct {
	members []member
	// close are descriptors given by the caller.
	close []int
}

// open adds the ops that open the namespaces to join, before anything changes, and the
// steps that check them. A namespace is then entered by the descriptor that was
// checked.
func (n *Namespaces) open(s *stage.State) (*joining, error) {
	all := &joining{}
	if len(n.Join) == 0 {
		return all, nil
	}
	proc, err := s.Proc()
	if err != nil {
		return nil, err
	}
	for _, j := range n.Join {
		s.For("--join " + j.String())
		switch {
		case j.isFile():
			err = all.ofFile(s, proc, j)
		case strings.HasPrefix(j.Target, socketWord):
			err = all.ofSocket(s, proc, j)
		default:
			err = all.ofProcess(s, proc, j)
		}
		if err != nil {
			return nil, fmt.Errorf("--join %v: %w", j, err)
		}
	}
	return all, nil
}

// openOwn opens the namespace of the same type of the process that joins.
func (m *member) openOwn(s *stage.State, proc *plan.Result) {
	m.own = s.Open("own", plan.Openat(plan.Ref(proc), "self/ns/"+m.name, unix.O_CLOEXEC, 0))
}

// ofSocket adds the network namespace of a socket.
func (all *joining) ofSocket(s *stage.State, proc *plan.Result, j Join) error {
	m, fd, err := ofSocket(s, j)
	if err != nil {
		return err
	}
	m.openOwn(s, proc)
	s.Plan.AddStep(look(s.Name, 0, nil, -1, []member{m}))
	all.members, all.close = append(all.members, m), append(all.close, fd)
	return nil
}

// ofProcess adds the namespaces of a process, which is given by its PID or by a pidfd.
func (all *joining) ofProcess(s *stage.State, proc *plan.Result, j Join) error {
	if err := sees(s); err != nil {
		return err
	}
	pid, given, err := j.process(s)
	if err != nil {
		return err
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
		m.openOwn(s, proc)
		if ns.flag == unix.CLONE_NEWNS {
			m.root = s.Open("root", plan.Openat(plan.Ref(proc), fmt.Sprintf("%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		}
		list = append(list, m)
	}
	s.Plan.AddStep(look(s.Name, pid, target, given, list))
	all.members = append(all.members, list...)
	return nil
}

// process returns the PID of the target, and the caller's descriptor that identifies
// it, or -1.
func (j Join) process(s *stage.State) (pid, fd int, err error) {
	text, ok := strings.CutPrefix(j.Target, pidfdWord)
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
		return 0, -1, err
	}
	return pid, fd, nil
}

// pidIn reads the PID of a PID file descriptor from the text of /proc/PID/fdinfo/FD.
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

// enter adds the ops that join. The process is not dumpable: processes in a user
// namespace that it enters, or that will see it, must not trace it, because it has
// everything that the caller has until it executes the payload.
//
// A process with CAP_SYS_ADMIN in its user namespace has it in all nested ones, so it
// joins the user namespace last; any other process has the capability only after it has
// joined that one.
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
		// setns(2) requires that the thread shares its root and working directory with
		// no other.
		s.Add(plan.Unshare(unix.CLONE_FS))
	}
	asked := s.Plan.For
	defer s.For(asked)
	for _, m := range ordered {
		s.For(m.by)
		op := plan.Setns(m.fd, m.flag).
			Because(unix.EPERM, cause.Capability, "joining it needs CAP_SYS_ADMIN in the user namespace that owns it: an ordinary user must join that one too")
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

// note records in the state what has been joined.
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
		if j.Namespaces&unix.CLONE_NEWUSER == 0 || !j.All && j.isFile() {
			continue
		}
		pid, _, err := j.process(s)
		if err != nil {
			return fmt.Errorf("--join %v: %w", j, err)
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
