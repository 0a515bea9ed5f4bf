package chain

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Plan makes the plan of a chain. It reads what the flags name on the host, and changes
// nothing.
//
// A plan has one clone, and none after it has changed the caller's credentials: the
// supervisor must be the caller who has started the chain. A stage that would need
// another clone, and everything after it, is executed as a separate chain. A clone for
// a stage that only needs a supervisor comes first of all. A stage that shows what holds
// for the child is executed beside it.
func (c *Chain) Plan(h *host.Host) (*stage.State, error) {
	t, err := c.plan(h)
	if err != nil {
		return nil, err
	}
	return t.State, nil
}

func (c *Chain) plan(h *host.Host) (*translator, error) {
	if err := c.checkPlaces(h); err != nil {
		return nil, err
	}
	links, payload, rest, path := c.firstPlan()
	s := stage.NewState(h)
	s.Next.Stage = rest
	s.Name = links[0].Kind.Name
	s.Note(c.Notes...)
	s.Replan, s.Recompile = Replan, Recompile
	s.Child.OwnMemory = h.UID != 0 || c.takes && raceDetector
	for _, l := range links {
		n := l.Stage.Needs()
		s.Child.OwnMemory = s.Child.OwnMemory || n.UserID || n.Alone
		s.Child.Planned = s.Child.Planned || n.Clone
		if n.CallerProc {
			s.Child.CallerProcs++
		}
		s.Child.Init = s.Child.Init || n.Init
	}
	t := &translator{State: s, payload: payload, path: path, supervisor: h.Handover.Supervisor, takes: c.takes}
	t.between(c, links)
	if c.takes {
		t.isolate(links)
	}
	s.Child.MayTrace = clones(links) && t.traces(append(slices.Clip(c.Links), c.ahead...))
	t.dieWithParent(links)
	if err := t.executeSealed(c, links); err != nil {
		return nil, err
	}
	if t.ExecutesSealed && c.Settings().Explain == "" {
		return t, nil // the copy reads files, such as standard input
	}
	if err := t.before(links); err != nil {
		return nil, err
	}
	if err := t.addSupervisor(links); err != nil {
		return nil, err
	}
	if err := t.begin(links); err != nil {
		return nil, err
	}
	if err := t.stages(links); err != nil {
		return nil, err
	}
	switch {
	case len(payload) > 0 || c.takes:
		if err := t.exec(); err != nil {
			return nil, err
		}
	case s.Plan.Cloned():
		return nil, &UsageError{s.Name, fmt.Errorf("nothing to run: see %s --help", s.Name)}
	default:
		t.restoreCaller()
	}
	if err := s.Complete(); err != nil {
		return nil, &UsageError{s.Name, err}
	}
	return t, nil
}

// Print lets the last stage print what it is asked for, at its place after the others.
// Preconditions: c.Printer() is not nil.
func (c *Chain) Print(h *host.Host, w io.Writer) error {
	last := c.Links[len(c.Links)-1]
	links, _, _, _ := c.firstPlan()
	if len(links) < len(c.Links) {
		return &UsageError{last.Kind.Name, errors.New("a stage before it starts a separate plan: print without that stage")}
	}
	t := translator{State: stage.NewState(h)}
	before := links[:len(links)-1]
	if err := t.begin(before); err != nil {
		return err
	}
	if err := t.stages(before); err != nil {
		return err
	}
	t.Name = last.Kind.Name
	if err := c.Printer().Print(t.State, w); err != nil {
		return &UsageError{t.Name, err}
	}
	return nil
}

// stages adds the ops of the stages.
func (t *translator) stages(links []Link) error {
	for i, l := range links {
		t.Name = l.Kind.Name
		needs := l.Stage.Needs()
		if needs.Filters {
			t.restoreCaller()
		}
		n := len(t.Plan.Items())
		if err := l.Stage.Plan(t.State); err != nil {
			return &UsageError{t.Name, err}
		}
		if t.takes && !t.Plan.Cloned() && len(t.Plan.Items()) > n {
			return &UsageError{t.Name, errors.New("it would change this program: it must come after the hk-unshare that creates a process")}
		}
		t.For("")
		if needs.First && i > 0 {
			if err := t.observe(links, i); err != nil {
				return &UsageError{t.Name, err}
			}
		}
		if err := t.beginChild(); err != nil {
			return err
		}
		if err := t.OpenLateProc(); err != nil {
			return &UsageError{t.Name, err}
		}
		t.keepSupervisor()
	}
	return nil
}

// addSupervisor adds a clone for a stage that needs a supervisor, if no stage adds one.
//
// A clone is also needed if another user chooses, by the files of a root, what is
// executed there. The other threads of this process remain in the old root until
// execve(2) ends them, and the names of the payload, its interpreter and its loader are
// resolved before that: they could lead through /proc/self/task.
func (t *translator) addSupervisor(links []Link) error {
	if err := t.addHooks(links); err != nil {
		return err
	}
	l, ok := first(links, func(n stage.Needs) bool { return n.Supervisor })
	if !ok {
		l, ok = first(links, chosen)
	}
	switch {
	case t.Child.Planned, !ok && !t.takes:
		return nil
	case !ok:
		l = links[0]
	}
	t.Child.Planned, t.Name = true, l.Kind.Name
	t.NotDumpable()
	t.Plan.Clone(t.Name, 0, t.Child.OwnMemory)
	t.DieWithSupervisor()
	if err := t.beginChild(); err != nil {
		return err
	}
	if _, joins := first(links, func(n stage.Needs) bool { return n.Joins }); !joins {
		t.ShieldSupervisor()
	}
	return nil
}

// first is the first of the links whose stage needs something.
func first(links []Link, needs func(stage.Needs) bool) (l Link, ok bool) {
	for _, l := range links {
		if needs(l.Stage.Needs()) {
			return l, true
		}
	}
	return Link{}, false
}

