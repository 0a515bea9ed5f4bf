package chain

import (
	"fmt"

	"hk/pkg/execdeps"
	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/landlock"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A translator makes the plan of a chain. Around the ops of the stages it adds those
// for the signal mask, for what stages that execute one another leave for the next one,
// and execve(2).
type translator struct {
	*stage.State
	payload []string
	// plain is the payload with the plain names of stages, if it is a chain, or nil.
	plain []string
	// takes is set if the payload is given when the plan is performed.
	takes bool
	path  string // of the stage that the payload is, or ""
	// links are the stages of the plan.
	links []Link
	// looks is set if a stage after the plan shows what holds for it.
	looks bool
	// restored is set once the thread has the caller's state again; it is that of the
	// child if child is set.
	restored, child bool
	// exposed is set if a stage lets other processes open this program.
	exposed bool
	// hidden is set if the path of this program does not lead to it for the next stage.
	hidden bool
	// pid is the PID of the child, if a variable of the environment is to hold it, or nil.
	pid *plan.Result
	// begins and attaches add what stages need right after the clone, if that is still to
	// be added; attacher is the stage that attaches to the child, or "".
	begins, attaches []hook
	attacher         string
	relay            relay
	// supervisor is a descriptor to be left to the next stage, or 0; kept is set once
	// it belongs to the supervisor created by this plan.
	supervisor int
	kept       bool
	// handover is what the next stage is told, and keepOpen is the op that leaves it
	// the socket, or nil.
	handover host.Handover
	// argsDone and argsNext are the descriptors of --args of the plan's stages, and those that
	// they use, and the descriptors of the stages after it.
	argsDone, argsNext []int
	keepOpen           *plan.Op
	// observer is the program that is executed beside the child, or nil.
	observer *plan.Result
}

// keepSupervisor keeps, once there is a clone, a socket to its supervisor for the next
// stage, which leaves the one above this process to what it executes. It must come
// before a limit on descriptors.
func (t *translator) keepSupervisor() {
	if t.kept || !t.Next.Stage || !t.Plan.Cloned() || t.Plan.InJoiner() {
		return
	}
	t.kept, t.supervisor = true, 0
	if t.Unheard || t.Host.Handover.Unheard {
		return
	}
	if t.attacher != "" {
		return // a tracer learns in another way what happens to the payload
	}
	if t.supervisor = t.Host.SpareFD(); t.supervisor > 0 {
		t.Plan.KeepSupervisor(t.Name, t.supervisor)
	}
}

func (t *translator) begin(links []Link) error {
	if !t.Child.Planned {
		// The Go runtime's handlers must not run while the thread changes, and the
		// SIGURG by which it preempts must not be pending when the mask is restored. A
		// child is cloned with all signals blocked and without handlers.
		t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	}
	t.connectManager()
	if err := t.openNext(links); err != nil {
		return err
	}
	if err := t.openObserver(links); err != nil {
		return err
	}
	if t.Host.Handover.Ambient && (!t.Next.Stage || t.Next.Ends) {
		t.Capset(t.Cred.Permitted, t.Cred.Permitted, 0)
	}
	return nil
}

// restoreCaller restores the caller's state of the thread. It must come before a filter
// that may deny this.
func (t *translator) restoreCaller() {
	if t.restored && t.child == t.Plan.Cloned() {
		return
	}
	first := !t.restored
	t.restored, t.child = true, t.Plan.Cloned() // a child starts with all signals blocked
	if t.takes {
		t.enterGiven()
	}
	t.relayNotifications()
	t.last()
	t.Plan.AskSupervisor(t.Name)
	t.getpid()
	t.Deferred()
	t.writeHandover()
	t.Plan.CloseOpen(t.Name, t.Next.Program)
	if first && t.Host.SelfFD >= 0 && !t.Next.Stage {
		t.Add(plan.CloseFD(t.Host.SelfFD))
	}
	t.leaveArgs(first)
	if fd := t.Host.Handover.Supervisor; fd > 0 && !t.Next.Stage && !t.Plan.Cloned() {
		t.Add(plan.Tell(fd, plan.TellExecutes))
	}
	t.restoreSignals()
}

// last adds what stages do when everything else is done, once there is a child.
func (t *translator) last() {
	if !t.Plan.Cloned() {
		return
	}
	list, name := t.Child.Last, t.Name
	t.Child.Last = nil
	for _, add := range list {
		add()
	}
	t.Name = name
	t.For("")
}

// restoreSignals undoes for the next program what the start of this one has changed:
// limits, ignored signals, and the mask.
func (t *translator) restoreSignals() {
	t.RestoreLimits()
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if t.Host.Ignored>>(sig-1)&1 != 0 {
			t.Add(plan.Ignore(sig))
		}
	}
	t.Add(plan.Sigmask(t.Host.Sigmask))
}

// writeHandover tells the next stage what it needs to know, and lets it keep the
// capabilities that execve(2) removes from every user ID except 0.
func (t *translator) writeHandover() {
	if !t.Next.Stage {
		return
	}
	made := t.NS.Entered(unix.CLONE_NEWUSER)
	h := host.Handover{UID: t.Host.UID, GID: t.Host.GID, Unmapped: t.Unmapped(),
		Net:    t.NS.New&unix.CLONE_NEWNET != 0 || t.Host.Handover.Net,
		PIDs:   t.NS.New&unix.CLONE_NEWPID != 0 || t.Host.Handover.PIDs,
		Mounts: t.NS.New&unix.CLONE_NEWNS != 0 || t.Host.Handover.Mounts,
		Joined: t.NS.Joined&unix.CLONE_NEWNS != 0, Propagation: t.NS.Propagation, Search: t.search(),
		Quiet: t.Host.Handover.Quiet, NoUser: t.NS.NoUser || t.Host.Handover.NoUser, Argv0: t.Next.Argv0}
	switch {
	case t.Next.Ends:
	case t.SetCaps:
	case made && !t.Cred.RootGains() && !t.ChangedIDs:
		cred := t.Cred
		t.MakeAmbient(cred.Permitted & (cred.Inheritable | cred.Bounding))
		t.Cred = cred // the last stage drops them again: the payload never has them
		h.Ambient = true
	case t.Host.Handover.Ambient:
		h.Ambient = true
	}
	t.handOverShown(&h)
	h.Program = t.installed()
	if h.Supervisor = t.supervisor; h.Supervisor > 0 {
		t.keepOpen = plan.KeepOpen(plan.Int(int64(h.Supervisor)))
		t.Add(t.keepOpen)
	}
	t.handover = h
}

