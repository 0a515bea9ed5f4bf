package filter

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func in(list []pattern, n uint64) (times int) {
	for _, p := range list {
		if n&p.mask == p.value {
			times++
		}
	}
	return times
}

func (b box) has(args [6]uint64) bool {
	for i, p := range b {
		if args[i]&p.mask != p.value {
			return false
		}
	}
	return true
}

// TestPatterns checks that a number is in one pattern of a condition if that
// holds, and in one of its opposite if not.
func TestPatterns(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	number := func() uint64 {
		switch r.IntN(3) {
		case 0:
			return values[r.IntN(len(values))] + uint64(r.IntN(3)) - 1
		case 1:
			return uint64(r.IntN(10))
		}
		return r.Uint64() >> r.IntN(64)
	}
	for range 20000 {
		c := Cond{Op: Op(r.IntN(7)), Value: number(), Mask: number()}
		if c.Op == MaskedEQ && r.IntN(4) > 0 {
			c.Value &= c.Mask
		}
		w := []way{{2, 0}, {4, 0}, {8, 0}, {2, 0o170000}, {4, ones(4) &^ 0o777}}[r.IntN(5)]
		for _, n := range []uint64{number(), c.Value, c.Value - 1, c.Value + 1, c.Value ^ c.Mask} {
			n &= w.all()
			want := 0
			if c.masked(w).holds(n, w.bytes) {
				want = 1
			}
			if yes, no := in(c.patterns(w), n), in(c.fails(w), n); yes != want || no != 1-want {
				t.Fatalf("%v, looked at as %+v, %#x: in %d patterns, and in %d of the opposite; want %d", c, w, n, yes, no, want)
			}
		}
	}
}

// TestRegion checks that each call is on the one side of a division or on the
// other, once.
func TestRegion(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	for range 500 {
		rest, conds := everyCall(), []Cond(nil)
		for range 1 + r.IntN(2) {
			for range 1 + r.IntN(2) {
				c := Cond{Arg: r.IntN(2), Op: Op(r.IntN(7)), Value: values[r.IntN(len(values))]}
				if c.Op == MaskedEQ {
					c.Mask = values[r.IntN(len(values))]
					c.Value &= c.Mask
				}
				conds = append(conds, c)
			}
			in, out, ok := rest.split("write", conds)
			if !ok {
				break
			}
			for range 50 {
				var args [6]uint64
				for i := range args {
					args[i] = values[r.IntN(len(values))] + uint64(r.IntN(3)) - 1
					if i == 0 {
						args[i] &= ones(4)
					}
				}
				count := func(list region) (n int) {
					for _, b := range list {
						if b.has(args) {
							n++
						}
					}
					return n
				}
				before, inside, outside := count(rest), count(in), count(out)
				want := before
				for _, c := range conds {
					if !c.holds(args[c.Arg], looked("write", c.Arg).bytes) {
						want = 0
					}
				}
				if inside != want || inside+outside != before {
					t.Fatalf("%v with %#x: in %d of %d boxes, out in %d; want in %d", conds, args, inside, before, outside, want)
				}
			}
			rest, conds = out, nil
		}
	}
}

// TestOverlap compares what is said of two rules with what a division leaves.
func TestOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	conds := func() (list []Cond) {
		for n := range 1 + r.IntN(2) {
			c := Cond{Arg: n, Op: Op(r.IntN(7)), Value: values[r.IntN(len(values))]}
			if c.Op == MaskedEQ {
				c.Mask = values[r.IntN(len(values))]
				c.Value &= c.Mask
			}
			list = append(list, c)
		}
		return list
	}
	yes := 0
	for range 5000 {
		a, b := conds(), conds()
		in, _, ok := everyCall().split("write", slices.Concat(a, b))
		if want := len(in) > 0; ok && overlap("write", a, b) != want {
			t.Fatalf("%v and %v overlap: %v; want %v", a, b, !want, want)
		} else if want {
			yes++
		}
	}
	if yes < 500 || yes > 4500 {
		t.Errorf("%d of 5000 overlap; want 500 to 4500", yes)
	}
}
