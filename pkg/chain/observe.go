package chain

import (
	"path/filepath"
	"slices"

	"hk/pkg/host"
	"hk/pkg/limit"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// observes reports whether stage i, which shows what holds at its place, is executed beside
// the child, so that the plan goes on. It is executed in place of the process if that is the
// caller's own, where nothing is lost by it; if only such stages follow, because it then has
// what a payload has; if a filter that was loaded before may deny what the child would have
// to do; and if nobody would read what it prints.
func (c *Chain) observes(i int) bool {
	if c.takes || !slices.ContainsFunc(c.Links[i:], func(l Link) bool { return !l.Stage.Needs().First }) {
		return false
	}
	before := c.Links[:i]
	if _, hinders := first(before, func(n stage.Needs) bool { return n.Filters || n.Unread }); hinders {
		return false
	}
	clone := func(n stage.Needs) bool { return n.Clone }
	if _, ok := first(before, clone); ok {
		return true
	}
	_, later := first(c.Links, clone)
	return clones(before) && !later
}

// openObserver copies the program of the stages to memory, if it is executed beside the
// child. A path would lead elsewhere in another root, and a file could be forbidden by a
// domain, or be written to by others through /proc/PID/exe.
func (t *translator) openObserver(links []Link) error {
	if len(links) < 2 {
		return nil
	}
	l, ok := first(links[1:], func(n stage.Needs) bool { return n.First })
	if !ok {
		return nil
	}
	t.Name = l.Kind.Name
	path, p, err := t.observerProgram(l)
	if err != nil {
		return &UsageError{t.Name, err}
	}
	t.blocked(func() {
		from := plan.Int(int64(t.Host.SelfFD))
		if path != "" {
			t.observer = t.Open("exe", plan.Openat(plan.AtCwd(), path, unix.O_RDONLY|unix.O_CLOEXEC, 0).
				Hint(unix.EACCES, "the caller must be able to read the program that is executed beside the child"))
			from = plan.Ref(t.observer)
		}
		if exe := t.observer; exe == nil || !p.Sealed {
			if t.observer = t.sealedCopy(from, p.Size); exe != nil {
				t.Add(plan.Close(exe))
			}
		}
	})
	return nil
}

// observerProgram is the program of the stages: this one, or that of the stage, which is
// installed with it. "" is the descriptor by which this one was executed.
func (t *translator) observerProgram(l Link) (path string, p host.Program, err error) {
	if t.Host.SelfFD >= 0 {
		return "", t.Host.Self(), nil
	}
	if p, err = t.program(); err != nil {
		return "", p, err
	}
	name := p.Path
	if installed := t.Host.Handover.Program; installed != "" {
		name = installed
	}
	if ByName(filepath.Base(name)) != nil {
		return self, p, nil
	}
	if path = l.path; path == "" {
		if path, err = t.Host.Beside(l.Kind.Name, "bin", 0o111); err != nil {
			return "", p, err
		}
	}
	p, err = t.Host.ProgramAt(path)
	return path, p, err
}

// observe adds the ops by which the child executes stage i beside it, and waits for it.
func (t *translator) observe(links []Link, i int) error {
	if err := limit.Startable(t.RlimitSet, t.Host.Raises); err != nil {
		return err
	}
	observed, parent := t.Plan.NewResult("self"), t.Plan.NewResult("parent")
	t.Add(plan.Getpid().Gives(observed), plan.Parent().Gives(parent))
	t.Plan.Observe(t.Name, t.attacher != "", observed, func() {
		t.beside(links, i).execObserver(links[i], t.Next, observed, parent)
	})
	return nil
}

// beside is the translator of what an observer does: it finds the state that the plan has
// made so far, and what it changes is not that of the child.
func (t *translator) beside(links []Link, i int) *translator {
	b := *t
	b.State = t.Fork()
	b.links, b.looks, b.supervisor = links[:i], true, 0
	b.argsDone = argsDone(links[:i], links[i:])
	b.argsNext = slices.Concat(argsOf(links[i:]), t.argsNext)
	b.Next = stage.Next{Stage: true, FD: -1, Program: t.observer, Argv0: t.Next.Argv0}
	return &b
}

// execObserver adds what is done before a stage is executed by another one, and that.
func (t *translator) execObserver(l Link, next stage.Next, observed, parent *plan.Result) {
	t.pid = observed
	dies := t.deathSignalAfter()
	t.nameChild()
	t.Env.Set(plan.Var{Name: host.ObservedName, Result: observed})
	t.Env.Set(plan.Var{Name: host.ObservedParentName, Result: parent})
	t.DeferredAgain()
	t.writeHandover()
	h := t.handover
	h.Observes, h.ObservedDies = true, dies
	t.leaveBeside(next)
	t.restoreSignals()
	im := t.Env.Image(append([]string{l.Kind.Name}, l.Stage.Args()...), h.Variable())
	t.Add(plan.Beside(plan.Fexecve(plan.Ref(t.observer), im)).
		Hint(unix.EACCES, "files in memory cannot be executed here"))
}

// leaveBeside leaves an observer the descriptors that a stage has which is executed by
// another one.
func (t *translator) leaveBeside(next stage.Next) {
	for _, fd := range t.argsDone {
		t.Add(plan.CloseFD(fd))
	}
	for _, fd := range t.argsNext {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
	if t.Host.SelfFD >= 0 {
		t.Add(plan.CloseFD(t.Host.SelfFD))
	}
	if next.Program != nil {
		t.Add(plan.Beside(plan.Close(next.Program)))
	}
}