// installed is the path of this program for a next stage that is executed by a descriptor, and
// so may be a copy in memory; or "", also if the path leads elsewhere in the root of that stage.
func (t *translator) installed() string {
	if t.hidden || t.Next.FD < 0 && t.Next.Program == nil {
		return ""
	}
	if p := t.Host.Handover.Program; p != "" {
		return p
	}
	p, err := t.Host.Program()
	if err != nil || host.InMemory(p.Path) {
		return ""
	}
	return p.Path
}

// handOverShown adds what is only shown.
func (t *translator) handOverShown(h *host.Handover) {
	if !t.looks {
		return
	}
	h.Origins, h.Landlock = t.Host.Handover.Origins, t.Host.Handover.Landlock
	if h.Origins == "" && t.Host.Origins != nil {
		h.Origins = t.Host.Origins()
	}
	for _, l := range t.links {
		if l.Kind == &landlock.Kind {
			if h.Landlock != "" {
				h.Landlock += ","
			}
			h.Landlock += getopt.JoinList(l.Stage.Args())
		}
	}
}

// search is how the next stage finds the stages after it, if the environment that it
// gets, which is that of the payload, does not say it, or nil.
func (t *translator) search() *host.Search {
	caller := t.Host.Search()
	if t.Host.Handover.Search != nil || host.SearchOf(t.Env.List()) != caller {
		return &caller
	}
	return nil
}

// handoverVariable is the variable for the next stage, once all filters are known: a
// socket that it could not use is not left to it.
func (t *translator) handoverVariable() string {
	h := t.handover
	if h.Unheard = t.Next.Stage && (t.Unheard || t.Host.Handover.Unheard); h.Unheard && h.Supervisor > 0 {
		h.Supervisor = 0
		t.Plan.Remove(t.keepOpen)
	}
	t.handover = h
	return h.Variable()
}

// tryNext are the errors after which execvp(3) tries the next directory.
var tryNext = [...]unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ENODEV, unix.ESTALE, unix.ETIMEDOUT}

func (t *translator) exec() error {
	if gains := t.Gains(); gains != 0 && t.Plan.Cloned() && t.Plan.Direct() && !t.Child.Outlive {
		return &UsageError{t.Name, fmt.Errorf("execve(2) would give the payload, which has user ID 0, capabilities that the chain does not have (%s), and it would no longer die with its supervisor: use hk-setuser --caps none or --no-new-privs, or hk-unshare --init or --outlive",
			plan.CapSetText(gains))}
	}
	if !t.Next.Stage {
		t.noteUnmeant()
	}
	t.restoreCaller()
	t.Plan.AskSupervisor(t.Name)
	t.Plan.CloseOpen(t.Name, t.Next.Program) // of stages after a filter
	t.nameChild()
	t.relayed()
	if t.takes {
		t.execGiven()
		return nil
	}
	var own []string
	if v := t.handoverVariable(); v != "" {
		own = append(own, v)
	}
	words := t.payload
	if t.plain != nil && (t.Next.FD >= 0 || t.Next.Program != nil) {
		words = t.plain // a path need not lead to a stage where it is executed
	}
	if t.Next.Argv0 != "" && !t.Next.Stage {
		words = append([]string{t.Next.Argv0}, words[1:]...)
	}
	im := t.Env.Image(words, own...)
	switch {
	case t.Next.FD >= 0:
		t.Add(plan.Fexecve(plan.Int(int64(t.Next.FD)), im))
		return nil
	case t.Next.Program != nil:
		t.Add(plan.Fexecve(plan.Ref(t.Next.Program), im))
		return nil
	case t.path != "":
		t.Add(plan.Execve(t.path, im))
		return nil
	}
	word := t.payload[0]
	path := execdeps.EnvironmentOf(t.Env.List()).Path
	files := execdeps.Candidates(word, path)
	for i, file := range files {
		op := plan.Execve(file, im)
		if i < len(files)-1 {
			op = op.Tolerate(tryNext[:]...)
		} else {
			op = op.Hint(unix.ENOENT, t.notFound(word, path, len(files)))
		}
		t.Add(op.Hint(unix.EACCES, "it, or its interpreter or loader, is not executable, or a directory in the path or a Landlock domain forbids it: hk-why before the chain tells which").
			Hint(unix.ENOEXEC, "it is neither a program for this machine nor a script that starts with #!"))
	}
	return nil
}

func (t *translator) notFound(word, path string, n int) string {
	root := ""
	if t.Root.New {
		root = " in the new root"
	}
	if stage := meant(word); stage != "" {
		return fmt.Sprintf("there is no stage %s: did you mean %s?", word, stage)
	}
	if path == "" {
		path = "/bin and /usr/bin, as there is no PATH"
	}
	if n > 1 {
		return fmt.Sprintf("%s was searched for%s in %s", word, root, path)
	}
	return fmt.Sprintf("there is no such file%s, or the interpreter or loader that it names is missing", root)
}
