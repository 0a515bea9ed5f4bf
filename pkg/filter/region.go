package filter

import (
	"math/bits"
	"slices"
)

// A pattern is the set of numbers that have certain bits: n&mask == value.
type pattern struct{ mask, value uint64 }

// and is the intersection of both. ok is false if it is empty.
func (p pattern) and(q pattern) (both pattern, ok bool) {
	return pattern{p.mask | q.mask, p.value | q.value}, (p.value^q.value)&p.mask&q.mask == 0
}

// blocks are the numbers from first to last as patterns: each is an aligned block whose
// size is a power of two. all are the lowest bits, which are used.
func blocks(first, last, all uint64) []pattern {
	var list []pattern
	for {
		free := min(bits.TrailingZeros64(first), bits.Len64(all))
		for free > 0 && last-first < uint64(1)<<free-1 {
			free--
		}
		block := uint64(1)<<free - 1
		list = append(list, pattern{all &^ block, first})
		if first+block >= last {
			return list
		}
		first += block + 1
	}
}

// patterns are the numbers for which a condition is true, for an argument that is
// compared in one way: its upper bits may be masked out.
func (c Cond) patterns(w way) []pattern {
	c = c.masked(w)
	all, v := w.all(), c.Value
	switch {
	case c.Op == MaskedEQ && (c.Value&^c.Mask != 0 || c.Value&^all != 0):
		return nil
	case c.Op == MaskedEQ:
		return []pattern{{c.Mask & all, c.Value}}
	case v > all: // everything is below it
		if c.Op == LT || c.Op == LE || c.Op == NE {
			return []pattern{{}}
		}
		return nil
	}
	var list []pattern
	if v > 0 && (c.Op == LT || c.Op == LE || c.Op == NE) {
		list = blocks(0, v-1, all)
	}
	if c.Op == EQ || c.Op == LE || c.Op == GE {
		list = append(list, pattern{all, v})
	}
	if v < all && (c.Op == GT || c.Op == GE || c.Op == NE) {
		list = append(list, blocks(v+1, all, all)...)
	}
	return list
}

// fails are the numbers for which a condition is not true.
func (c Cond) fails(w way) []pattern {
	if c.Op != MaskedEQ {
		return c.not().patterns(w)
	}
	if c.patterns(w) == nil {
		return []pattern{{}}
	}
	// One of the bits differs: the highest one, or not that one but the next, and so
	// on.
	var list []pattern
	var above pattern
	for mask := c.Mask & w.all(); mask != 0; {
		bit := uint64(1) << (bits.Len64(mask) - 1)
		list = append(list, pattern{above.mask | bit, above.value | bit&^c.Value})
		above = pattern{above.mask | bit, above.value | bit&c.Value}
		mask &^= bit
	}
	return list
}

// all are the bits that are used.
func (w way) all() uint64 { return ones(w.bytes) &^ w.out }

// A box is a set of calls: a pattern for each argument.
type box [6]pattern

// and is the set of calls of the box whose argument n has the pattern.
func (b box) and(n int, p pattern) (box, bool) {
	both, ok := b[n].and(p)
	b[n] = both
	return b, ok
}

// maxBoxes is the number of boxes after which a region is abandoned.
const maxBoxes = 2048

// A region is a set of calls of one name. Boxes do not overlap.
type region []box

// split divides a region into the calls for which all conditions are true, and the
// others. ok is false if that takes too many boxes.
func (r region) split(name string, conds []Cond) (in, out region, ok bool) {
	in = r
	for _, c := range conds {
		w := looked(name, c.Arg)
		out = append(out, in.where(c.Arg, c.fails(w))...)
		if in = in.where(c.Arg, c.patterns(w)); len(in)+len(out) > maxBoxes {
			return nil, nil, false
		}
	}
	return in, out, true
}

// without is the second part of split.
func (r region) without(name string, conds []Cond) (out region, ok bool) {
	if len(conds) == 0 {
		return nil, true
	}
	last := conds[len(conds)-1]
	in, out, ok := r.split(name, conds[:len(conds)-1])
	out = append(out, in.where(last.Arg, last.fails(looked(name, last.Arg)))...)
	return out, ok && len(out) <= maxBoxes
}

// where is the part in which an argument has one of the patterns.
func (r region) where(arg int, patterns []pattern) (part region) {
	for _, b := range r {
		for _, p := range patterns {
			if both, some := b.and(arg, p); some {
				part = append(part, both)
			}
		}
	}
	return part
}

// everyCall contains all calls.
func everyCall() region { return region{box{}} }

// overlap reports whether there are calls for which all conditions of both are true.
func overlap(name string, a, b []Cond) bool {
	for n := range 6 {
		w := looked(name, n)
		var both []Cond
		for _, c := range slices.Concat(a, b) {
			if c.Arg == n {
				both = append(both, c.masked(w))
			}
		}
		if len(both) > 0 && satisfiable(append(both, Cond{Op: MaskedEQ, Mask: w.out}), w.bytes) != nil {
			return false
		}
	}
	return true
}

// looked is how the kernel uses an argument, on 64-bit machines if the call exists
// there; bits that are not known, or not the same everywhere, are included.
func looked(name string, arg int) way {
	for _, a := range []*Arch{X86_64, AArch64, X86, ARM} {
		found, ok := a.argument(name, arg)
		if _, has := a.Number(name); !has || !ok {
			continue
		}
		all := way{bytes: 1}
		for _, w := range found.ways() {
			all.bytes = max(all.bytes, w.bytes)
			if found.kind != 'v' { // a bit in the middle
				all.out |= w.out
			}
		}
		if found.kind != unseen {
			return all
		}
	}
	return way{bytes: 8}
}
