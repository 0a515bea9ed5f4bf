// Package cli is the common part of the stages' programs: it parses the command line,
// explains or performs the plan, and ends in the same way as the payload.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"hk/internal/entry"
	"hk/internal/exit"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/run"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Exit statuses of hk; any other status is that of the payload.
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Version is set by the linker.
var Version = "devel"

// Main runs the stage that the program was called as, or otherwise the named one. It
// does not return.
//
// Preconditions: it is called in an init function. Until main starts, the goroutine is
// locked to the process's first thread, on which the caller has set per-thread
// attributes such as a parent-death signal. (Locking it with runtime.LockOSThread would
// start an additional thread, which every chain would pay for.)
func Main(name string) {
	entry.Started()
	if kind := chain.ByName(filepath.Base(os.Args[0])); kind != nil {
		name = kind.Name
	}
	exit.Exit(execute(chain.ByName(name)))
}

func execute(kind *stage.Kind) int {
	if host.Secure() {
		return complain(kind.Name, "refuses to run set-user-ID or with file capabilities", "")
	}
	host.RestoreNofile()
	h := host.This()
	find := finder(h)
	c, err := chain.Read(kind, append([]string{kind.Name}, os.Args[1:]...), find)
	if err != nil {
		return program{name: kind.Name}.report(nil, err)
	}
	if code, ok := printStage(c, h); ok {
		return code
	}
	return do(c, find, &Front{Name: kind.Name, Host: h, Quiet: h.Handover.Quiet})
}

// A program is what performs a chain, and how it reports.
type program struct {
	name string
	// quiet is without warnings on standard error.
	quiet bool
	// dialect is nil for the form of the stages.
	dialect *Dialect
}

// do explains or performs a chain for a program, and returns its exit status, or does not
// return.
func do(c *chain.Chain, find *chain.Finder, f *Front) int {
	settings, name, h, p := c.Settings(), f.Name, f.Host, f.program()
	status, err := openStatus(settings.StatusFD)
	if err != nil {
		return p.report(nil, err)
	}
	if f.Reword != nil {
		status = status.with(f.Reword)
	}
	if err := host.CheckFloor(); err != nil {
		return p.report(status, err)
	}
	if len(c.Payload) > 0 && !c.Rest && find.Beside(c.Payload[0]) {
		return p.report(status, &chain.UsageError{Stage: name,
			Err: fmt.Errorf("%s is not in PATH, but is beside this program in %s: set PATH", c.Payload[0], find.Dir)})
	}
	if settings.Why {
		return p.follow(c, h, status)
	}
	state, err := c.Plan(h)
	if err != nil {
		return p.report(status, err)
	}
	if settings.Explain != "" {
		return p.explain(c, find, f, state, status)
	}
	if state.ExecutesSealed {
		return p.perform(state, run.Attr{}, settings.Verbose, status)
	}
	attr := p.messages(status, settings.Verbose)
	if attr.Ready = status.ready; p.dialect != nil {
		attr.Ready = p.dialect.Ready
	}
	for _, s := range state.Report.Skipped {
		attr.Skipped(s.Stage, s.What)
	}
	if len(c.Payload) > 0 && !c.Rest {
		if path := find.Elsewhere(c.Payload[0]); path != "" {
			attr.Warn(name, fmt.Sprintf("%s is of another installation than this program, which is in %s: it is executed, and what follows is checked only then", path, find.Dir))
		}
	}
	if settings.Verbose {
		for _, n := range state.Report.Notes {
			say(name, "note: "+status.words(name, n))
		}
	}
	for _, n := range state.Report.Told {
		status.write(event{Event: "note", Stage: n.Stage, What: n.What})
	}
	if len(c.Payload) > 0 && !state.Plan.Cloned() {
		status.write(event{Event: "started", PID: os.Getpid()})
	}
	return p.perform(state, attr, settings.Verbose, status)
}

// follow executes hk-why for a chain.
func (p program) follow(c *chain.Chain, h *host.Host, status *status) int {
	state, err := c.Follower(h)
	if err != nil {
		return p.report(status, err)
	}
	return p.perform(state, run.Attr{}, false, status)
}

// explain prints the plan, in one of the forms of --explain.
func (p program) explain(c *chain.Chain, find *chain.Finder, f *Front, state *stage.State, status *status) int {
	print, how := state.Text, c.Settings().Explain
	switch file, diff := strings.CutPrefix(how, "diff:"); {
	case diff:
		before, err := readPlan(file)
		if err != nil {
			return p.report(status, &chain.UsageError{Stage: p.name, Err: fmt.Errorf("--explain=diff:%s: %w", file, err)})
		}
		print = func(w io.Writer) error { return difference(w, file, before, state.Plan) }
	case how == "diff":
		b, err := compareFused(c, find, f)
		if err != nil {
			return p.report(status, &chain.UsageError{Stage: p.name, Err: fmt.Errorf("--explain=diff: %w", err)})
		}
		print = func(w io.Writer) error { _, err := w.Write(b); return err }
	case how == "json":
		print = state.Plan.JSON
	case how == "why":
		print = func(w io.Writer) error { return c.Why(state, w) }
	}
	return printed(p.name, print)
}