// chosen reports whether another user may choose what is executed.
func chosen(n stage.Needs) bool { return n.ForeignRoot || n.Exposes }

// clones reports whether a plan of the links has a clone.
func clones(links []Link) bool {
	_, ok := first(links, func(n stage.Needs) bool { return n.Clone || n.Supervisor || chosen(n) })
	return ok
}

// A hook is what a stage adds at another place than its own.
type hook struct {
	stage string
	add   func(*stage.State) error
}

// addHooks notes what the stages need right after the clone.
func (t *translator) addHooks(links []Link) error {
	for _, l := range links {
		n := l.Stage.Needs()
		if n.AtChild != nil {
			t.begins = append(t.begins, hook{l.Kind.Name, n.AtChild})
		}
		if n.Attach != nil {
			if t.attacher != "" {
				return &UsageError{l.Kind.Name, fmt.Errorf("%s traces the payload, and a process has only one tracer: hk-why, hk-landlock --learn, hk-seccomp --learn and hk-limit --report-proc cannot be combined", t.attacher)}
			}
			t.attaches = append(t.attaches, hook{l.Kind.Name, n.Attach})
			t.attacher, t.Child.OwnMemory = l.Kind.Name, true
		}
	}
	t.Child.Begin = func() error { return t.atChild(&t.begins) }
	t.Child.Attach = func() error { return t.atChild(&t.attaches) }
	return nil
}

// before adds what the stages do first of all.
func (t *translator) before(links []Link) error {
	for i, l := range links {
		if n := l.Stage.Needs(); n.Before != nil && (!n.First || i == 0) {
			t.Name = l.Kind.Name
			if err := n.Before(t.State); err != nil {
				return &UsageError{t.Name, err}
			}
			t.For("")
		}
	}
	return nil
}

// beginChild adds what stages need right after the clone, once there is a child.
func (t *translator) beginChild() error {
	if err := t.Child.Begin(); err != nil {
		return err
	}
	return t.Child.Attach()
}

// atChild adds hooks, once, if there is a child.
func (t *translator) atChild(hooks *[]hook) error {
	if len(*hooks) == 0 || !t.Plan.Cloned() {
		return nil
	}
	list, name, asked := *hooks, t.Name, t.Plan.For
	*hooks = nil
	for _, h := range list {
		t.Name = h.stage
		t.For("")
		if err := h.add(t.State); err != nil {
			return &UsageError{t.Name, err}
		}
	}
	t.Name = name
	t.For(asked)
	return nil
}

// firstPlan is the part of the chain that fits in one plan, and what it executes:
// whether that is a stage, and its path.
func (c *Chain) firstPlan() (links []Link, payload []string, rest bool, path string) {
	changed, root, end := false, 0, len(c.Links)
	for i, l := range c.Links {
		n := l.Stage.Needs()
		if n.Clone && changed || n.First && i > 0 && !c.observes(i) {
			end = i
			break
		}
		changed = changed || n.Clone || n.Credentials
		switch {
		case n.Root && root > 0:
			end = root
		case n.Root:
			root = i + 1
		}
		if n.Last {
			end = min(end, i+1)
		}
		if end <= i+1 {
			break
		}
	}
	if end == len(c.Links) {
		return c.Links, c.Payload, c.Rest, c.RestPath
	}
	next := c.Links[end]
	return c.Links[:end], next.words, true, next.path
}

// between notes which stages are in the plan, and what is known about those after it.
func (t *translator) between(c *Chain, links []Link) {
	later := append(slices.Clip(c.Links[len(links):]), c.ahead...)
	t.links = links
	t.argsDone, t.argsNext = argsDone(links, later), argsOf(later)
	t.Next.Clones, t.plain = clones(later), plainNames(later)
	t.Next.Ends = c.endsAfter(later)
	_, t.looks = first(later, func(n stage.Needs) bool { return n.First })
}

// endsAfter reports whether the chain ends with the only one of the links after a plan.
func (c *Chain) endsAfter(later []Link) bool {
	if len(later) != 1 {
		return false
	}
	if len(c.ahead) > 0 {
		return c.aheadEnds
	}
	return len(c.Payload) == 0
}

// Later is the first stage that is planned only when it is executed, after the first plan,
// or "".
func (c *Chain) Later() string {
	if links, _, _, _ := c.firstPlan(); len(links) < len(c.Links) {
		return c.Links[len(links)].Kind.Name
	}
	if len(c.ahead) > 0 {
		return c.ahead[0].Kind.Name
	}
	return ""
}

// OnePlan reports whether all stages fit in one plan.
func (c *Chain) OnePlan() bool {
	links, _, rest, _ := c.firstPlan()
	return len(links) == len(c.Links) && !rest
}

// plainNames are the words of stages that follow one another, and of their payload, with
// the name of each stage in place of its path.
func plainNames(links []Link) []string {
	if len(links) == 0 {
		return nil
	}
	words := slices.Clone(links[0].words)
	for _, l := range links {
		words[len(words)-len(l.words)] = l.Kind.Name
	}
	return words
}

// dieWithParent makes this process die with its parent if a stage asks for it. If the
// kernel has already been told to do so, an earlier stage, or this program before it
// executed itself again, has found the parent there.
func (t *translator) dieWithParent(links []Link) {
	for _, l := range links {
		n := l.Stage.Needs()
		if !n.DieWithParent || n.Parent == 0 && t.Host.ParentDeathSignal == unix.SIGKILL {
			continue
		}
		parent := n.Parent
		if parent == 0 {
			parent = t.Host.Parent
		}
		t.Name = l.Kind.Name
		t.DieWithParent(unix.SIGKILL, parent)
	}
}
