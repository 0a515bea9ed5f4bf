package filter

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

var errNoArgument = errors.New("the call has no such argument")

// possible returns an error if a call does not have these arguments, or the conditions
// are never all true, on any architecture of the policy that has the call.
func (p *Policy) possible(name string, conds []Cond) error {
	var why error
	for _, a := range p.Arches {
		if _, ok := a.Number(name); !ok {
			continue
		}
		err := a.possible(name, conds)
		if err == nil {
			return nil
		}
		if why == nil || errors.Is(why, errNoArgument) {
			why = err
		}
	}
	return why
}

// checkConds returns an error if the conditions of a selection are never or always
// true.
func (p *Policy) checkConds(s Selection) error {
	if err := p.possible(s.Name, s.Conds); err != nil {
		return err
	}
	for _, c := range s.Conds {
		if c.Op == MaskedEQ && c.Mask == 0 || c.Op != MaskedEQ && p.possible(s.Name, []Cond{c.not()}) != nil {
			return fmt.Errorf("argument %d: %s is always true", c.Arg, c)
		}
	}
	return nil
}

// not is the opposite of c, which is not masked.
func (c Cond) not() Cond {
	c.Op = [...]Op{EQ: NE, NE: EQ, LT: GE, LE: GT, GT: LE, GE: LT}[c.Op]
	return c
}

func (a *Arch) possible(name string, conds []Cond) error {
	for i, c := range conds {
		arg, ok := a.argument(name, c.Arg)
		if !ok {
			return fmt.Errorf("argument %d: %w", c.Arg, errNoArgument)
		}
		same := func(d Cond) bool { return d.Arg == c.Arg }
		if slices.ContainsFunc(conds[:i], same) {
			continue // seen with the first
		}
		var together []Cond
		for _, d := range conds {
			if same(d) {
				together = append(together, d)
			}
		}
		if err := arg.possible(together); err != nil {
			return fmt.Errorf("argument %d: %w", c.Arg, err)
		}
	}
	return nil
}

// possible returns an error if conditions on the argument are never all true.
func (arg argument) possible(conds []Cond) (err error) {
	for _, w := range arg.ways() {
		cut := []Cond{{Op: MaskedEQ, Mask: w.out}}
		for _, c := range conds {
			cut = append(cut, c.masked(w))
		}
		if err = satisfiable(cut, w.bytes); err == nil {
			return nil
		}
	}
	return err
}

// satisfiable returns an error if there is no number of the given number of bytes for
// which all conditions are true.
func satisfiable(conds []Cond, bytes int) error {
	low, high, mask, value := uint64(0), ones(bytes), uint64(0), uint64(0)
	for _, c := range conds {
		c = c.fit(bytes)
		v := c.Value
		switch {
		case c.Op == MaskedEQ && v&^c.Mask != 0:
			return fmt.Errorf("masked with %#x it is never %#x", c.Mask, v)
		case v > ones(bytes) && (c.Op == EQ || c.Op == GT || c.Op == GE || c.Op == MaskedEQ):
			return fmt.Errorf("the kernel uses %d bits of it, unsigned: it is never that large", 8*bytes)
		case c.Op == LT && v == 0:
			return errors.New("it is unsigned: it is never less than 0")
		}
		switch c.Op {
		case EQ:
			low, high = max(low, v), min(high, v)
		case GE:
			low = max(low, v)
		case GT:
			if v == ones(bytes) {
				return errors.New("it is never more than all ones")
			}
			low = max(low, v+1)
		case LE:
			high = min(high, v)
		case LT:
			high = min(high, v-1)
		case MaskedEQ:
			if value&c.Mask != v&mask {
				return errExclude
			}
			mask, value = mask|c.Mask, value|v
		}
	}
	for n, ok := next(low, mask, value); ok && n <= high; n, ok = next(n+1, mask, value) {
		if !slices.ContainsFunc(conds, func(c Cond) bool { return !c.holds(n, bytes) }) {
			return nil
		}
		if n == ones(8) {
			break
		}
	}
	return errExclude
}

var errExclude = errors.New("its conditions contradict one another")

// next is the lowest number, not below n, that masked is value.
func next(n, mask, value uint64) (uint64, bool) {
	at := n&^mask | value
	if at == n {
		return n, true
	}
	// Above the highest bit in which they differ they are equal.
	top := bits.Len64(at^n) - 1
	below := uint64(1)<<top - 1
	if at > n {
		return at&^below | value&below, true
	}
	// A bit above that one that is free and not set must be set.
	for i := top + 1; i < 64; i++ {
		if bit := uint64(1) << i; (mask|n)&bit == 0 {
			below := bit - 1
			return n&^mask&^below | value | bit, true
		}
	}
	return 0, false
}
