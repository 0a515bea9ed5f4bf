package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// profileFile is where a profile of AppArmor would be installed.
const profileFile = "/etc/apparmor.d/hk"

// facts has a child look at the machine.
func (r *report) facts(n *nurse) {
	e := n.run(looks)
	for _, l := range e.lines {
		if l.Fact != "" {
			r.Facts = append(r.Facts, fact{l.Fact, l.Value})
		}
	}
	if e.late {
		r.fail(result{Name: "facts", Stage: name, What: "read what says more about the machine"}, n.late())
	}
}

// silent reports a directory that does not answer.
func (r *report) silent(dir string, most time.Duration) {
	r.fail(result{Name: "directory", Stage: name, What: "look at " + dir},
		line{Error: fmt.Sprintf("the file system of %s has not answered within %v", dir, most), Cause: cause.NoAnswer})
}

// late is what is said of a child that has not ended in time.
func (n *nurse) late() line {
	return line{Error: fmt.Sprintf("it has not ended within %v", n.time), Cause: cause.NoAnswer}
}

// fail adds a result for what does not work.
func (r *report) fail(t result, why line) {
	r.Works = false
	t.Verdict, t.Error, t.Cause, t.Why = no, why.Error, why.Cause, why.Hint
	if why.Stage != "" && t.Error != "" {
		t.Error = why.Stage + ": " + t.Error
	}
	if t.Why == "" {
		t.Why = t.Error
	}
	t.Remedy = why.Cause.Of().Remedy
	if t.Remedy == "" {
		t.Remedy = "the manual page of " + t.Stage + " explains its errors"
	}
	if t.Cause == cause.UsernsAppArmor {
		r.Profile = profile()
	}
	r.Trials = append(r.Trials, t)
}

// try performs the chain of a trial in a child. own is set if no user namespace is to be
// created, and all if what only root can do counts as well.
func (r *report) try(n *nurse, t *trial, own, all bool) {
	got := result{Name: t.name, Stage: t.stage, What: t.what, Verdict: yes}
	words := t.words(own)
	switch {
	case words == nil:
		return
	case t.root && !all && os.Geteuid() != 0:
		got.Verdict = root
		r.Trials = append(r.Trials, got)
		return
	}
	if why, failed := n.verdict(n.run(performs, words...)); failed {
		r.fail(got, why)
		r.Trials[len(r.Trials)-1].Remedy = n.advice(r.Trials[len(r.Trials)-1])
		return
	}
	r.Trials = append(r.Trials, got)
}

// advice is what to do about a result on this machine.
func (n *nurse) advice(t result) string {
	switch t.Cause {
	case cause.SubidMissing, cause.NewuidmapPrivilege, cause.CgroupDelegation:
		for _, l := range n.run(advises, string(t.Cause)).lines {
			if l.Note != "" {
				return l.Note
			}
		}
	}
	return t.Remedy
}

// verdict is why a child has not come as far as the payload.
func (n *nurse) verdict(e end) (why line, failed bool) {
	ev := e.failed()
	switch {
	case e.err != nil:
		return line{Error: "no process could be started: " + e.err.Error()}, true
	case e.late:
		return n.late(), true
	case e.status.Exited() && (e.status.ExitStatus() == exitNotFound || e.status.ExitStatus() == exitNotFound-1):
		return line{}, false
	case ev != nil:
		return *ev, true
	case e.status.Signaled() && e.status.Signal() == unix.SIGSYS:
		return line{Error: "killed by SIGSYS: a seccomp filter around this process kills for one of the calls", Cause: cause.CallHidden}, true
	}
	return line{Error: ending(e.status, e.words)}, true
}

func ending(s syscall.WaitStatus, words string) string {
	text := fmt.Sprintf("exit status %d", s.ExitStatus())
	if s.Signaled() {
		text = "killed by " + unix.SignalName(s.Signal())
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(words), "\n"); first != "" {
		text += ": " + first
	}
	return text
}

// plan has a child plan a chain, and returns its ops.
func (r *report) plan(n *nurse, words []string) (ops []string, ok bool) {
	here := *n
	here.dir = ""
	got := result{Name: "plan", Stage: filepath.Base(words[0]), What: "plan the chain", Verdict: yes}
	e := here.run(plans, words...)
	if !e.status.Exited() || e.status.ExitStatus() != 0 || e.late || e.err != nil {
		why, _ := n.verdict(e)
		if why.Stage != "" {
			got.Stage, why.Stage = why.Stage, ""
		}
		r.fail(got, why)
		return nil, false
	}
	for _, l := range e.lines {
		switch {
		case l.Op != "":
			ops = append(ops, l.Op)
		case l.Note != "" && l.Stage != "":
			r.Notes = append(r.Notes, l.Stage+" "+l.Note)
		case l.Note != "":
			r.Notes = append(r.Notes, l.Note)
		case l.Rest != "":
			r.Notes = append(r.Notes, l.Rest+" and what follows it is planned only when it is executed, and is not in this report")
		}
	}
	r.Trials = append(r.Trials, got)
	return ops, true
}

// profile permits user namespaces to the programs beside this one.
func profile() string {
	dir := "/usr/local/bin"
	if exe, err := os.Readlink("/proc/self/exe"); err == nil {
		dir = filepath.Dir(exe)
	}
	return fmt.Sprintf("abi <abi/4.0>,\ninclude <tunables/global>\nprofile hk %s flags=(unconfined) {\n  userns,\n}\n", quoteProfile(dir+"/hk-*"))
}

// quoteProfile quotes a path for a profile if it has characters that mean something there.
func quoteProfile(path string) string {
	if strings.ContainsAny(path, " \t\"{}[]^?,#@") {
		return `"` + strings.ReplaceAll(path, `"`, `\"`) + `"`
	}
	return path
}
