package limit

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Exit statuses for a payload that was ended: those of timeout(1).
const (
	exitTerminated = 124
	exitKilled     = 137
)

// A guard is what the supervisor does for the settings of one stage while the payload
// runs.
type guard struct {
	*Limits
	watcher plan.Watcher
	report  *os.File
	output  *output
	keeper  *keeper
	// floor is what the payload's process had in memory before it was the payload.
	floor uint64

	// metrics are those of the payload's process at its end, for --report-proc.
	metrics []Metric

	began time.Time
	// reason is why the payload is being ended, or "", and killed is set once it was
	// killed for that.
	reason Reason
	killed bool
}

// supervises reports whether the settings need a supervisor.
func (l *Limits) supervises() bool {
	return l.Wall != 0 || l.MaxOutput != 0 || l.Report != "" || l.Cgroup.Limits()
}

// ends reports whether the supervisor may have to end the payload.
func (l *Limits) ends() bool { return l.Wall != 0 || l.MaxOutput != 0 }

// Needs implements stage.Stage.
func (l *Limits) Needs() stage.Needs {
	n := stage.Needs{}
	if l.supervises() {
		n.Supervisor, n.Before, n.AtChild, n.Unread = true, l.before, l.atChild, l.MaxOutput != 0
	}
	if l.ReportProc {
		n.Attach = l.attach
	}
	return n
}

// check refuses what makes no sense together.
func (l *Limits) check() error {
	switch {
	case l.KillAfter != 0 && !l.ends():
		return errors.New("--kill-after needs --wall or --max-output")
	case l.Signal != 0 && !l.ends():
		return errors.New("--signal needs --wall or --max-output")
	case l.Signal == unix.SIGKILL && l.KillAfter != 0:
		return errors.New("--kill-after has no effect with --signal KILL: leave it out")
	case l.ReportProc && l.Report == "":
		return errors.New("--report-proc needs --report")
	}
	return nil
}

// before adds what this process does before the clone.
func (l *Limits) before(s *stage.State) error {
	if err := l.check(); err != nil {
		return err
	}
	l.guard = &guard{Limits: l}
	if l.ends() {
		s.Add(plan.Prctl("PR_SET_CHILD_SUBREAPER", unix.PR_SET_CHILD_SUBREAPER, plan.Int(1)))
		s.Plan.Subreaper = true
	}
	if l.Report != "" {
		l.guard.planReport(s)
	}
	if l.Cgroup.Limits() {
		if err := l.guard.planCgroup(s); err != nil {
			return err
		}
	}
	if l.MaxOutput != 0 {
		l.guard.planOutput(s)
	}
	return nil
}

// atChild adds the step that begins to watch.
func (l *Limits) atChild(s *stage.State) error {
	g := l.guard
	if g.keeper != nil {
		g.keeper.planChild(s)
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: g.text(), Do: func(at plan.Context) error {
		g.watcher = plan.Watcher{Stage: s.Name, Started: g.started, Due: g.due, Ended: g.ended}
		if g.output != nil {
			g.watcher.FD, g.watcher.Ready = g.output.full, g.full
		}
		at.Watch(&g.watcher)
		if g.keeper != nil {
			g.keeper.begin(at, g.most())
		}
		return nil
	}})
	return nil
}

// text says what the supervisor does.
func (g *guard) text() string {
	var does []string
	how := fmt.Sprintf("send %s to the payload and all that descends from it", signalText(g.signal()))
	if g.signal() != unix.SIGKILL {
		how += fmt.Sprintf(", and SIGKILL %v later", g.patience())
	}
	if g.Wall != 0 {
		does = append(does, fmt.Sprintf("%v after it has started, %s", g.Wall, how))
		how = "do the same"
	}
	if g.MaxOutput != 0 {
		does = append(does, fmt.Sprintf("copy its output, and after %d bytes %s", g.MaxOutput, how))
	}
	if g.keeper != nil {
		does = append(does, "when it has ended, have the control group ended and removed")
	}
	if g.Report != "" {
		does = append(does, "write the report to "+g.Report)
	}
	return strings.Join(does, "; ")
}

// signal is what the payload is ended by.
func (g *guard) signal() unix.Signal {
	if g.Signal == 0 {
		return unix.SIGTERM
	}
	return g.Signal
}

func (g *guard) patience() time.Duration {
	if g.KillAfter == 0 {
		return time.Second
	}
	return g.KillAfter
}

