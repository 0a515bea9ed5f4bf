package chain

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// A Part is what one program of a chain does: the stages of one plan, in the state that
// the programs before it have made.
type Part struct {
	State *stage.State
	// Depth is how many of the programs before it create a process, in which it runs then.
	Depth int
	// Unknown are sentences about what is known only where the program runs.
	Unknown []string
}

// An UnknownError is why a part cannot be planned before the program runs.
type UnknownError struct{ Stage, What string }

func (e *UnknownError) Error() string { return e.What }

// Parts plans all programs of a chain that was read to be fused: those that execute one
// another if it is fused, or otherwise one for each stage. It changes nothing. The state
// that a program finds is derived from the plans of those before it, and not looked up.
//
// The parts before an error are returned with it: an [UnknownError], or that of a stage that
// cannot be performed there.
func (c *Chain) Parts(h *host.Host, fuse bool) ([]Part, error) {
	return partsFrom(nil, c.explained(), fusing(h, fuse), fuse, unknownsOf(h))
}

// PartsApart is Parts for a chain that a program has compiled, as that executes it with
// HK_FUSE=0.
func (c *Chain) PartsApart(h *host.Host, find *Finder, quiet bool) ([]Part, error) {
	plain := *c
	plain.Links = slices.Clone(c.Links)
	for i := range plain.Links {
		plain.Links[i].Common.Explain = ""
	}
	t, err := plain.apart(fusing(h, false), find, quiet)
	if err != nil {
		return nil, err
	}
	list := []Part{{State: t.State}}
	u := unknownsOf(h)
	next := t.after(u)
	kind, _ := find.Find(t.Name)
	if kind == nil {
		kind = ByName(t.Name)
	}
	fused := &Finder{Dir: find.Dir, Path: next.Search().Path, Fuse: true, ReadArgs: find.ReadArgs}
	read, err := Read(kind, plain.Args(), fused)
	if err != nil {
		return list, err
	}
	return partsFrom(list, read.explained(), next, false, u)
}

// fusing is the host with HK_FUSE in the environment, on both sides of a comparison.
func fusing(h *host.Host, fuse bool) *host.Host {
	d := *h
	d.Env = slices.DeleteFunc(slices.Clone(h.Env), func(v string) bool { return strings.HasPrefix(v, "HK_FUSE=") })
	if fuse {
		d.Env = append(d.Env, "HK_FUSE=1")
	} else {
		d.Env = append(d.Env, "HK_FUSE=0")
	}
	return &d
}

// Compiled reports whether a program has made the chain of a command line of its own.
func (c *Chain) Compiled() bool { return c.compiled }

// explained is the chain without the words of --explain, and to be explained: in the plan of
// one that is performed, what comes after a sealed copy of the program is not.
func (c *Chain) explained() *Chain {
	e := *c
	e.Links = slices.Clone(c.Links)
	words := slices.Clone(c.Payload)
	for i := len(c.Links) - 1; i >= 0; i-- {
		e.Links[i].Common.Explain = "text"
		if c.compiled {
			continue
		}
		after := len(c.Payload)
		if i+1 < len(c.Links) {
			after = len(c.Links[i+1].words)
		}
		own := c.Links[i].words
		words = append(withoutExplain(own[:len(own)-after]), words...)
		e.Links[i].words = words
	}
	return &e
}

// withoutExplain are the words without the flag.
func withoutExplain(words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		return w == "--explain" || strings.HasPrefix(w, "--explain=")
	})
}

// partsFrom plans the programs of a chain after those in a list.
func partsFrom(list []Part, c *Chain, h *host.Host, fuse bool, u *unknowns) ([]Part, error) {
	for rest := c.Links; len(rest) > 0; {
		part := c.from(rest, fuse)
		links, _, _, _ := part.firstPlan()
		if len(list) > 0 {
			if err := unknownAfter(list[len(list)-1].State, links[0]); err != nil {
				return list, err
			}
		}
		u.said = nil
		t, err := part.plan(h)
		if errors.Is(err, errUnknown) {
			err = &UnknownError{links[0].Kind.Name, strings.Join(u.said, "; ")}
		}
		if err != nil {
			return list, err
		}
		p := Part{State: t.State, Unknown: u.said}
		if n := len(list); n > 0 {
			p.Depth = list[n-1].Depth + list[n-1].clones()
		}
		list, rest, h = append(list, p), rest[len(links):], t.after(u)
	}
	return list, nil
}

func (p *Part) clones() int {
	if p.State.Plan.Cloned() {
		return 1
	}
	return 0
}

// from is the chain from some of its links on, as the program of the first one reads it.
func (c *Chain) from(links []Link, fuse bool) *Chain {
	part := *c
	if part.Links = links; !fuse && len(links) > 1 {
		next := links[1]
		part.Links, part.Payload, part.Rest, part.RestPath = links[:1], next.words, true, next.path
		part.ahead, part.aheadEnds = links[1:], len(c.Payload) == 0
	}
	return &part
}

// unknownAfter is why it is not known what a stage finds after a plan, or nil.
func unknownAfter(s *stage.State, l Link) error {
	switch n := l.Stage.Needs(); {
	case n.First:
		return &UnknownError{l.Kind.Name, "it prints what it finds where it runs"}
	case s.NS.Joined != 0:
		return &UnknownError{l.Kind.Name, "it runs in namespaces that an earlier stage joins, about which nothing is known before"}
	case n.Root && (s.Root.New || s.Root.Mounts):
		return &UnknownError{l.Kind.Name, "its paths are looked up in the root that an earlier stage makes"}
	}
	return nil
}

// Explain lists the items of the plan, with the processes of the whole chain: child is what
// the first program that creates a process has created, child2 the next one. A number that
// is known only where the program runs is printed as ?.
func (p *Part) Explain() []plan.Explained {
	list := p.State.Plan.Explain()
	for i := range list {
		e := &list[i]
		who, depth := e.Process, p.Depth
		switch {
		case who == plan.Caller.String() && depth > 0:
			who = plan.Child.String()
		case who == plan.Child.String():
			depth++
		case who != plan.Caller.String() && depth > 0:
			depth++
		}
		if e.Process = who; depth > 1 {
			e.Process += strconv.Itoa(depth)
		}
		e.Op = strings.ReplaceAll(e.Op, strconv.Itoa(someNumber), "?")
	}
	return list
}
