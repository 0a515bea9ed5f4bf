package chain

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hk/pkg/plan"
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
func (c *Chain) Plan(h *stage.Host) (*stage.State, error) {
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
func (c *Chain) Print(h *stage.Host, w io.Writer) error {
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

// keepSupervisor keeps, once there is a clone, a socket to its supervisor for the next
// stage, which leaves the one above this process to what it executes. It belongs
// before a limit on descriptors.
func (t *tail) keepSupervisor() {
	if t.kept || !t.NextStage || !t.Plan.Cloned() || t.Plan.InJoiner() {
		return
	}
	t.kept, t.supervisor = true, 0
	if t.Unheard || t.Host.Handover.Unheard {
		return
	}
	if t.followName != "" {
		return // who follows its payload learns otherwise what becomes of it
	}
	if t.supervisor = t.Host.SpareFD(); t.supervisor > 0 {
		t.Plan.KeepSupervisor(t.Name, t.supervisor)
	}
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

// A tail is what comes around the stages: the signal mask, what stages that
// execute one another leave for the next, and execve(2).
type tail struct {
	*stage.State
	payload  []string
	path     string // of the stage that the payload is, or ""
	env      []string
	released bool
	// exposed is set if a stage lets others at this program.
	exposed bool
	// follower is the stage that has yet to follow the child, or nil.
	follower   stage.Supervised
	followName string
	// supervisor is a descriptor to be left to the next stage, or 0; kept is set once
	// it is one to the supervisor that this plan makes.
	supervisor int
	kept       bool
	// handover is what the next stage is told, and keepOpen the op that leaves it the
	// socket, or nil.
	handover stage.Handover
	keepOpen *plan.Op
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

func (t *tail) begin(links []Link) error {
	t.env = slices.Clone(t.Host.Env)
	if !t.WillClone {
		// The Go runtime's handlers must not run while the thread changes, and
		// the SIGURG by which it preempts must not be pending when the mask is
		// given back. A child is cloned with all signals blocked and without
		// handlers.
		t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	}
	if err := t.openNext(links); err != nil {
		return err
	}
	if t.Host.Handover.Ambient && !t.NextStage {
		t.Add(plan.Capset(t.Holds, t.Holds, 0))
		t.Ambient = 0
	}
	return nil
}

// release gives the thread what the caller had. It must come before a filter that
// may forbid that.
func (t *tail) release() {
	if t.released {
		return
	}
	t.released = true
	t.Deferred()
	t.hand()
	t.Plan.CloseOpen(t.Name, t.Next)
	if t.Host.SelfFD >= 0 && !t.NextStage {
		t.Add(plan.CloseFD(t.Host.SelfFD))
	}
	if fd := t.Host.Handover.Supervisor; fd > 0 && !t.NextStage && !t.Plan.Cloned() {
		t.Add(plan.Tell(fd, plan.TellExecutes))
	}
	t.restore()
}

// restore undoes for the next program what the start of this one has changed:
// limits, signals that are ignored, and the mask.
func (t *tail) restore() {
	t.RestoreLimits()
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if t.Host.Ignored>>(sig-1)&1 != 0 {
			t.Add(plan.Ignore(sig))
		}
	}
	t.Add(plan.Sigmask(t.Host.Sigmask))
}

// hand tells the next stage what it has to know, and lets it have the
// capabilities that execve(2) takes from all but user ID 0.
func (t *tail) hand() {
	if !t.NextStage {
		return
	}
	made := (t.New|t.Joined)&unix.CLONE_NEWUSER != 0
	h := stage.Handover{UID: t.Host.UID, GID: t.Host.GID, Unmapped: t.Unmapped(),
		Net:    t.New&unix.CLONE_NEWNET != 0 || t.Host.Handover.Net,
		Joined: t.Joined&unix.CLONE_NEWNS != 0}
	switch {
	case t.SetsCaps:
	case made && !t.Root && !t.ChangesIDs:
		t.Add(plan.KeepCaps(t.Holds, t.Host.LastCap)...)
		h.Ambient = true
	case t.Host.Handover.Ambient:
		h.Ambient = true
	}
	if h.Supervisor = t.supervisor; h.Supervisor > 0 {
		t.keepOpen = plan.KeepOpen(plan.Int(int64(h.Supervisor)))
		t.Add(t.keepOpen)
	}
	t.handover = h
}

// handed is the variable for the next stage, once all filters are known: what cannot
// be heard is not left to it.
func (t *tail) handed() string {
	h := t.handover
	if h.Unheard = t.NextStage && (t.Unheard || t.Host.Handover.Unheard); h.Unheard && h.Supervisor > 0 {
		h.Supervisor = 0
		t.Plan.Remove(t.keepOpen)
	}
	return h.Variable()
}

func (t *tail) exec() error {
	if gains := t.Gains(); gains != 0 && t.Plan.Cloned() && t.Plan.Direct() && !t.Outlive {
		return &UsageError{t.Name, fmt.Errorf("execve(2) would give the payload, which has user ID 0, capabilities that the chain does not hold (%s), and so it would no longer die with its supervisor: hk-setuser --caps none or --no-new-privs, or hk-unshare --init or --outlive",
			plan.CapSetText(gains))}
	}
	t.release()
	t.Plan.CloseOpen(t.Name, t.Next) // of stages after a filter
	t.env = slices.DeleteFunc(t.env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(t.Unset, name)
	})
	if v := t.handed(); v != "" {
		t.env = append(t.env, v)
	}
	im := plan.NewImage(t.payload, t.env)
	switch {
	case t.NextFD >= 0:
		t.Add(plan.Fexecve(plan.Int(int64(t.NextFD)), im))
		return nil
	case t.Next != nil:
		t.Add(plan.Fexecve(plan.Ref(t.Next), im))
		return nil
	case t.path != "":
		t.Add(plan.Execve(t.path, im))
		return nil
	}
	word := t.payload[0]
	path := ""
	for _, v := range t.Host.Env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
			break
		}
	}
	files := Candidates(word, path)
	for i, file := range files {
		op := plan.Execve(file, im)
		if i < len(files)-1 {
			op = op.Except(unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ENODEV, unix.ESTALE, unix.ETIMEDOUT)
		} else {
			op = op.Hint(unix.ENOENT, t.notFound(word, path, len(files)))
		}
		t.Add(op.Hint(unix.EACCES, "it is not executable, or a directory on the way or a Landlock domain forbids it").
			Hint(unix.ENOEXEC, "it is neither a program for this machine nor a script that starts with #!"))
	}
	return nil
}

func (t *tail) notFound(word, path string, n int) string {
	root := ""
	if t.NewRoot {
		root = " in the new root"
	}
	if n > 1 {
		return fmt.Sprintf("%s was looked for%s in %s", word, root, path)
	}
	return fmt.Sprintf("there is no such file%s, or the interpreter or loader that it names is not there", root)
}
