package cli

import (
	"fmt"
	"io"

	"hk/internal/entry"
	"hk/internal/exit"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Front is a program with a command line of its own, which it compiles to a chain.
type Front struct {
	Name string
	Host *host.Host
	// Quiet writes no warnings to standard error.
	Quiet bool
	// Reword, unless it is nil, says what a stage says in words of the front's own.
	Reword func(stage, text string) string
	// Dialect is how the program reports; nil is as the stages do.
	Dialect *Dialect
	// Refuses says why the chain cannot be performed with HK_FUSE=0, or returns nil. It may be
	// nil.
	Refuses func() error
	// AlwaysFused performs the chain in this program, whatever HK_FUSE says.
	AlwaysFused bool
}

// A Dialect is how a program reports that takes the place of another one.
type Dialect struct {
	// Failed reports an error, with a hint or "", and returns the exit status.
	Failed func(err error, hint string) int
	// Warn reports what is not a failure; kind is "skipped" or "warning".
	Warn func(kind, text string)
	// Ready is told of the process before the payload is executed, if a stage asks for
	// that: its PID and its namespaces. After an error the payload is not executed.
	Ready func(pid int, namespaces []plan.Namespace) error
	// Ended returns the exit status for the end of the payload.
	Ended func(unix.WaitStatus) int
}

func (f *Front) program() program { return program{f.Name, f.Quiet, f.Dialect} }

// Say writes a line to standard error.
func (f *Front) Say(prefix, text string) { say(prefix, text) }

// MainFront runs such a program. It does not return. Preconditions: those of [Main].
func MainFront(name string, run func(*Front) int) {
	entry.Started()
	if host.Secure() {
		exit.Exit(complain(name, "refuses to run set-user-ID or with file capabilities", ""))
	}
	host.RestoreNofile()
	exit.Exit(run(&Front{Name: name, Host: host.This()}))
}

// MainApart is [MainFront] for a program that performs no chain itself: the host is not
// described, which would read files that may not answer.
func MainApart(name string, run func(*Front) int) {
	entry.Started()
	if host.Secure() {
		exit.Exit(complain(name, "refuses to run set-user-ID or with file capabilities", ""))
	}
	exit.Exit(run(&Front{Name: name}))
}

// Print prints to standard output, and returns the exit status.
func (f *Front) Print(print func(io.Writer) error) int { return printed(f.Name, print) }

// Version prints the version.
func (f *Front) Version() int {
	return f.Print(func(w io.Writer) error {
		_, err := fmt.Fprintln(w, f.Name, Version, start())
		return err
	})
}

// Fail reports an error, on the status descriptor too if fd is not -1, and returns the
// exit status that is given.
func (f *Front) Fail(code, fd int, err error) int {
	status, statusErr := openStatus(fd)
	f.program().report(status, err)
	if statusErr != nil {
		f.program().report(nil, statusErr)
	}
	return code
}

// Check returns the errors of [Front.Run] that do not depend on the chain: fd is not a
// descriptor for events, or the kernel is too old.
func (f *Front) Check(fd int) error {
	if err := checkStatus(fd); err != nil {
		return err
	}
	return host.CheckFloor()
}

// Fused reports whether [Front.Run] performs the chain itself.
func (f *Front) Fused() bool { return f.Host.Search().Fuse }

// Finder says which words are stages. Those that follow one another are fused if fuse is
// set.
func (f *Front) Finder(fuse bool) *chain.Finder {
	find := finder(f.Host)
	find.Fuse = fuse
	return find
}

// Run explains or performs the chain, as the program of its first stage would. With
// HK_FUSE=0 that program does, which is beside this one.
func (f *Front) Run(c *chain.Chain) int {
	find := finder(f.Host)
	find.Fuse = find.Fuse || f.AlwaysFused
	if !find.Fuse {
		s, err := c.Apart(f.Host, find, f.Quiet)
		if err != nil {
			return f.Fail(exitFailed, c.Settings().StatusFD, err)
		}
		if c.Settings().Verbose {
			for _, n := range c.Notes {
				say(f.Name, "note: "+n)
			}
		}
		p := f.program()
		return p.perform(s, p.messages(nil, false), false, nil)
	}
	return do(c, find, f)
}

// Usage reports an error in the command line with a line that says what it looks like.
func (f *Front) Usage(code int, err error, line string) int {
	complain(f.Name, err.Error(), "")
	say("usage", line)
	return code
}
