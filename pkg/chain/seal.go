package chain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// self is the program of this process, wherever its file's name leads now.
const self = "/proc/self/exe"

// executeSealed adds the ops by which this program executes itself from a sealed copy
// in memory, if other processes can open it while the chain runs.
//
// A process that can open a program through /proc/PID/exe, or that controls what the
// chain executes and so can make it a link to /proc/self/exe, can write to the
// program's file once no process executes it. That needs only the user ID of the file's
// owner (CVE-2019-5736). The copy does everything after these ops, and makes the plan
// again.
func (t *translator) executeSealed(c *Chain, links []Link) error {
	by := t.exposedBy(links)
	if by == "" {
		return nil
	}
	t.Name = by
	p, err := t.program()
	switch {
	case err != nil:
		return &UsageError{t.Name, err}
	case p.Fixed && t.Host.Handover.Program != "":
		// It is the copy. Whether the caller may write to the file is no longer seen, and the
		// file is what the next stage would be executed from.
		t.exposed = true
		return nil
	case !t.exposed && !p.Writable:
		return nil
	case p.Fixed:
		t.exposed = true
		return nil
	case t.Host.Handover.Program != "":
		return &UsageError{t.Name, errors.New("this should be a sealed copy of the program, but is not")}
	}
	if c.takes {
		return &UsageError{by, fmt.Errorf("processes that influence what is executed here could write to this program's file, %s, through /proc/PID/exe: put it on a read-only mount, make it not writable by this user, or use a sealed memfd", p.Path)}
	}
	t.exposed = true
	t.seal(c, links, p)
	return nil
}

// exposedBy is the stage through which other processes can open the programs of the
// chain, or "". exposed is set if they choose what is executed; otherwise the file is
// at risk only if the caller may write to it.
func (t *translator) exposedBy(links []Link) string {
	given, chooses := "", "" // stages that drop privileges, or lead to another root
	clones, other := false, false
	for _, l := range links {
		n := l.Stage.Needs()
		if n.Exposes {
			t.exposed = true
			return l.Kind.Name
		}
		if n.Clone {
			clones, other = true, other || n.OtherUser
		}
		if n.Clone || n.Credentials || n.Hides { // there may be no procfs for a copy where it leads
			given = l.Kind.Name
		}
		if n.ForeignRoot {
			chooses = l.Kind.Name
		}
	}
	switch {
	case chooses != "":
		// The files there can make the payload a link to this program, which is then
		// dumpable.
		return chooses
	case t.Next.Stage:
		// The next program is dumpable, and has no more privileges than other processes
		// may have.
		return given
	case clones && !other && t.Child.MayTrace:
		// The payload may open the supervisor, or the init process, above it.
		return links[0].Kind.Name
	}
	return ""
}

// traces reports whether stages ask for the payload to have CAP_SYS_PTRACE, by making a
// plan of only those that change credentials. An error is left to the whole plan to
// report.
func (t *translator) traces(links []Link) bool {
	if t.Host.Permitted>>unix.CAP_SYS_PTRACE&1 == 0 {
		return false
	}
	s := stage.NewState(t.Host)
	for _, l := range links {
		if l.Stage.Needs().Credentials && l.Stage.Plan(s) != nil {
			return false
		}
	}
	return s.AsksTrace && s.PayloadCaps()>>unix.CAP_SYS_PTRACE&1 != 0
}

// program is the program of this process. Without a procfs it cannot be copied.
func (t *translator) program() (host.Program, error) {
	err := t.Host.Procfs()
	if err == nil {
		return t.Host.Program()
	}
	if t.Host.SelfFD >= 0 {
		if p := t.Host.Self(); p.Fixed || !p.Writable && !t.exposed {
			return p, nil
		}
	}
	return host.Program{}, fmt.Errorf("other processes could write to this program, so it is executed from a sealed copy: %w", err)
}

// seal adds the ops that create the copy and execute it.
func (t *translator) seal(c *Chain, links []Link, p host.Program) {
	t.ExecutesSealed = true
	t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	exe := t.Open("exe", plan.Openat(plan.AtCwd(), self, unix.O_RDONLY|unix.O_CLOEXEC, 0))
	sealed := t.sealedCopy(plan.Ref(exe), p.Size)
	if fd := c.Settings().StatusFD; fd > 2 {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
	for _, fd := range c.Links[0].Common.Own {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
	h := t.Host.Handover
	if h.Supervisor > 0 {
		t.Add(plan.KeepOpen(plan.Int(int64(h.Supervisor))))
	}
	by := plan.Ref(sealed)
	if t.Host.SelfFD >= 0 {
		t.Add(plan.Dup3(sealed, t.Host.SelfFD, false))
		by = plan.Int(int64(t.Host.SelfFD))
	} else {
		h.Program = p.Path
	}
	env := slices.Clone(t.Host.Env)
	if v := h.Variable(); v != "" {
		env = append(env, v)
	}
	words := links[0].words
	if c.Settings().Explain != "" {
		// What is printed is what would be done without the copy.
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool {
			return w == "--explain" || strings.HasPrefix(w, "--explain=")
		})
	}
	t.restoreSignals()
	t.Add(plan.Fexecve(by, plan.NewImage(words, env, plan.Changes{})).
		Hint(unix.EACCES, fmt.Sprintf("files in memory cannot be executed here; executing %s from a read-only mount needs no copy", t.Name)))
}
