// Package cli is the common part of the stages' programs: it parses the command line,
// explains or performs the plan, and ends in the same way as the payload.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
		return report(kind.Name, nil, err)
	}
	if code, ok := printStage(c, h); ok {
		return code
	}
	settings := c.Settings()
	status, err := openStatus(settings.StatusFD)
	if err != nil {
		return report(kind.Name, nil, err)
	}
	if err := host.CheckFloor(); err != nil {
		return report(kind.Name, status, err)
	}
	if len(c.Payload) > 0 && !c.Rest && find.Beside(c.Payload[0]) {
		return report(kind.Name, status, &chain.UsageError{Stage: kind.Name,
			Err: fmt.Errorf("%s is not in PATH, but is beside this program in %s: set PATH", c.Payload[0], find.Dir)})
	}
	state, err := c.Plan(h)
	if err != nil {
		return report(kind.Name, status, err)
	}
	switch settings.Explain {
	case "text":
		return printed(kind.Name, state.Text)
	case "json":
		return printed(kind.Name, state.Plan.JSON)
	}
	skipped := func(stage, what string) {
		say(stage, "skipped: "+what)
		status.write(event{Event: "skipped", Stage: stage, What: what})
	}
	if state.ExecutesSealed {
		return perform(kind.Name, state, run.Attr{}, settings.Verbose, status)
	}
	for _, s := range state.Report.Skipped {
		skipped(s.Stage, s.What)
	}
	if settings.Verbose {
		for _, n := range state.Report.Notes {
			say(kind.Name, "note: "+n)
		}
	}
	warn := func(stage, text string) {
		say(stage, "warning: "+text)
		status.write(event{Event: "warning", Stage: stage, What: text})
	}
	if len(c.Payload) > 0 && !state.Plan.Cloned() {
		status.write(event{Event: "started", PID: os.Getpid()})
	}
	return perform(kind.Name, state, run.Attr{Warn: warn, Skipped: skipped}, settings.Verbose, status)
}

// printStage prints what the last stage was asked to print, if anything.
func printStage(c *chain.Chain, h *host.Host) (code int, ok bool) {
	last := c.Links[len(c.Links)-1]
	name := last.Kind.Name
	switch {
	case last.Common.Help:
		return printed(name, func(w io.Writer) error {
			_, err := fmt.Fprint(w, last.Kind.Usage, "\nAll stages: -h, --help; --version; --explain[=text|json]; -v, --verbose; --status-fd N\nSee ", name, "(1).\n")
			return err
		}), true
	case last.Common.Version:
		return printed(name, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, name, Version, start())
			return err
		}), true
	case c.Printer() != nil:
		if err := c.Print(h, os.Stdout); err != nil {
			return report(name, nil, err), true
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
func perform(name string, state *stage.State, attr run.Attr, verbose bool, status *status) int {
	p := state.Plan
	if p.Cloned() {
		return supervise(name, state, attr, verbose, status)
	}
	if verbose {
		attr.Trace = os.Stderr
	}
	attr.Failed = func(err error) { exit.Exit(report(name, status, err)) }
	if err := run.Exec(p, attr); err != nil {
		return report(name, status, err)
	}
	return 0
}

// supervise starts a plan with a clone, and ends in the same way as the payload. It
// returns only if the start fails.
func supervise(name string, state *stage.State, attr run.Attr, verbose bool, status *status) int {
	p := state.Plan
	above, err := run.NewSupervisor(state.Host.Sigmask|state.Host.Ignored, state.Host.Handover.Supervisor)
	if err != nil {
		return report(name, status, err)
	}
	attr.Interrupt = above.Interrupt()
	child, err := run.Start(p, attr)
	if err != nil {
		return report(name, status, err)
	}
	run.CloseInherited(p.Keep)
	err = child.Setup()
	if err == nil {
		err = above.Adopt(child)
	}
	if verbose {
		child.Trace(os.Stderr)
	}
	if err != nil {
		return failed(name, state.Host.Handover.Supervisor, status, err)
	}
	status.write(event{Event: "started", PID: child.Payload})
	end, err := above.Wait()
	if err != nil {
		return report(name, status, err)
	}
	ended := end.Status
	if p.MayKill != "" && ended.Signaled() && ended.Signal() == unix.SIGSYS {
		attr.Warn(name, fmt.Sprintf("ended by SIGSYS, perhaps before the payload started: %s may kill execve(2)", p.MayKill))
	}
	status.exited(ended)
	run.ExitAs(ended, state.Host.Handover.Supervisor)
	return exitFailed
}

// failed is report for a failed start. If a signal ended the start, the process ends by
// that signal.
func failed(name string, above int, status *status, err error) int {
	var ended *run.Interrupted
	if !errors.As(err, &ended) {
		return report(name, status, err)
	}
	status.write(event{Event: "failed", Stage: name, Error: err.Error()})
	run.ExitAs(unix.WaitStatus(ended.Signal), above)
	return exitFailed
}

// finder says which words are stages.
func finder(h *host.Host) *chain.Finder {
	f := &chain.Finder{Path: os.Getenv("PATH"), Fuse: os.Getenv("HK_FUSE") != "0", ByFD: h.SelfFD >= 0}
	if h.Handover.Program != "" {
		f.Dir = filepath.Dir(h.Handover.Program)
	} else if exe, err := os.Readlink("/proc/self/exe"); err == nil {
		f.Dir = filepath.Dir(exe)
	} else if exe, err := filepath.Abs(host.ExecutedAs()); err == nil && !f.ByFD {
		f.Dir = filepath.Dir(exe) // there is no procfs
	}
	return f
}
