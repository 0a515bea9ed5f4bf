package chain

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/execdeps"
	"hk/pkg/host"
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
	// takes is set if the payload is given when the plan is performed.
	takes bool
	path  string // of the stage that the payload is, or ""
	env   []string
	// restored is set once the thread has the caller's state again; it is that of the
	// child if child is set.
	restored, child bool
	// exposed is set if a stage lets other processes open this program.
	exposed bool
	// attach adds the step that attaches to the child, if that is still to be added, or
	// is nil; attacher is the stage that asks for it, or "".
	attach   func(*stage.State) error
	attacher string
	// supervisor is a descriptor to be left to the next stage, or 0; kept is set once
	// it belongs to the supervisor created by this plan.
	supervisor int
	kept       bool
	// handover is what the next stage is told, and keepOpen is the op that leaves it
	// the socket, or nil.
	handover host.Handover
	keepOpen *plan.Op
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
	t.env = slices.Clone(t.Host.Env)
	if !t.Child.Planned {
		// The Go runtime's handlers must not run while the thread changes, and the
		// SIGURG by which it preempts must not be pending when the mask is restored. A
		// child is cloned with all signals blocked and without handlers.
		t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	}
	if err := t.openNext(links); err != nil {
		return err
	}
	if t.Host.Handover.Ambient && !t.Next.Stage {
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
	t.Deferred()
	t.writeHandover()
	t.Plan.CloseOpen(t.Name, t.Next.Program)
	if first && t.Host.SelfFD >= 0 && !t.Next.Stage {
		t.Add(plan.CloseFD(t.Host.SelfFD))
	}
	if fd := t.Host.Handover.Supervisor; fd > 0 && !t.Next.Stage && !t.Plan.Cloned() {
		t.Add(plan.Tell(fd, plan.TellExecutes))
	}
	t.restoreSignals()
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
		Joined: t.NS.Joined&unix.CLONE_NEWNS != 0}
	switch {
	case t.SetCaps:
	case made && !t.Cred.RootGains() && !t.ChangedIDs:
		cred := t.Cred
		t.MakeAmbient(cred.Permitted)
		t.Cred = cred // the last stage drops them again: the payload never has them
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

// handoverVariable is the variable for the next stage, once all filters are known: a
// socket that it could not use is not left to it.
func (t *translator) handoverVariable() string {
	h := t.handover
	if h.Unheard = t.Next.Stage && (t.Unheard || t.Host.Handover.Unheard); h.Unheard && h.Supervisor > 0 {
		h.Supervisor = 0
		t.Plan.Remove(t.keepOpen)
	}
	return h.Variable()
}

// tryNext are the errors after which execvp(3) tries the next directory.
var tryNext = [...]unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ENODEV, unix.ESTALE, unix.ETIMEDOUT}

func (t *translator) exec() error {
	if gains := t.Gains(); gains != 0 && t.Plan.Cloned() && t.Plan.Direct() && !t.Child.Outlive {
		return &UsageError{t.Name, fmt.Errorf("execve(2) would give the payload, which has user ID 0, capabilities that the chain does not have (%s), and it would no longer die with its supervisor: use hk-setuser --caps none or --no-new-privs, or hk-unshare --init or --outlive",
			plan.CapSetText(gains))}
	}
	t.restoreCaller()
	t.Plan.CloseOpen(t.Name, t.Next.Program) // of stages after a filter
	t.env = slices.DeleteFunc(t.env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(t.Next.Unset, name)
	})
	if v := t.handoverVariable(); v != "" {
		t.env = append(t.env, v)
	}
	if t.takes {
		t.execGiven()
		return nil
	}
	im := plan.NewImage(t.payload, t.env)
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
	path := execdeps.EnvironmentOf(t.Host.Env).Path
	files := execdeps.Candidates(word, path)
	for i, file := range files {
		op := plan.Execve(file, im)
		if i < len(files)-1 {
			op = op.Tolerate(tryNext[:]...)
		} else {
			op = op.Hint(unix.ENOENT, t.notFound(word, path, len(files)))
		}
		t.Add(op.Hint(unix.EACCES, "it is not executable, or a directory in its path or a Landlock domain forbids it").
			Hint(unix.ENOEXEC, "it is neither a program for this machine nor a script that starts with #!"))
	}
	return nil
}

func (t *translator) notFound(word, path string, n int) string {
	root := ""
	if t.Root.New {
		root = " in the new root"
	}
	if n > 1 {
		return fmt.Sprintf("%s was searched for%s in %s", word, root, path)
	}
	return fmt.Sprintf("there is no such file%s, or the interpreter or loader that it names is missing", root)
}
