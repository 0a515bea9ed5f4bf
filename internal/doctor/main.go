// Package doctor is hk-doctor: it says what chains can do on this machine, by trying it in
// processes that end at once, and what prevents the rest.
//
// Each trial performs a chain, with the same code as the stages, whose payload does not
// exist; so a cause is found out, and named, as for an error of that chain.
package doctor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hk/internal/cli"
	"hk/pkg/cause"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/host"
)

const (
	name         = "hk-doctor"
	exitMissing  = 1
	exitFailed   = 125
	exitNotFound = 127
	usageLine    = name + " [--json] [--timeout TIME] [STAGE...], or " + name + " [flags] -- CHAIN"
)

// Usage is the text of --help.
const Usage = `hk-doctor [flags] [STAGE...]    say what works on this machine, for all stages or some
hk-doctor [flags] -- CHAIN      say it of what a chain needs; the chain is not performed

 --json           print JSON
 --facts          print also what was read of the machine
 --timeout TIME   how long one trial may take, such as 5, 500ms; default 10s
 -h, --help       print the flags and exit
 --version        print the version and exit

The exit status is 0 if everything that was asked works, otherwise 1.
`

// A request is the command line.
type request struct {
	help, version, json, facts bool
	timeout                    time.Duration
	stages                     []string
	chain                      []string
}

// Flags binds the flags of hk-doctor(1).
func Flags(fs *getopt.Flags) { (&request{}).flags(fs) }

func (r *request) flags(fs *getopt.Flags) {
	r.timeout = 10 * time.Second
	fs.Bool("json", "", &r.json)
	fs.Bool("facts", "", &r.facts)
	fs.String("timeout", "", func(v string) (err error) {
		r.timeout, err = parseTime(v)
		return err
	})
	fs.Bool("help", "h", &r.help)
	fs.Bool("version", "", &r.version)
}

// Main runs hk-doctor. It does not return. Preconditions: those of [cli.Main].
func Main() {
	switch os.Args[0] {
	case performs:
		cli.MainFront(name, perform)
	case plans:
		cli.MainFront(name, plan)
	case looks:
		cli.MainFront(name, func(f *cli.Front) int { return look(f.Host) })
	case advises:
		cli.MainFront(name, func(f *cli.Front) int { return advise(f.Host, cause.Name(os.Args[1])) })
	case visits:
		cli.MainApart(name, func(*cli.Front) int { return visit(os.Args[1:]) })
	}
	cli.MainApart(name, ask)
}

// parseTime reads a time within the bounds of --timeout.
func parseTime(v string) (time.Duration, error) {
	d, err := getopt.ParseTime(v)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, fmt.Errorf("%q is not a time from 1ms to 1h", v)
	}
	return d, nil
}

func ask(f *cli.Front) int {
	r, err := parse(os.Args[1:])
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
	}
	rep, err := r.answer()
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	print := rep.text
	if r.json {
		print = rep.json
	}
	if code := f.Print(print); code != 0 {
		return code
	}
	if !rep.Works {
		return exitMissing
	}
	return 0
}

// parse parses the command line. What comes after -- is a chain.
func parse(words []string) (*request, error) {
	r := &request{}
	var fs getopt.Flags
	r.flags(&fs)
	if i := slices.Index(words, "--"); i >= 0 {
		r.chain, words = words[i+1:], words[:i]
		if len(r.chain) == 0 {
			return nil, errors.New("which chain? There is nothing after --")
		}
	}
	for len(words) > 0 {
		rest, err := fs.Parse(words)
		if err != nil {
			return nil, err
		}
		if words = rest; len(rest) > 0 {
			r.stages, words = append(r.stages, rest[0]), rest[1:]
		}
	}
	for _, s := range r.stages {
		if chain.ByName(s) == nil {
			return nil, fmt.Errorf("%q is not a stage: they are %s", s, strings.Join(stageNames(), ", "))
		}
	}
	if r.chain != nil && r.stages != nil {
		return nil, errors.New("either stages or a chain, not both")
	}
	if r.chain != nil && chain.ByName(filepath.Base(r.chain[0])) == nil {
		return nil, fmt.Errorf("%q is not a stage: a chain starts with one; hk-run --print prints that of a hk-run", r.chain[0])
	}
	return r, nil
}

func stageNames() (list []string) {
	for _, k := range chain.Kinds {
		list = append(list, k.Name)
	}
	return list
}

// answer finds out what was asked.
func (r *request) answer() (*report, error) {
	n := &nurse{time: r.timeout, dir: "/"}
	rep := &report{Works: true, Trials: []result{}}
	if err := r.directories(n, rep); err != nil {
		return nil, err
	}
	if r.facts || r.json {
		rep.facts(n)
	}
	own := false
	todo := trials
	if r.chain != nil {
		ops, ok := rep.plan(n, r.chain)
		if !ok {
			return rep, nil
		}
		own = !slices.ContainsFunc(ops, func(op string) bool { return strings.Contains(op, "CLONE_NEWUSER") })
		todo = needed(ops)
	}
	for _, t := range todo {
		if r.stages == nil || slices.Contains(r.stages, t.stage) {
			rep.try(n, &t, own, r.chain != nil)
		}
	}
	return rep, nil
}

func needed(ops []string) (list []trial) {
	for _, t := range trials {
		if t.usedBy(ops) {
			list = append(list, t)
		}
	}
	return list
}

// directories finds those that do not answer, and leaves them out of what follows.
func (r *request) directories(n *nurse, rep *report) error {
	path := host.SearchOf(os.Environ()).Path
	dirs := slices.Concat([]string{"/", "/proc", "/sys/fs/cgroup", "/etc", "/run", "/usr", "/dev"}, host.HelperDirs, filepath.SplitList(path))
	if r.chain != nil {
		dirs = append(dirs, ".")
	}
	n.env = os.Environ()
	if r.chain != nil {
		n.dir = ""
	}
	slices.Sort(dirs)
	dirs = slices.Compact(slices.DeleteFunc(dirs, func(d string) bool { return d == "" }))
	silent, err := n.silent(dirs)
	if err != nil {
		return err
	}
	n.dir = "/"
	n.env = environment(n.env, func(dir string) bool { return !slices.Contains(silent, dir) })
	for _, dir := range silent {
		rep.silent(dir, r.timeout)
	}
	return nil
}
