// Package bisect is hk-bisect: it finds out by runs which stages and flags of a chain keep
// its payload from doing what it should, and what added to them would let it.
//
// Each run is performed by a child of this program, with the code of the stages. A chain
// that cannot be performed says nothing about the payload: it counts neither as one that
// behaves nor as one that fails.
package bisect

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/getopt"
)

const (
	name = "hk-bisect"

	// Exit statuses besides 0: a set was found.
	exitNothing = 1
	exitUnknown = 2
	exitFailed  = 125

	usageLine = name + " --allow-unconfined|--keep STAGE,... [flags] [--] CHAIN"
)

// Usage is the text of --help.
const Usage = `hk-bisect --allow-unconfined [flags] [--] CHAIN: what of a chain makes its payload fail

 --allow-unconfined       the payload may run with less of the chain, and without any
 --keep STAGE,...         instead: these stages are never taken away
 --expect STATUS|TEXT     it behaves if it exits so, as 3 or SIGTERM, or if its output
                          has the text (text:3 is one); default 0; all must be true
 --before COMMAND         run by sh(1) before each run, outside of the chain
 --stdin FILE             standard input of each run, - for that of hk-bisect
 --timeout TIME           how long a run may take, such as 5, 500ms; default 60s
 --max-runs N             stop after so many runs; default 200
 --output DIR             write the output of run N to DIR/N
 --no-follow              do not look for what would allow it
 --json                   print the result as JSON
 -v, --verbose            say what each run is, and how it ends
 -h, --help               print the flags and exit
 --version                print the version and exit
The exit status is 0 if something was found, 1 if the payload behaves in the chain, 2 if it
fails without the chain too or it was not found out, and 125 for an error.
See hk-bisect(1).
`

// A request is the command line.
type request struct {
	unconfined, noFollow, json, verbose, help, version bool

	keep          []string
	expect        []expectation
	before, stdin string
	timeout       time.Duration
	maxRuns       int
	output        string
}

// Flags adds the flags to fs.
func Flags(fs *getopt.Flags) { (&request{}).flags(fs) }

func (r *request) flags(fs *getopt.Flags) {
	r.timeout, r.maxRuns = time.Minute, 200
	fs.Bool("allow-unconfined", "", &r.unconfined)
	fs.String("keep", "", func(v string) error {
		for _, s := range getopt.List(v) {
			if chain.ByName(s) == nil {
				return fmt.Errorf("%q is not a stage", s)
			}
			r.keep = append(r.keep, s)
		}
		return nil
	})
	fs.String("expect", "", func(v string) error {
		e, err := parseExpectation(v)
		r.expect = append(r.expect, e)
		return err
	})
	fs.String("before", "", func(v string) error {
		r.before = v
		return nil
	})
	fs.String("stdin", "", func(v string) error {
		if r.stdin = v; v == "" {
			return errors.New("an empty path")
		}
		return nil
	})
	fs.String("timeout", "", func(v string) (err error) {
		r.timeout, err = parseTime(v)
		return err
	})
	fs.String("max-runs", "", func(v string) (err error) {
		if r.maxRuns, err = strconv.Atoi(v); err != nil || r.maxRuns < 2 {
			return errors.New("not a number from 2")
		}
		return nil
	})
	fs.String("output", "", func(v string) error {
		if r.output = v; v == "" {
			return errors.New("an empty path")
		}
		return nil
	})
	fs.Bool("no-follow", "", &r.noFollow)
	fs.Bool("json", "", &r.json)
	fs.Bool("verbose", "v", &r.verbose)
	fs.Bool("help", "h", &r.help)
	fs.Bool("version", "", &r.version)
}

// parseTime reads a time within the bounds of --timeout.
func parseTime(v string) (time.Duration, error) {
	d, err := getopt.ParseTime(v)
	if err != nil || d < time.Millisecond || d > 24*time.Hour {
		return 0, fmt.Errorf("%q is not a time from 1ms to 24h", v)
	}
	return d, nil
}

// Main runs hk-bisect. It does not return. Preconditions: those of [cli.Main].
func Main() {
	switch os.Args[0] {
	case guards:
		cli.MainFront(name, guard)
	case performs:
		cli.MainFront(name, perform)
	case follows:
		cli.MainFront(name, follow)
	}
	cli.MainFront(name, bisect)
}

func bisect(f *cli.Front) int {
	var r request
	var fs getopt.Flags
	r.flags(&fs)
	words, err := fs.Parse(os.Args[1:])
	switch {
	case err != nil:
		return f.Usage(exitFailed, err, usageLine)
	case r.help:
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, Usage)
			return err
		})
	case r.version:
		return f.Version()
	case len(words) == 0:
		return f.Usage(exitFailed, errors.New("no chain"), usageLine)
	}
	if err := r.consent(); err != nil {
		return f.Usage(exitFailed, err, usageLine)
	}
	if r.expect == nil {
		r.expect = []expectation{{status: "exit status 0"}}
	}
	s, err := r.subject(f, words)
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	n, err := newRunner(f, &r)
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	return r.search(f, s, n)
}

// consent is the error for a user who has not said how much of the chain may be taken away.
func (r *request) consent() error {
	switch {
	case r.unconfined && r.keep != nil:
		return errors.New("--allow-unconfined or --keep, not both")
	case !r.unconfined && r.keep == nil:
		return errors.New("the payload runs with parts of the chain taken away: --allow-unconfined says that it may run even without any, --keep STAGE,... which stages remain")
	}
	return nil
}

// kept reports whether a stage is never taken away.
func (r *request) kept(stage string) bool { return slices.Contains(r.keep, stage) }

// search searches, and reports.
func (r *request) search(f *cli.Front, s *subject, n *runner) int {
	h := &hunt{subject: s, runner: n, request: r, known: map[string]*outcome{}}
	rep, err := h.find()
	var ended *interrupted
	switch {
	case errors.As(err, &ended):
		f.Say(name, fmt.Sprintf("%s after %d runs", ended, n.count))
		return 128 + int(ended.signal)
	case err != nil:
		return f.Fail(exitFailed, -1, err)
	}
	print := rep.text
	if r.json {
		print = rep.json
	}
	if code := f.Print(print); code != 0 {
		return code
	}
	return rep.status()
}
