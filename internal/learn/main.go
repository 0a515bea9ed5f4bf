// Package learn is hk-learn: it performs a chain once, records what its payload uses, and
// writes the chain with a Landlock domain and a filter for just that, and what else of the
// chain was not used.
//
// The domain and the filter are added to the chain, and the other changes of it restrict the
// payload too: the chain that is written never allows more than the one that was given.
package learn

import (
	"errors"
	"fmt"
	"io"
	"os"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/getopt"
)

const (
	name       = "hk-learn"
	exitFailed = 125
	usageLine  = name + " --out DIR [--keep KIND,...] [--] CHAIN"
)

// Usage is the text of --help.
const Usage = `hk-learn --out DIR [--] CHAIN: perform a chain, and write what its payload needs

 --out DIR                a directory, which is made, for
                            rules         what hk-landlock is to allow
                            profile.json  what hk-seccomp is to allow
                            used.json     what else was used
                            chain         a script: the chain with all of it
 --keep KIND,...          leave this as it is in the chain: caps, mounts, net or all
 -h, --help               print the flags and exit
 --version                print the version and exit
The payload is restricted by the chain alone, and followed with ptrace(2). What several
runs with the same DIR need is added up. The script also has no capabilities that were
not used, binds in which nothing was changed are read-only, and a network that was not
used is a new one. It says so, and what else was not used, as standard error does.
The exit status is that of the payload, or 125 for an error.
See hk-learn(1).
`

type line struct {
	out           string
	keep          []string
	help, version bool
}

// Flags adds the flags to fs.
func Flags(fs *getopt.Flags) { (&line{}).flags(fs) }

func (l *line) flags(fs *getopt.Flags) {
	fs.String("out", "", func(v string) error {
		if l.out = v; v == "" {
			return errors.New("a directory is needed")
		}
		return nil
	})
	fs.String("keep", "", func(v string) (err error) {
		l.keep, err = parseKeep(v)
		return err
	})
	fs.Bool("help", "h", &l.help)
	fs.Bool("version", "", &l.version)
}

// Main runs hk-learn. It does not return. Preconditions: those of [cli.Main].
func Main() { cli.MainFront(name, run) }

func run(f *cli.Front) int {
	var l line
	var fs getopt.Flags
	l.flags(&fs)
	words, err := fs.Parse(os.Args[1:])
	switch {
	case err != nil:
		return f.Usage(exitFailed, err, usageLine)
	case l.help:
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, Usage)
			return err
		})
	case l.version:
		return f.Version()
	case l.out == "":
		return f.Usage(exitFailed, errors.New("--out is needed: a directory for what is learned"), usageLine)
	case len(words) == 0:
		return f.Usage(exitFailed, errors.New("no chain"), usageLine)
	}
	find := f.Finder(true)
	c, err := read(find, words)
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	s, err := newSession(f, find, c, l.out)
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	s.keep = l.keep
	return s.perform()
}

// read parses the words of a chain that can be followed.
func read(find *chain.Finder, words []string) (*chain.Chain, error) {
	c, err := cli.ReadChain(find, words)
	if err != nil {
		return nil, err
	}
	if c.Settings().Explain != "" {
		return nil, errors.New("--explain is to print something and executes nothing")
	}
	for _, l := range c.Links {
		if l.Stage.Needs().Attach != nil || l.Common.Why {
			return nil, fmt.Errorf("%s traces the payload, and a process has only one tracer: take --learn, --why or hk-limit --report-proc away", l.Kind.Name)
		}
	}
	if !c.OnePlan() {
		return nil, errors.New("the chain needs a second plan, from one of its stages on: only one can be followed")
	}
	return c, nil
}
