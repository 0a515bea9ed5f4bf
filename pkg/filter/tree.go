package filter

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A node is a decision: a return, or a test with a successor for each result. Equal
// nodes are the same node, so the tree is a graph without cycles.
type node struct {
	kind nodeKind
	// ret is the value that a leaf returns.
	ret uint32
	// word is the offset in struct seccomp_data that a test of memory loads, and mask
	// is what it is masked with.
	word, mask uint32
	// jump is BPF_JEQ, BPF_JGT or BPF_JGE; k is the number to compare with.
	jump uint16
	k    uint32
	t, f *node
}

type nodeKind uint8

const (
	leaf nodeKind = iota
	// load loads a word into the accumulator and continues at t.
	load
	// test compares the accumulator, which still contains what load has loaded: only
	// tests come between.
	test
	// fetch is a test that first loads a word.
	fetch
)

const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
	allOnes    = ^uint32(0)
)

// A graph creates nodes, each only once.
type graph struct {
	nodes map[node]*node
}

func (g *graph) intern(n node) *node {
	if n.kind != leaf && n.kind != load && n.t == n.f {
		return n.t
	}
	if at, ok := g.nodes[n]; ok {
		return at
	}
	g.nodes[n] = &n
	return &n
}

func (g *graph) leaf(a Action) *node { return g.intern(node{kind: leaf, ret: uint32(a)}) }

func (g *graph) load(word uint32, then *node) *node {
	return g.intern(node{kind: load, word: word, t: then})
}

func (g *graph) test(jump uint16, k uint32, t, f *node) *node {
	return g.intern(node{kind: test, jump: jump, k: k, t: t, f: f})
}

func (g *graph) fetch(word, mask uint32, jump uint16, k uint32, t, f *node) *node {
	if mask == 0 { // the masked word is 0
		if jump == unix.BPF_JEQ && k == 0 {
			return t
		}
		return f
	}
	return g.intern(node{kind: fetch, word: word, mask: mask, jump: jump, k: k, t: t, f: f})
}

// condition makes the test of a condition, of a rule that denies or of one that does
// not.
func (g *graph) condition(c Cond, a *Arch, name string, denies bool, t, f *node) *node {
	arg, ok := a.argument(name, c.Arg)
	if !ok || arg.kind == unseen {
		if denies {
			return t
		}
		return f
	}
	high := wordOf(arg.low) + 4
	if arg.kind == 'l' {
		high = wordOf(arg.high)
	}
	n := f
	if !denies {
		n = t
	}
	for _, w := range arg.ways() {
		if denies { // any of them
			n = g.compare(c.masked(w), w, wordOf(arg.low), high, t, n)
		} else {
			n = g.compare(c.masked(w), w, wordOf(arg.low), high, n, f)
		}
	}
	return n
}

// wordOf is the offset in struct seccomp_data of the lower half of a register.
func wordOf(register int) uint32 { return uint32(offsetArgs + 8*register) }

// compare makes the test of a condition on an argument that is compared in one way,
// whose halves are at two offsets.
func (g *graph) compare(c Cond, w way, lo, hi uint32, t, f *node) *node {
	wide, bits := w.bytes == 8, uint32(ones(w.bytes)&^w.out)
	if c.Value > ones(w.bytes) { // larger than the argument can be
		if c.Op == NE || c.Op == LT || c.Op == LE {
			return t
		}
		return f
	}
	vlo, vhi := uint32(c.Value), uint32(c.Value>>32)
	// both compares the upper words, if there are any, and continues with the lower
	// ones if they are equal.
	both := func(more, equal, less *node) *node {
		if !wide {
			return equal
		}
		return g.fetch(hi, allOnes, unix.BPF_JEQ, vhi, equal,
			g.fetch(hi, allOnes, unix.BPF_JGT, vhi, more, less))
	}
	low := func(jump uint16, t, f *node) *node { return g.fetch(lo, bits, jump, vlo, t, f) }
	switch c.Op {
	case EQ:
		return both(f, low(unix.BPF_JEQ, t, f), f)
	case NE:
		return both(t, low(unix.BPF_JEQ, f, t), t)
	case GT:
		return both(t, low(unix.BPF_JGT, t, f), f)
	case GE:
		return both(t, low(unix.BPF_JGE, t, f), f)
	case LE:
		return both(f, low(unix.BPF_JGT, f, t), t)
	case LT:
		return both(f, low(unix.BPF_JGE, f, t), t)
	}
	n := g.fetch(lo, uint32(c.Mask)&bits, unix.BPF_JEQ, vlo, t, f)
	if wide {
		n = g.fetch(hi, uint32(c.Mask>>32), unix.BPF_JEQ, vhi, n, f)
	}
	return n
}

