// Package inspect shows what holds for a process: hk-inspect(1).
package inspect

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Kind is hk-inspect.
var Kind = stage.Kind{
	Name: "hk-inspect",
	New:  func() stage.Stage { return &Inspection{} },
	Usage: `hk-inspect [flags] [[--] NEXT [args...]]: show what holds at this place in a chain

 --json                   for programs: the keys are those of the manual page
 --only SECTION,...       ids caps namespaces mounts root limits cgroups seccomp
                          landlock fds signals session keyrings env
 --values                 show the values of environment variables
 --probe                  try to read and to write, which shows a Landlock domain
 --pid PID                another process
 --filters                with --pid: what its filters do; stops it for a moment
 --chain[=kernel]         with --pid: print the chain that has made such a process,
                          or, and with =kernel always, one from what the kernel tells
 --diff FILE|-|fd:N       show what differs from an earlier --json
 --assert EXPR            fail unless it holds: no-new-privs, caps=none, ns.net!=host,
                          mount:/usr=ro, fd<=2; prints nothing if nothing is asked for
 --output FILE|-|fd:N     default: standard output, or standard error before NEXT
`,
}

// An Inspection says what is shown, and how.
type Inspection struct {
	// What is read.
	What
	// JSON is for programs.
	JSON bool
	// Output is a file that is created or truncated, "-" for standard output, fd:N for a
	// descriptor, or "": standard output if the chain ends here, otherwise standard error,
	// because standard output is the payload's.
	Output string

	// Diff is a file that an earlier inspection with JSON has written, "-" for standard input,
	// or fd:N: only what differs is shown. "" is none.
	Diff string
	// Chain prints the chain that has made another process, "any", or one that would make
	// what the kernel tells of it, "kernel". "" prints none.
	Chain string
	// Assert are expressions that must hold.
	Assert []string

	asserts []assertion
	ends    bool // set by Finishes
}

// Flags binds i to the flags of hk-inspect(1).
func (i *Inspection) Flags(fs *getopt.Flags) {
	fs.Bool("json", "", &i.JSON)
	fs.String("only", "", func(v string) error {
		for _, w := range getopt.List(v) {
			if !slices.Contains(sections[:], w) {
				return fmt.Errorf("%q is not a section: %s", w, strings.Join(sections[:], ", "))
			}
			i.Sections = append(i.Sections, w)
		}
		return nil
	})
	fs.Bool("values", "", &i.Values)
	fs.Bool("probe", "", &i.Probe)
	fs.String("pid", "", func(v string) (err error) {
		i.PID, err = getopt.ParsePID(v)
		return err
	})
	fs.Bool("filters", "", &i.Contents)
	fs.Optional("chain", "any", getopt.OneOf(&i.Chain, "any", "kernel"))
	fs.String("diff", "", func(v string) error {
		if v == "" {
			return errors.New("an empty path")
		}
		i.Diff = v
		_, err := i.diffFD()
		return err
	})
	fs.String("assert", "", i.assertFlag)
	fs.String("output", "", func(v string) error {
		i.Output = v
		_, _, err := i.outputFD()
		return err
	})
}

// Args prints i as flags.
func (i *Inspection) Args() []string {
	var a getopt.Args
	a.Bool("json", i.JSON)
	if len(i.Sections) > 0 {
		a.Set("only", getopt.JoinList(i.Sections))
	}
	a.Bool("values", i.Values)
	a.Bool("probe", i.Probe)
	if i.PID != 0 {
		a.Set("pid", fmt.Sprint(i.PID))
	}
	a.Bool("filters", i.Contents)
	a.Set("chain", i.Chain)
	a.Set("diff", i.Diff)
	for _, text := range i.Assert {
		a.String("assert", text)
	}
	a.Set("output", i.Output)
	return a
}

// outputFD is the descriptor of Output; named is set if it is a file instead.
func (i *Inspection) outputFD() (fd int, named bool, err error) {
	switch text, ok := strings.CutPrefix(i.Output, "fd:"); {
	case ok:
		fd, err = getopt.ParseFD(text)
		return fd, false, err
	case i.Output == "-", i.Output == "" && i.ends:
		return 1, false, nil
	case i.Output == "":
		return 2, false, nil
	case strings.ContainsRune(i.Output, 0):
		return 0, false, errors.New("a null byte in a path")
	}
	return 0, true, nil
}

// diffFD is the descriptor of Diff, or -1.
func (i *Inspection) diffFD() (int, error) {
	if text, ok := strings.CutPrefix(i.Diff, "fd:"); ok {
		return getopt.ParseFD(text)
	}
	return -1, nil
}

// Finishes implements stage.Finisher: without a next program, the chain ends.
func (i *Inspection) Finishes() bool { i.ends = true; return true }

// Needs implements stage.Stage.
func (i *Inspection) Needs() stage.Needs {
	n := stage.Needs{First: true, Before: i.show}
	if fd, named, _ := i.outputFD(); !named && fd > 2 {
		n.FDs = []int{fd}
	}
	if fd, _ := i.diffFD(); fd > 2 && !slices.Contains(n.FDs, fd) {
		n.FDs = append(n.FDs, fd)
	}
	return n
}