// most is how long the payload may run, with the time that it has to end; 0 means no limit.
func (g *guard) most() time.Duration {
	if g.Wall == 0 {
		return 0
	}
	if g.signal() == unix.SIGKILL {
		return g.Wall
	}
	return g.Wall + g.patience()
}

func (g *guard) started(p plan.Payload) {
	g.began = p.Executed()
	if g.Wall != 0 {
		g.watcher.Deadline = g.began.Add(g.Wall)
	}
	if g.output != nil {
		g.output.start()
	}
	if g.keeper != nil {
		g.keeper.executed(g.most())
	}
}

func (g *guard) due(p plan.Payload) {
	if g.reason == "" {
		g.end(p, Timeout)
	} else {
		g.kill(p)
	}
}

func (g *guard) full(p plan.Payload) {
	g.watcher.Ready = nil
	if g.reason == "" {
		g.end(p, Output)
	}
}

// end asks the payload to end, or kills it.
func (g *guard) end(p plan.Payload, reason Reason) {
	g.reason, g.watcher.Deadline = reason, time.Time{}
	if g.signal() == unix.SIGKILL {
		g.kill(p)
		return
	}
	g.watcher.Deadline = time.Now().Add(g.patience())
	p.SignalTree(g.signal())
	p.SignalTree(unix.SIGCONT) // a process that has stopped does not handle it
}

func (g *guard) kill(p plan.Payload) {
	g.killed = true
	if g.keeper != nil {
		g.keeper.kill()
	}
	p.KillTree()
}

// endTree waits until what the payload has left running has ended, and kills it at the
// deadline. What escapes a look at the processes, since it creates another one and ends,
// is killed too.
func (g *guard) endTree(p plan.Payload) {
	for pause := time.Millisecond; !p.TreeEnded() && time.Now().Before(g.watcher.Deadline) && !p.Asked(); pause = min(2*pause, 20*time.Millisecond) {
		time.Sleep(pause)
	}
	if p.KillTree() {
		g.killed = true
		if g.keeper != nil {
			g.keeper.kill()
		}
	}
}

// endGroup has the control group ended, unless what is left in it has time to end.
func (g *guard) endGroup(end *plan.End) {
	killed := end.Status.Signaled() && end.Status.Signal() == unix.SIGKILL
	if (g.reason == "" || killed) && g.keeper.late() {
		g.reason, g.killed = cmp.Or(g.reason, Timeout), true
	}
	if g.reason == "" || g.killed {
		g.keeper.ended()
	}
}

// ended is called when the payload has ended. What it has left running ends too if it is
// being ended.
func (g *guard) ended(end *plan.End, p plan.Payload) (notes []string, err error) {
	wall := time.Since(g.began)
	if g.keeper != nil && g.Wall != 0 {
		g.endGroup(end)
	}
	if g.reason != "" && !g.killed {
		g.endTree(p)
		if !p.TreeEnded() {
			notes = append(notes, "processes that descend from the payload are left: they could not be killed")
		}
	}
	if g.output != nil {
		g.output.finish(g.reason != "", g.patience(), p)
		if g.reason == "" && g.output.used.Load() > g.output.max {
			g.reason = Output // it has ended before it could be ended
		}
	}
	switch {
	case g.reason == "":
	case g.killed:
		end.Exit, end.Reason = exitKilled, string(g.reason)
	default:
		end.Exit, end.Reason = exitTerminated, string(g.reason)
	}
	r := g.result(end, wall)
	switch {
	case g.keeper != nil:
		err = g.keeper.end(r, end, p)
	case g.report != nil:
		if err = r.Write(int(g.report.Fd()), p.Asked); err != nil {
			err = fmt.Errorf("--report %s: %w", g.Report, err)
		}
	}
	if err != nil {
		notes = append(notes, err.Error()) // the exit status remains the payload's
	}
	return notes, nil
}

// result is the report of a payload without a control group.
func (g *guard) result(end *plan.End, wall time.Duration) *Report {
	r := &Report{Reason: g.reason, ExitCode: -1, Wall: wall,
		User: time.Duration(end.Rusage.Utime.Nano()), System: time.Duration(end.Rusage.Stime.Nano()),
		PeakMemory: uint64(end.Rusage.Maxrss) << 10, MemoryFloor: g.floor, MemorySource: "rusage"}
	if end.Status.Signaled() {
		r.Signal = int(end.Status.Signal())
	} else {
		r.ExitCode = end.Status.ExitStatus()
	}
	switch {
	case r.Reason != "":
	case r.Signal != 0:
		r.Reason = Signalled
	default:
		r.Reason = Exited
	}
	r.Payload = g.metrics
	return r
}
