package chain

import (
	"slices"
	"strconv"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// processes are the variables by which a service manager names the process that it has
// started, and those that are for that process alone: sd_listen_fds(3),
// sd_watchdog_enabled(3), systemd.exec(5). LISTEN_PIDFDID is another number of the process
// in LISTEN_PID.
var processes = [...]struct {
	name string
	with []string
}{
	{"LISTEN_PID", []string{"LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"}},
	{"WATCHDOG_PID", []string{"WATCHDOG_USEC"}},
	{"SYSTEMD_EXEC_PID", nil},
}

// names reports whether a variable names this process, and whether there is one.
func (t *translator) names(variable string) (this, set bool) {
	for _, v := range t.Host.Env {
		if value, ok := strings.CutPrefix(v, variable+"="); ok {
			return value == strconv.Itoa(t.Host.PID), true
		}
	}
	return false, false
}

// getpid asks the child for its PID, as it sees it, if a service manager has named this
// process and so means the payload. It must come before a filter that may deny the call.
func (t *translator) getpid() {
	if t.pid != nil || t.takes || !t.Plan.Cloned() {
		return
	}
	for _, p := range processes {
		if this, _ := t.names(p.name); this && t.Env.Passes(p.name) {
			t.pid = t.Plan.NewResult("pid")
			t.Add(plan.Getpid().Gives(t.pid))
			return
		}
	}
}

// nameChild makes the variables that name this process name the child. Those that name
// another one are as they were, unless the child is in another PID namespace, where that
// number may be its own: descriptors that are not meant for it would seem to be. One
// that a stage has set is left alone.
func (t *translator) nameChild() {
	if t.takes || !t.Plan.Cloned() {
		return
	}
	for _, p := range processes {
		this, set := t.names(p.name)
		switch {
		case !t.Env.Passes(p.name):
		case this:
			t.Env.Unset("LISTEN_PIDFDID")
			t.Env.Set(plan.Var{Name: p.name, Result: t.pid})
		case set && !this && t.NS.Entered(unix.CLONE_NEWPID):
			t.Note(p.name + " names another process, which the payload might take for itself: it is not passed on")
			t.Env.Unset(append(slices.Clip(p.with), p.name)...)
		}
	}
}
