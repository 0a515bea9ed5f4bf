package filter

// A Cond compares an argument, numbered from 0, as an unsigned number, using only the
// bits that the kernel uses on the architecture of the call. If it is not known which
// bits those are, a condition of a rule that denies is true if it is true for any of
// the possibilities, and one of a rule that allows only if it is true for all.
type Cond struct {
	Arg   int
	Op    Op
	Value uint64
	// Mask is for MaskedEQ: the argument and Mask is Value; and for MaskedNE.
	Mask uint64
}

// An Op is a comparison.
type Op uint8

const (
	EQ Op = iota
	NE
	LT
	LE
	GT
	GE
	// MaskedEQ compares only the bits of Mask.
	MaskedEQ
	// MaskedNE is the opposite of MaskedEQ. Only a [Selection] can have it: a policy
	// has a rule for each bit.
	MaskedNE
)

// holds is the meaning of a condition for a number of the given number of bytes, in
// plain Go. The compiler is tested against it.
func (c Cond) holds(n uint64, bytes int) bool {
	c = c.fit(bytes)
	switch c.Op {
	case EQ:
		return n == c.Value
	case NE:
		return n != c.Value
	case LT:
		return n < c.Value
	case LE:
		return n <= c.Value
	case GT:
		return n > c.Value
	case GE:
		return n >= c.Value
	}
	return n&c.Mask == c.Value
}

// fit is the condition for a number of the given number of bytes: if that can be
// negative, and is compared with a negative 64-bit number, these are its own bits.
func (c Cond) fit(bytes int) Cond {
	all := ones(bytes)
	exact := c.Op == EQ || c.Op == NE || c.Op == MaskedEQ && c.Mask|all == ones(8)
	if exact && c.Value|all == ones(8) && c.Value>>(8*bytes-1)&1 == 1 {
		c.Value &= all
		c.Mask &= all
	}
	return c
}

// masked is the condition without what it says about bits that are masked out.
func (c Cond) masked(w way) Cond {
	c = c.fit(w.bytes)
	c.Value &^= w.out
	c.Mask &^= w.out
	return c
}

// decides reports whether a condition is true for a call, in a rule that denies or in
// one that does not.
func (c Cond) decides(a *Arch, name string, args [6]uint64, denies bool) bool {
	arg, ok := a.argument(name, c.Arg)
	if !ok || arg.kind == unseen {
		return denies
	}
	n := args[arg.low]
	if arg.kind == 'l' {
		n = n&ones(4) | args[arg.high]<<32
	}
	for _, w := range arg.ways() {
		if c.masked(w).holds(n&ones(w.bytes)&^w.out, w.bytes) == denies {
			return denies
		}
	}
	return !denies
}
