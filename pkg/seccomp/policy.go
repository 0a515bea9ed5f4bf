// Package seccomp compiles policies to filters of system calls: seccomp(2).
//
// A [Policy] is a list of rules, of which the first that matches says what
// happens. [Compile] makes classic BPF of it: a binary search over the system
// call numbers of each architecture, then the tests of arguments. Profiles of
// the Open Container Initiative are read by [ReadProfile].
package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// An Action is what the kernel does with a call, with its data: SECCOMP_RET_*
// of seccomp(2).
type Action uint32

// Errno fails the call with an errno.
func Errno(e unix.Errno) Action { return Action(unix.SECCOMP_RET_ERRNO | uint32(e)&0xffff) }

const (
	Allow       = Action(unix.SECCOMP_RET_ALLOW)
	Log         = Action(unix.SECCOMP_RET_LOG)
	Trap        = Action(unix.SECCOMP_RET_TRAP)
	Trace       = Action(unix.SECCOMP_RET_TRACE)
	KillThread  = Action(unix.SECCOMP_RET_KILL_THREAD)
	KillProcess = Action(unix.SECCOMP_RET_KILL_PROCESS)
)

func (a Action) String() string {
	data := uint32(a) & 0xffff
	switch a &^ 0xffff {
	case Allow:
		return "allow"
	case Log:
		return "log"
	case Trap:
		return fmt.Sprintf("trap(%d)", data)
	case Trace:
		return fmt.Sprintf("trace(%d)", data)
	case KillThread:
		return "kill-thread"
	case KillProcess:
		return "kill-process"
	}
	if a&^unix.SECCOMP_RET_DATA != errnoAction { // of which the kernel makes kill-process, or notifies
		return fmt.Sprintf("action(%#x)", uint32(a))
	}
	return "errno(" + errnoText(unix.Errno(data)) + ")"
}

// denies reports whether the action keeps a call from being made.
func (a Action) denies() bool { return a != Allow && a != Log }

// A Policy says what happens with each call.
type Policy struct {
	// Default is for calls that no rule matches.
	Default Action
	// Newer is for calls whose number is above all that the policy names on
	// their architecture, ARM's private ones aside: they are newer than the
	// policy. Programs take ENOSYS for that, and fall back.
	Newer Action
	// Arches are the architectures whose calls are looked at. A call by
	// another kills the process.
	Arches []*Arch
	Rules  []Rule
	// Flags are SECCOMP_FILTER_FLAG_* of seccomp(2), with which to load the filter.
	Flags uint64
}

// A Rule is an action for the named calls, if all conditions hold.
type Rule struct {
	Names  []string
	Action Action
	Conds  []Cond
	// Origin is what the rule was made of.
	Origin Origin
}

// An Origin is where a rule was written: the entry of a profile, from 1 on, or
// below 0 the flag of hk-seccomp(1). The zero value is that of a rule that
// nobody has written.
type Origin int

// A Cond compares an argument, numbered from 0, as an unsigned number, and of it
// the bits that the kernel looks at: see takes. Where it is not known what those
// are, a condition of a rule that denies holds if it does for what they can be, and
// one of a rule that allows only if it does for all.
type Cond struct {
	Arg   int
	Op    Op
	Value uint64
	// Mask is for MaskedEQ: the argument and Mask is Value.
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
	MaskedEQ
)

// holds is the meaning of a condition for a number of so many bytes, in plain Go.
// The compiler is tested against it.
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

// fit is the condition for a number of so many bytes: if that can be negative and
// is compared with a negative number, in 64 bits, these are its own bits.
func (c Cond) fit(bytes int) Cond {
	all := ones(bytes)
	exact := c.Op == EQ || c.Op == NE || c.Op == MaskedEQ && c.Mask|all == ones(8)
	if exact && c.Value|all == ones(8) && c.Value>>(8*bytes-1)&1 == 1 {
		c.Value &= all
		c.Mask &= all
	}
	return c
}

// cut is the condition without what it says of bits that are masked out.
func (c Cond) cut(w way) Cond {
	c = c.fit(w.bytes)
	c.Value &^= w.out
	c.Mask &^= w.out
	return c
}

// decides reports whether a condition holds for a call, in a rule that denies or in
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
		if c.cut(w).holds(n&ones(w.bytes)&^w.out, w.bytes) == denies {
			return denies
		}
	}
	return !denies
}

// Evaluate is the meaning of a policy, in plain Go: what happens with a call of
// an architecture by its AUDIT_ARCH value.
func (p *Policy) Evaluate(audit uint32, nr uint32, args [6]uint64) Action {
	arch := p.arch(audit, nr)
	if arch == nil {
		return KillProcess
	}
	for _, r := range p.Rules {
	name:
		for _, name := range r.Names {
			if n, ok := arch.Number(name); !ok || n != nr {
				continue
			}
			for _, c := range r.Conds {
				if !c.decides(arch, name, args, r.Action.denies()) {
					continue name
				}
			}
			return r.Action
		}
	}
	return p.unnamed(arch, nr)
}

// unnamed is what happens with a call that no rule fits.
func (p *Policy) unnamed(arch *Arch, nr uint32) Action {
	if newest, ok := p.newest(arch); ok && nr > newest && nr != skipped && !arch.private(nr) {
		return p.Newer
	}
	return p.Default
}

// newest is the highest number of an architecture that the policy names. ok is
// false if it names none.
func (p *Policy) newest(arch *Arch) (newest uint32, ok bool) {
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if n, has := arch.Number(name); has && !arch.private(n) {
				newest, ok = max(newest, n), true
			}
		}
	}
	return newest, ok
}

// skipped is the number of a call that a tracer has skipped.
const skipped = ^uint32(0)

func (p *Policy) arch(audit, nr uint32) *Arch {
	x32 := audit == X86_64.Audit && nr >= x32Bit && nr != skipped
	for _, a := range p.Arches {
		if a.Audit == audit && (a == X32) == x32 {
			return a
		}
	}
	return nil
}