// messages says what the supervisor and its steps report: to standard error, unless
// quiet, and to the status descriptor.
func (p program) messages(status *status, verbose bool) run.Attr {
	tell := func(kind string) func(stage, text string) {
		return func(stage, text string) {
			text = status.words(stage, text)
			switch {
			case p.quiet:
			case p.dialect != nil:
				p.dialect.Warn(kind, text)
			default:
				say(stage, kind+": "+text)
			}
			status.write(event{Event: kind, Stage: stage, What: text})
		}
	}
	attr := run.Attr{Skipped: tell("skipped"), Warn: tell("warning")}
	if verbose {
		attr.Note = func(stage, text string) { say(stage, "note: "+text) }
	}
	return attr
}

// printStage prints what the last stage was asked to print, if anything.
func printStage(c *chain.Chain, h *host.Host) (code int, ok bool) {
	last := c.Links[len(c.Links)-1]
	name := last.Kind.Name
	switch {
	case last.Common.Help:
		return printed(name, func(w io.Writer) error {
			_, err := fmt.Fprint(w, last.Kind.Usage, "\nAll stages: -h, --help; --version; --explain[=text|json|why|diff|diff:FILE]; -v, --verbose; --status-fd N; --args FD; --force-order; --why\nSee ", name, "(1).\n")
			return err
		}), true
	case last.Common.Version:
		return printed(name, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, name, Version, start())
			return err
		}), true
	case c.Printer() != nil:
		if err := c.Print(h, os.Stdout); err != nil {
			return program{name: name}.report(nil, err), true
		}
		return 0, true
	}
	return 0, false
}

// start says how the program was linked.
func start() string {
	if entry.Kept() {
		return "(keeps the caller's signals and descriptors)"
	}
	return "(does not keep all of the caller's signals and descriptors: see hk-chain(7))"
}

func printed(name string, print func(io.Writer) error) int {
	if err := print(os.Stdout); err != nil {
		return complain(name, fmt.Sprintf("standard output: %v", err), "")
	}
	return 0
}

// perform performs the plan. It returns only if the plan fails or executes nothing;
// otherwise the process becomes the payload, or ends in the same way as the payload.
func (p program) perform(state *stage.State, attr run.Attr, verbose bool, status *status) int {
	if state.Plan.Cloned() {
		return p.supervise(state, attr, verbose, status)
	}
	if verbose {
		attr.Trace = Stderr{}
	}
	attr.Failed = func(err error) { exit.Exit(p.report(status, err)) }
	if err := run.Exec(state.Plan, attr); err != nil {
		return p.report(status, err)
	}
	return 0
}

// supervise starts a plan with a clone, and ends in the same way as the payload. It
// returns only if the start fails.
func (p program) supervise(state *stage.State, attr run.Attr, verbose bool, status *status) int {
	above, err := run.NewSupervisor(state.Host.Sigmask|state.Host.Ignored, state.Host.Handover.Supervisor)
	if err != nil {
		return p.report(status, err)
	}
	attr.Interrupt = above.Interrupt()
	child, err := run.Start(state.Plan, attr)
	if err != nil {
		return p.report(status, err)
	}
	run.CloseInherited(state.Plan.Keep)
	err = child.Setup()
	if err == nil {
		err = above.Adopt(child)
	}
	if verbose {
		child.Trace(Stderr{})
	}
	if err != nil {
		return p.failed(state.Host.Handover.Supervisor, status, err)
	}
	status.started(child.Payload)
	end, err := above.Wait()
	if err != nil {
		return p.report(status, err)
	}
	ended := end.Status
	if end.Exit != 0 {
		ended = unix.WaitStatus(end.Exit << 8)
	}
	if state.Plan.MayKill != "" && ended.Signaled() && ended.Signal() == unix.SIGSYS {
		attr.Warn(p.name, fmt.Sprintf("ended by SIGSYS, perhaps before the payload started: %s may kill execve(2)", state.Plan.MayKill))
	}
	status.exited(ended, end.Reason)
	if p.dialect != nil {
		return p.dialect.Ended(ended)
	}
	run.ExitAs(ended, state.Host.Handover.Supervisor)
	return exitFailed
}

// failed is report for a failed start. If a signal ended the start, the process ends by
// that signal.
func (p program) failed(above int, status *status, err error) int {
	var ended *run.Interrupted
	if !errors.As(err, &ended) {
		return p.report(status, err)
	}
	status.write(event{Event: "failed", Stage: p.name, Error: err.Error()})
	run.ExitAs(unix.WaitStatus(ended.Signal), above)
	return exitFailed
}

// finder says which words are stages.
func finder(h *host.Host) *chain.Finder {
	search := h.Search()
	f := &chain.Finder{Path: search.Path, Fuse: search.Fuse, ByFD: h.SelfFD >= 0, ReadArgs: host.ReadArgs}
	if h.Handover.Program != "" {
		f.Dir = filepath.Dir(h.Handover.Program)
	} else if exe, err := os.Readlink("/proc/self/exe"); err == nil {
		f.Dir = filepath.Dir(exe)
	} else if exe, err := filepath.Abs(host.ExecutedAs()); err == nil && !f.ByFD {
		f.Dir = filepath.Dir(exe) // there is no procfs
	}
	return f
}
