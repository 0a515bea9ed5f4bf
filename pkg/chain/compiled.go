package chain

import (
	"cmp"
	"path/filepath"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// Compiled returns a chain that a program has made of a command line of its own, words,
// which it is given again if it has to execute itself. The payload is executed by it as
// by a stage's program.
func Compiled(words []string, common Common, stages []stage.Stage, payload []string) *Chain {
	c := New(stages...)
	c.takes, c.compiled, c.Payload = false, true, payload
	c.Links[0].Common, c.Links[0].words = common, words
	return c
}

// Check refuses settings that cannot be expressed as flags of the stages.
func (c *Chain) Check() error { return c.checkSettings() }

// Apart makes a plan that executes the chain as it is printed, by the program of its
// first stage. If find does not find that program, it is looked up in the directory of
// this one, which becomes the first in PATH. If it is to be quiet, the stages write no
// warnings.
func (c *Chain) Apart(h *host.Host, find *Finder, quiet bool) (*stage.State, error) {
	t, err := c.apart(h, find, quiet)
	if err != nil {
		return nil, err
	}
	return t.State, nil
}

func (c *Chain) apart(h *host.Host, find *Finder, quiet bool) (*translator, error) {
	s := stage.NewState(h)
	s.Name = c.Links[0].Kind.Name
	t := &translator{State: s, payload: c.Args()}
	var kind *stage.Kind
	kind, t.path = find.Find(s.Name)
	if err := t.begin(nil); err != nil {
		return nil, err
	}
	if kind == nil {
		t.path = filepath.Join(find.Dir, s.Name)
		t.Env.Set(plan.Var{Name: "PATH", Value: find.Dir + ":" + cmp.Or(find.Path, "/bin:/usr/bin")})
	}
	if quiet {
		name, value, _ := strings.Cut(host.Handover{Quiet: true}.Variable(), "=")
		t.Env.Set(plan.Var{Name: name, Value: value})
	}
	if err := t.exec(); err != nil {
		return nil, err
	}
	if err := s.Complete(); err != nil {
		return nil, &UsageError{s.Name, err}
	}
	return t, nil
}
