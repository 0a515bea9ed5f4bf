package plan

import "slices"

// A Call is an op as seen by a seccomp filter, as far as that is known before the op is
// performed.
type Call struct {
	Nr   uint32
	Args [6]uint64
	// Known has bit n set if argument n is known. The others are addresses, and results
	// of other ops.
	Known uint8
}

// Call is what a seccomp filter sees of the op.
func (o *Op) Call() Call {
	c := Call{Nr: uint32(o.Number), Known: 1<<6 - 1}
	for i, a := range o.Args {
		switch a.is.(type) {
		case *Result, *Buffer:
			c.Known &^= 1 << i
		default:
			c.Args[i] = a.val
		}
	}
	return c
}

// Executes reports whether the op executes a program.
func (o *Op) Executes() bool { return o.Is(Executes) }

// Clones reports whether the op creates a process, for which the performing process
// then waits.
func (o *Op) Clones() bool { return o.Is(Clones) }

// After lists the ops that come after one: those of the process that performs it, and
// of the processes created by then.
func (p *Plan) After(op *Op) []*Op {
	i := slices.IndexFunc(p.items, func(it Item) bool { return it.Op == op })
	var ops []*Op
	for _, it := range p.items[i+1:] {
		if it.Step == nil {
			ops = append(ops, it.Op)
		}
	}
	return ops
}