// A span is the calls from a number up to the next span.
type span struct {
	from uint32
	node *node
}

// calls makes the decision for one architecture, with the number of the call in the
// accumulator.
func (g *graph) calls(p *Policy, a *Arch) *node {
	none, newer := g.leaf(p.Default), g.leaf(p.Newer)
	byNumber := g.byNumber(p, a, none)
	numbers := make([]uint32, 0, len(byNumber))
	for nr := range byNumber {
		numbers = append(numbers, nr)
	}
	slices.Sort(numbers)
	var spans []span
	add := func(from uint32, n *node) {
		if len(spans) == 0 || spans[len(spans)-1].node != n {
			spans = append(spans, span{from, n})
		}
	}
	newest, any := uint32(0), false
	for _, nr := range numbers {
		if !a.private(nr) {
			newest, any = nr, true
		}
	}
	unnamed := func(nr uint32) *node {
		if any && nr > newest && !a.private(nr) {
			return newer
		}
		return none
	}
	gap := func(from, to uint32) {
		add(from, unnamed(from))
		if a == ARM && from < armPrivate && armPrivate < to {
			add(armPrivate, unnamed(armPrivate))
		}
	}
	next := uint32(0)
	for _, nr := range numbers {
		if nr > next {
			gap(next, nr)
		}
		add(nr, byNumber[nr])
		next = nr + 1
	}
	gap(next, skipped)
	add(skipped, none)
	return g.search(spans)
}

// byNumber is the decision for each call that rules name, by its number; none is the
// decision for a call that no rule matches.
func (g *graph) byNumber(p *Policy, a *Arch, none *node) map[uint32]*node {
	byNumber := make(map[uint32]*node, len(a.table))
	for i := len(p.Rules) - 1; i >= 0; i-- {
		r := p.Rules[i]
		for _, name := range r.Names {
			nr, ok := a.Number(name)
			if !ok {
				continue
			}
			rest := byNumber[nr]
			if rest == nil {
				rest = none
			}
			n := g.leaf(r.Action)
			for j := len(r.Conds) - 1; j >= 0; j-- {
				n = g.condition(r.Conds[j], a, name, r.Action.Denies(), n, rest)
			}
			byNumber[nr] = n
		}
	}
	return byNumber
}

// search is a binary search for the span that contains a number.
func (g *graph) search(spans []span) *node {
	if len(spans) == 1 {
		return spans[0].node
	}
	mid := len(spans) / 2
	return g.test(unix.BPF_JGE, spans[mid].from, g.search(spans[mid:]), g.search(spans[:mid]))
}

// root makes the decision of a policy.
func (g *graph) root(p *Policy) (*node, error) {
	kill := g.leaf(KillProcess)
	native := map[uint32]*node{}
	var order []uint32
	var x32 *node
	for _, a := range p.Arches {
		n := g.calls(p, a)
		if a == X32 {
			x32 = n
			continue
		}
		if native[a.Audit] != nil {
			return nil, fmt.Errorf("architecture %s is named twice", a.Name)
		}
		native[a.Audit] = n
		order = append(order, a.Audit)
	}
	if x32 != nil && native[X86_64.Audit] == nil {
		native[X86_64.Audit] = kill
		order = append(order, X86_64.Audit)
	}
	n := kill
	for i := len(order) - 1; i >= 0; i-- {
		calls := native[order[i]]
		if order[i] == X86_64.Audit {
			if x32 == nil {
				x32 = kill
			}
			// If a tracer has skipped a call, its number is -1, which is not an x32
			// call.
			calls = g.test(unix.BPF_JGE, x32Bit, g.test(unix.BPF_JEQ, skipped, calls, x32), calls)
		}
		n = g.test(unix.BPF_JEQ, order[i], g.load(offsetNr, calls), n)
	}
	return g.load(offsetArch, n), nil
}
