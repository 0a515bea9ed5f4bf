package unshare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// reports reports whether the namespaces are reported before the payload is executed.
func (n *Namespaces) reports() bool { return n.NamespaceIDs || n.Block > 0 || n.UserBlock > 0 }

// checkLast checks what the plan is to end with, before anything changes.
func (n *Namespaces) checkLast(s *stage.State) error {
	if n.InitWaits && n.Outlive && s.Plan.Isolated() {
		return errors.New("--init=wait with --outlive is for a program that ends with the payload, which this one does not")
	}
	if (n.AssertNoNested || n.reports()) && s.Plan.Isolated() {
		return errors.New("--block-fd, --userns-block-fd, --namespace-ids and --assert-userns-disabled are for a program that does nothing else: this one starts the payload when it is to run, and Cmd.PID is its process")
	}
	if err := n.checkKept(); err != nil {
		return err
	}
	for _, b := range []struct {
		flag string
		fd   int
	}{{"--block-fd", n.Block}, {"--userns-block-fd", n.UserBlock}} {
		if b.fd == 0 {
			continue
		}
		if err := readable(s, b.fd); err != nil {
			return fmt.Errorf("%s %d: %w", b.flag, b.fd, err)
		}
		s.Plan.Keep = append(s.Plan.Keep, b.fd)
	}
	return nil
}

// atLast has the plan end with what must come when everything else is done: the check for
// nested user namespaces, the report, and the wait for the caller.
func (n *Namespaces) atLast(s *stage.State) error {
	if n.Argv0 != "" {
		s.Next.Argv0 = n.Argv0
	}
	var list []found
	// The wait for the maps has reported them.
	reports := n.reports() && n.UserBlock == 0
	if reports {
		var err error
		s.For(n.reporter())
		if list, err = n.planFind(s); err != nil {
			return err
		}
	}
	if n.AssertNoNested || reports || n.Block > 0 {
		name := s.Name
		s.Child.Last = append(s.Child.Last, func() {
			s.Name = name
			if n.AssertNoNested {
				planAssert(s)
			}
			if reports || n.Block > 0 {
				n.planReport(s, list)
			}
		})
	}
	return nil
}

// readable rejects a descriptor that the caller does not have, or cannot read.
func readable(s *stage.State, fd int) error {
	info, err := s.Host.FDInfo(fd)
	if errors.Is(err, unix.ENOENT) {
		return errors.New("the caller has no such descriptor")
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(info) {
		text, ok := strings.CutPrefix(line, "flags:")
		if !ok {
			continue
		}
		flags, err := strconv.ParseUint(strings.TrimSpace(text), 8, 64)
		if err == nil && (flags&unix.O_ACCMODE == unix.O_WRONLY || flags&unix.O_PATH != 0) {
			return errors.New("it is not open for reading")
		}
	}
	return nil
}

// planAssert adds the call that must fail: unshare(2), with an error that says that no user
// namespace can be created. EPERM does not say that as long as the user has no ID.
func planAssert(s *stage.State) {
	s.For("--assert-userns-disabled")
	forbidden := []unix.Errno{unix.ENOSPC}
	if !s.Unmapped() {
		forbidden = append(forbidden, unix.EPERM, unix.EACCES, unix.ENOSYS)
	}
	s.Add(plan.Unshare(unix.CLONE_NEWUSER).Tolerate(forbidden...).Exactly(-1).
		Hint(unix.EPERM, "that may be because no ID is mapped yet, which proves nothing: hk-idmap must follow, in a chain that is fused").
		Hint(0, "a user namespace can be created: hk-unshare --no-nested-userns prevents it"))
}

// A found is a namespace of the child, and the number of its inode.
type found struct {
	name string
	id   *plan.Result
}

// planFind adds the step that finds the namespaces. The files of another process's
// namespaces can be opened only by a process that may trace it: so the child sends its own.
func (n *Namespaces) planFind(s *stage.State) ([]found, error) {
	proc, err := s.Proc()
	if err != nil {
		return nil, err
	}
	var list []found
	step := plan.Step{Stage: s.Name, Text: "find the numbers of the namespaces"}
	for _, ns := range names {
		if !s.NS.Entered(ns.flag) {
			continue
		}
		name := fileName(ns.flag)
		step.Takes = append(step.Takes, s.Open(name, plan.Openat(plan.Ref(proc), "self/ns/"+name, unix.O_CLOEXEC, 0)))
		list = append(list, found{name, s.Plan.NewResult(name + "_ns")})
		step.Gives = append(step.Gives, list[len(list)-1].id)
	}
	s.Add(plan.Close(proc))
	if list == nil {
		return nil, nil
	}
	step.Do = func(at plan.Context) error {
		for i, fd := range step.Takes {
			var st unix.Stat_t
			if err := unix.Fstat(at.FD(fd), &st); err != nil {
				return fmt.Errorf("fstat of the %s namespace: %w", list[i].name, err)
			}
			at.Set(list[i].id, st.Ino)
		}
		return nil
	}
	s.Plan.AddStep(step)
	for _, fd := range step.Takes {
		s.Add(plan.Close(fd))
	}
	return list, nil
}

// planReport adds the step that reports the namespaces, unless the wait for the maps has
// done it, and waits for the caller.
func (n *Namespaces) planReport(s *stage.State, list []found) {
	s.For(n.reporter())
	what := []string{}
	if n.UserBlock == 0 {
		what = append(what, reportText(list))
	}
	if n.Block > 0 {
		what = append(what, waitText(n.Block))
	}
	step := plan.Step{Stage: s.Name, Text: strings.Join(what, ", and "), Do: func(at plan.Context) error {
		if n.UserBlock == 0 {
			if err := report(at, list); err != nil {
				return err
			}
		}
		if n.Block == 0 {
			return nil
		}
		return await(at, n.Block)
	}}
	s.WhileDumpable(n.Block > 0 && opens(s, n), func() { s.Plan.AddStep(step) })
	if n.Block > 0 {
		s.Add(plan.CloseFD(n.Block))
	}
}

// opens reports whether another process of the caller's may open the files of the child
// while it waits.
//
// A process that is to do something in the namespaces meanwhile, such as give them a
// network, opens them in procfs. For an ordinary user that needs a child that is dumpable.
// It then can be traced by processes of that user, as the caller can, if the caller has no
// capabilities that they may lack, and no process of an existing namespace sees it.
func opens(s *stage.State, n *Namespaces) bool {
	return s.Host.UID != 0 && s.Host.Permitted == 0 && len(n.Join) == 0 && s.NS.Joined == 0
}

func reportText(list []found) string {
	text := "report the process"
	for i, ns := range list {
		text += []string{" and ", ", "}[min(i, 1)] + ns.id.String()
	}
	return text
}

func waitText(fd int) string {
	return fmt.Sprintf("wait until descriptor %d has a byte or its end to read", fd)
}

func report(at plan.Context, list []found) error {
	all := make([]plan.Namespace, len(list))
	for i, ns := range list {
		all[i] = plan.Namespace{Name: ns.name, ID: uint64(at.Result(ns.id))}
	}
	return at.Ready(all)
}

// reporter is the flag that asks for the report.
func (n *Namespaces) reporter() string {
	if n.Block > 0 {
		return fmt.Sprintf("--block-fd %d", n.Block)
	}
	return "--namespace-ids"
}

// await waits for a byte or the end of the file, and closes the descriptor.
func await(at plan.Context, fd int) error {
	var b [1]byte
	_, err := at.Read(fd, b[:], time.Time{})
	for err == unix.EAGAIN { // another process was faster
		_, err = at.Read(fd, b[:], time.Time{})
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
