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

// Plan makes the plan of a chain. It reads what the flags name on the host, and
// changes nothing.
//
// A plan has one clone, and none by a caller whose credentials it has changed:
// a supervisor is who has started the chain. What follows is executed as a chain
// of its own, from the stage on that would clone. One for a stage that only needs
// a supervisor comes first of all.
func (c *Chain) Plan(h *host.Host) (*stage.State, error) {
	links, payload, rest, path := c.cut()
	s := stage.NewState(h)
	s.NextStage = rest
	s.Name = links[0].Kind.Name
	s.OwnMemory = h.UID != 0
	for _, l := range links {
		if u, ok := l.Stage.(stage.Changer); ok && u.ChangesUser() {
			s.OwnMemory = true
		}
		if cl, ok := l.Stage.(stage.Cloner); ok && cl.Clones() {
			s.WillClone = true
		}
		if p, ok := l.Stage.(stage.NeedsProc); ok && p.NeedsProc() {
			s.LateProc = true
		}
	}
	s.ClonesLater = clones(append(slices.Clip(c.Links[len(links):]), c.ahead...))
	t := tail{State: s, payload: payload, path: path, supervisor: h.Handover.Supervisor}
	s.MayTrace = (s.WillClone || supervised(links[len(links)-1]) != nil || chooser(links) != "") && t.traces(append(slices.Clip(c.Links), c.ahead...))
	t.dieWithParent(links)
	if err := t.again(c, links); err != nil {
		return nil, err
	}
	if t.Again && c.Settings().Explain == "" {
		return s, nil // the copy reads what there is to read, as standard input
	}
	if err := t.supervised(links); err != nil {
		return nil, err
	}
	if err := t.begin(links); err != nil {
		return nil, err
	}
	if err := t.stages(links); err != nil {
		return nil, err
	}
	switch {
	case len(payload) > 0:
		if err := t.exec(); err != nil {
			return nil, err
		}
	case s.Plan.Cloned():
		return nil, &UsageError{s.Name, fmt.Errorf("nothing to run: see %s --help", s.Name)}
	default:
		t.release()
	}
	if err := s.Complete(); err != nil {
		return nil, &UsageError{s.Name, err}
	}
	return s, nil
}

// Print has the last stage print what it is asked for, at its place behind the
// others. Preconditions: c.Printer() is not nil.
func (c *Chain) Print(h *host.Host, w io.Writer) error {
	last := c.Links[len(c.Links)-1]
	links, _, _, _ := c.cut()
	if len(links) < len(c.Links) {
		return &UsageError{last.Kind.Name, errors.New("it stands behind what is a plan of its own: print without those stages")}
	}
	t := tail{State: stage.NewState(h)}
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

// stages adds what the stages do.
func (t *tail) stages(links []Link) error {
	for _, l := range links {
		t.Name = l.Kind.Name
		if t.Name == "hk-seccomp" {
			t.release()
		}
		if err := l.Stage.Plan(t.State); err != nil {
			return &UsageError{t.Name, err}
		}
		t.For("")
		if err := t.follow(); err != nil {
			return err
		}
		if err := t.OpenLateProc(); err != nil {
			return &UsageError{t.Name, err}
		}
		t.keepSupervisor()
	}
	return nil
}

// supervised adds a clone for a stage that needs a supervisor, if no stage makes
// one.
//
// Where somebody else chooses by the files of a root what is executed there must be
// one too. The other threads of this process stay in the old root until execve(2)
// ends them, and the names of the payload, its interpreter and its loader are looked
// up before that: they may lead through /proc/self/task.
func (t *tail) supervised(links []Link) error {
	last := links[len(links)-1]
	name := last.Kind.Name
	if t.follower = supervised(last); t.follower != nil {
		t.followName = name
		t.Attach = t.follow
		t.OwnMemory = true
	} else if name = chooser(links); name == "" {
		return nil
	}
	if t.WillClone {
		return nil
	}
	t.WillClone, t.Name = true, name
	t.NotDumpable()
	t.Plan.Clone(t.Name, 0, t.OwnMemory)
	t.DieWithSupervisor()
	if err := t.follow(); err != nil {
		return err
	}
	if !slices.ContainsFunc(links, func(l Link) bool {
		cl, ok := l.Stage.(stage.Cloner)
		return ok && cl.Joins()
	}) {
		t.ShieldSupervisor()
	}
	return nil
}

// clones reports whether one of the links makes a supervisor.
func clones(links []Link) bool {
	return chooser(links) != "" || slices.ContainsFunc(links, func(l Link) bool {
		cl, ok := l.Stage.(stage.Cloner)
		return ok && cl.Clones() || supervised(l) != nil
	})
}

// chooser is the stage by which somebody else may choose what is executed, or "".
func chooser(links []Link) string {
	for _, l := range links {
		if c, ok := l.Stage.(stage.Chooser); ok && c.Chooses() {
			return l.Kind.Name
		}
		if e, ok := l.Stage.(stage.Exposer); ok && e.Exposes() {
			return l.Kind.Name
		}
	}
	return ""
}

// follow adds what belongs right behind the clone, once there is one.
func (t *tail) follow() error {
	if t.follower == nil || !t.Plan.Cloned() {
		return nil
	}
	f, name := t.follower, t.Name
	t.follower, t.Name = nil, t.followName
	if err := f.Follow(t.State); err != nil {
		return &UsageError{t.Name, err}
	}
	t.Name = name
	return nil
}

// cut is the part of the chain that one plan can hold, and what it executes:
// whether that is a stage, and its path.
func (c *Chain) cut() (links []Link, payload []string, rest bool, path string) {
	last := false
	for i, l := range c.Links {
		if cl, ok := l.Stage.(stage.Cloner); ok && cl.Clones() {
			if last {
				return c.Links[:i], l.words, true, l.path
			}
			last = true
		}
		if ch, ok := l.Stage.(stage.Changer); ok && ch.Changes() {
			last = true
		}
		if supervised(l) != nil && i+1 < len(c.Links) {
			next := c.Links[i+1]
			return c.Links[:i+1], next.words, true, next.path
		}
	}
	return c.Links, c.Payload, c.Rest, c.RestPath
}

// supervised is the stage of a link if it needs a supervisor, or nil.
func supervised(l Link) stage.Supervised {
	if f, ok := l.Stage.(stage.Supervised); ok && f.Supervised() {
		return f
	}
	return nil
}

// dieWithParent has this process die with its parent if a stage wants that. If the
// kernel sees to it already, an earlier stage, or this program before it executed
// itself again, has found the parent there.
func (t *tail) dieWithParent(links []Link) {
	for _, l := range links {
		d, ok := l.Stage.(stage.Dependent)
		if !ok {
			continue
		}
		parent, dies := d.DiesWithParent()
		if !dies || parent == 0 && t.Host.ParentDeathSignal == unix.SIGKILL {
			continue
		}
		if parent == 0 {
			parent = t.Host.Parent
		}
		t.Name = l.Kind.Name
		t.DieWithParent(unix.SIGKILL, parent)
	}
}