// Plan implements stage.Stage. Everything is done before anything else: [stage.Needs].
func (i *Inspection) Plan(s *stage.State) error {
	if i.PID != 0 && i.Probe {
		return errors.New("--probe tries what this process may do: it cannot be combined with --pid")
	}
	switch {
	case i.Contents && i.PID == 0:
		return errors.New("--filters is about another process: it needs --pid")
	case i.Contents && len(i.Sections) > 0 && !slices.Contains(i.Sections, "seccomp"):
		return errors.New("--filters is about the section seccomp, which --only leaves out")
	case i.Chain != "" && i.PID == 0:
		return errors.New("--chain is about another process: it needs --pid")
	case i.Chain != "" && (i.JSON || i.Diff != "" || len(i.Sections) > 0 || i.Values):
		return errors.New("--chain prints a shell command: it cannot be combined with --json, --only, --values or --diff")
	}
	return nil
}

// show adds the step that looks and prints.
func (i *Inspection) show(s *stage.State) error {
	text := "show what holds "
	if i.quiet() {
		text = "check what holds "
	}
	if i.PID != 0 {
		text += fmt.Sprintf("for process %d", i.PID)
	} else {
		text += "here"
	}
	if i.Contents {
		text += "; stop it for a moment (PTRACE_SEIZE, PTRACE_INTERRUPT) and read its filters (PTRACE_SECCOMP_GET_FILTER)"
	}
	observes, observed := s.Host.Handover.Observes, s.Host.Handover.Observed
	i.ends = i.ends && !observes
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: text, Do: func(plan.Context) error {
		if observes && observed == 0 {
			return errors.New("the process that is to be shown has ended")
		}
		r, err := i.look(s.Host)
		if err != nil || i.quiet() {
			return err
		}
		if i.Chain == "" {
			return i.write(r, s.Host.Env)
		}
		var b strings.Builder // all of it, before the output is truncated
		if err := i.chain(s, &b); err != nil {
			return err
		}
		return i.writeTo(func(fd int) error {
			_, err := io.WriteString(file{fd}, b.String())
			return err
		})
	}})
	return nil
}

// look reads what is shown and what is asserted, and checks that.
func (i *Inspection) look(h *host.Host) (*Report, error) {
	w := i.What
	switch {
	case i.Chain != "":
		if w.Sections, w.Contents = i.asserted(), false; len(w.Sections) == 0 {
			return nil, nil // the chain is read for itself
		}
	case i.quiet():
		w.Sections = i.asserted()
	case len(w.Sections) > 0:
		w.Sections = append(i.asserted(), w.Sections...)
	}
	for _, a := range i.asserts {
		if a.section == "mounts" {
			w.paths = append(w.paths, a.name)
		}
	}
	r, err := Read(h, w)
	if err != nil {
		return nil, err
	}
	for _, a := range i.asserts {
		if err := a.check(r); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(w.Sections, i.Sections) {
		r.keep(i.Sections)
	}
	return r, nil
}

// quiet reports whether only assertions are checked.
func (i *Inspection) quiet() bool {
	return len(i.asserts) > 0 && !i.JSON && len(i.Sections) == 0 && i.Output == "" && i.Diff == "" && i.Chain == "" && !i.Contents
}

// write prints a report.
func (i *Inspection) write(r *Report, env []string) error {
	changes, err := i.changes(r)
	if err != nil {
		return err
	}
	return i.writeTo(func(fd int) error {
		switch w := (file{fd}); {
		case i.Diff != "":
			return i.writeDiff(w, changes, r)
		case i.JSON:
			return r.writeJSON(w)
		default:
			return r.Text(w, colors(fd, env))
		}
	})
}

// writeTo lets print write to the output.
func (i *Inspection) writeTo(print func(fd int) error) error {
	fd, named, err := i.outputFD()
	what := "standard output"
	switch {
	case err != nil:
		return err
	case named:
		what = "--output " + i.Output
		fd, err = host.Create(i.Output)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		defer unix.Close(fd)
	case i.Output != "":
		what = "--output " + i.Output
	}
	if err := print(fd); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// changes are the differences that --diff asks for.
func (i *Inspection) changes(r *Report) ([]Change, error) {
	if i.Diff == "" {
		return nil, nil
	}
	before, err := readReport(i.Diff)
	if err != nil {
		return nil, fmt.Errorf("--diff %s: %w", i.Diff, err)
	}
	after, err := r.asMap()
	if err != nil {
		return nil, err
	}
	return diff(before, after), nil
}

// A file writes to a descriptor. Package os would start its poller for it.
type file struct{ fd int }

func (f file) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(f.fd, b[done:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLOUT}}, -1)
		case err != nil:
			return done, err
		default:
			done += n
		}
	}
	return done, nil
}

// colors reports whether a descriptor is a terminal that shows colors: no-color.org.
func colors(fd int, env []string) bool {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return false
	}
	for _, v := range env {
		if name, value, _ := strings.Cut(v, "="); name == "NO_COLOR" && value != "" || v == "TERM=dumb" {
			return false
		}
	}
	return true
}
