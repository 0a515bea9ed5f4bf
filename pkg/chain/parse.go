package chain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// A Chain is a sequence of stages, and the program that they isolate.
type Chain struct {
	Links []Link
	// Payload is the program and its arguments. It is empty if the last stage needs
	// none.
	Payload []string
	// Rest is set if the payload is a stage that is executed as a separate program.
	// RestPath is the path of that program; "" means this program's descriptor.
	Rest     bool
	RestPath string
	// Notes are what a program that has compiled the chain reports with --verbose.
	Notes []string
	// takes is set if the program to execute is given when the plan is performed: a
	// [Box].
	takes bool
	// compiled is set if a program has made it of a command line of its own.
	compiled bool
	// ahead are the stages of the payload, if it is a chain, as far as they can be
	// parsed.
	ahead []Link
	// aheadEnds is set if there is no program after them.
	aheadEnds bool
}

// A Link is a stage at its place in a chain.
type Link struct {
	Kind   *stage.Kind
	Stage  stage.Stage
	Common Common
	// words is the command line from the stage's name on, and path is the path of its
	// program.
	words []string
	path  string
	// readArgs reads what --args names; nil refuses it.
	readArgs func(fd int) ([]string, error)
}

// Common are the flags of every stage.
type Common struct {
	Help, Version, Verbose bool
	// Explain is "text", "json", "why", "diff", "diff:" and the name of a file, or "".
	Explain string
	// StatusFD is a descriptor for events; -1 means none.
	StatusFD int
	// Args are descriptors from which flags were read.
	Args []int
	// ForceOrder performs the chain even if its stages are in an order in which it cannot
	// work.
	ForceOrder bool
	// Why executes hk-why, which follows the payload.
	Why bool
	// Own are descriptors that a program with a command line of its own has taken over: a
	// sealed copy of it, which is executed, gets them too.
	Own []int
}

// A UsageError is an error in a command line, and the stage that it concerns.
type UsageError struct {
	Stage string
	Err   error
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Read parses a chain from a command line that starts with the name of its first stage.
// find says which of the following words are stages. It stops at the first request for
// help, for the version, or for something that a stage prints.
func Read(first *stage.Kind, words []string, find *Finder) (*Chain, error) {
	c := &Chain{Links: make([]Link, 0, len(Kinds))}
	kind, path := first, ""
	var fs getopt.Flags
	for {
		l := Link{Kind: kind, Stage: kind.New(), words: words, path: path, readArgs: find.ReadArgs}
		fs.Reset()
		rest, err := l.parse(&fs, words[1:])
		if err == nil {
			err = c.argsTwice(&l)
		}
		if err != nil {
			return nil, &UsageError{kind.Name, err}
		}
		c.Links = append(c.Links, l)
		if l.Common.Help || l.Common.Version || c.Printer() != nil {
			return c, nil
		}
		if len(rest) == 0 {
			if f, ok := l.Stage.(stage.Finisher); ok && f.Finishes() {
				return c, nil
			}
			if find.Payload == "" {
				return nil, &UsageError{kind.Name, fmt.Errorf("nothing to run: see %s --help", kind.Name)}
			}
			c.Payload = []string{find.Payload}
			return c, nil
		}
		next, where := find.Find(rest[0])
		switch {
		case next == nil:
			c.Payload = rest
			return c, nil
		case !find.Fuse:
			c.Payload, c.Rest, c.RestPath = rest, true, where
			fused := *find
			fused.Fuse = true
			if next, err := Read(next, rest, &fused); err == nil {
				c.ahead, c.aheadEnds = next.Links, len(next.Payload) == 0
			}
			return c, nil
		}
		kind, path, words = next, where, rest
	}
}

// Printer is the last stage if it is to print something instead of executing a program,
// or nil.
func (c *Chain) Printer() stage.Printer {
	if p, ok := c.Links[len(c.Links)-1].Stage.(stage.Printer); ok && p.Prints() {
		return p
	}
	return nil
}

// FlagsOf are the flags of a stage and those that all stages have.
func FlagsOf(k *stage.Kind) *getopt.Flags {
	var fs getopt.Flags
	l := Link{Kind: k, Stage: k.New()}
	l.flags(&fs)
	return &fs
}

// flags adds the stage's flags and the common flags.
func (l *Link) flags(fs *getopt.Flags) {
	l.Stage.Flags(fs)
	l.Common.StatusFD = -1
	fs.Bool("help", "h", &l.Common.Help)
	fs.Bool("version", "", &l.Common.Version)
	fs.Bool("verbose", "v", &l.Common.Verbose)
	fs.Optional("explain", "text", l.Common.SetExplain)
	fs.Bool("force-order", "", &l.Common.ForceOrder)
	fs.Bool("why", "", &l.Common.Why)
	l.argsFlag(fs)
	fs.String("status-fd", "", func(v string) error {
		fd, err := getopt.ParseFD(v)
		if err == nil {
			l.Common.StatusFD = fd
		}
		return err
	})
}

// SetExplain parses a value of --explain.
func (c *Common) SetExplain(v string) error {
	if file, ok := strings.CutPrefix(v, "diff:"); ok && file != "" {
		c.Explain = v
		return nil
	}
	if getopt.OneOf(&c.Explain, "text", "json", "why", "diff")(v) != nil {
		return errors.New("not text, json, why, diff or diff:FILE")
	}
	return nil
}

// parse parses the stage's flags. fs is empty.
func (l *Link) parse(fs *getopt.Flags, words []string) ([]string, error) {
	for _, w := range words {
		if strings.ContainsRune(w, 0) {
			return nil, fmt.Errorf("a null byte in an argument")
		}
	}
	l.flags(fs)
	rest, err := fs.Parse(words)
	if err != nil {
		return nil, err
	}
	return rest, nil
}

// Args prints the chain as a command line, which parses to the same chain.
func (c *Chain) Args() []string {
	var words []string
	for i, l := range c.Links {
		words = append(words, l.Kind.Name)
		words = append(words, l.Common.args()...)
		words = append(words, l.Stage.Args()...)
		if i == len(c.Links)-1 && !c.Rest && len(c.Payload) > 0 {
			words = append(words, "--")
		}
	}
	return append(words, c.Payload...)
}

func (c Common) args() []string {
	var a getopt.Args
	a.Bool("help", c.Help)
	a.Bool("version", c.Version)
	a.Bool("verbose", c.Verbose)
	a.Set("explain", c.Explain)
	a.Bool("force-order", c.ForceOrder)
	a.Bool("why", c.Why)
	if c.StatusFD >= 0 {
		a.Set("status-fd", strconv.Itoa(c.StatusFD))
	}
	return a
}

// Settings combines the common flags of the stages: --explain and --why for the whole chain, the
// others for the part of it that is one plan.
func (c *Chain) Settings() Common {
	all := Common{StatusFD: -1}
	for _, l := range c.Links {
		if l.Common.Explain != "" {
			all.Explain = l.Common.Explain
		}
		all.Why = all.Why || l.Common.Why
	}
	links, _, _, _ := c.firstPlan()
	for _, l := range links {
		all.Verbose = all.Verbose || l.Common.Verbose
		if l.Common.StatusFD >= 0 {
			all.StatusFD = l.Common.StatusFD
		}
	}
	return all
}
