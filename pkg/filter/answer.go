package filter

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A Call is a system call of which some arguments may not be known.
type Call struct {
	Nr   uint32
	Args [6]uint64
	// Known are the known arguments, as bits: 1 is the first.
	Known uint8
}

// An Answer is a possible result of a filter for a call, and the index of the
// instruction that returns it.
type Answer struct {
	Action Action
	PC     int
}

// maxSteps is the number of instructions after which the search in a filter that
// branches on unknown values is abandoned.
const maxSteps = 1 << 16

// Answers lists the possible results of a filter that [Check] accepts, for a call of an
// architecture given by its AUDIT_ARCH value. all is false if there may be more.
func Answers(code []unix.SockFilter, audit uint32, c Call) (list []Answer, all bool) {
	w := walk{code: code, audit: audit, call: c, most: maxSteps}
	all = w.from(0, registers{})
	return w.list, all
}

// A walk follows a filter through all branches that a call can take.
type walk struct {
	code  []unix.SockFilter
	audit uint32
	call  Call
	steps int
	// most is how many steps there may be.
	most int
	list []Answer
}

// A value is a 32-bit word that may not be known.
type value struct {
	n     uint32
	known bool
}

type registers struct {
	a, x   value
	memory [memWords]value
}

// from follows the filter from an instruction on. It reports whether all answers are
// known.
func (w *walk) from(pc int, r registers) bool {
	for ; ; pc++ {
		if w.steps++; w.steps > w.most {
			return false
		}
		i := w.code[pc]
		operand := value{i.K, true}
		if i.Code&unix.BPF_X != 0 {
			operand = r.x
		}
		switch i.Code & 0x07 {
		case unix.BPF_LD:
			r.a = w.load(i, &r)
		case unix.BPF_LDX:
			r.x = w.load(i, &r)
		case unix.BPF_ST:
			r.memory[i.K] = r.a
		case unix.BPF_STX:
			r.memory[i.K] = r.x
		case unix.BPF_ALU:
			if i.Code == unix.BPF_ALU|unix.BPF_DIV|unix.BPF_X && (operand.n == 0 || !operand.known) {
				// A division by 0 ends the filter, with 0.
				if w.list = append(w.list, Answer{KillThread, pc}); operand.known {
					return true
				}
			}
			r.a = compute(i.Code&0xf0, r.a, operand)
		case unix.BPF_MISC:
			if i.Code == unix.BPF_MISC|unix.BPF_TAX {
				r.x = r.a
			} else {
				r.a = r.x
			}
		case unix.BPF_RET:
			answer := value{i.K, true}
			if i.Code == unix.BPF_RET|unix.BPF_A {
				answer = r.a
			}
			w.list = append(w.list, Answer{Action(answer.n), pc})
			return answer.known
		case unix.BPF_JMP:
			switch yes, known := taken(i.Code&0xf0, r.a, operand); {
			case i.Code == unix.BPF_JMP|unix.BPF_JA:
				pc += int(i.K)
			case !known:
				if i.Jt != i.Jf && !w.from(pc+1+int(i.Jt), r) {
					return false
				}
				pc += int(i.Jf)
			case yes:
				pc += int(i.Jt)
			default:
				pc += int(i.Jf)
			}
		}
	}
}

// load is the value loaded by BPF_LD and BPF_LDX.
func (w *walk) load(i unix.SockFilter, r *registers) value {
	switch i.Code & 0xe0 {
	case unix.BPF_MEM:
		return r.memory[i.K]
	case unix.BPF_LEN:
		return value{seccompData, true}
	case unix.BPF_IMM:
		return value{i.K, true}
	}
	switch k := i.K; {
	case k == offsetNr:
		return value{w.call.Nr, true}
	case k == offsetArch:
		return value{w.audit, true}
	case k < offsetArgs: // where the call is made from
		return value{}
	default:
		arg := (k - offsetArgs) / 8
		return value{uint32(w.call.Args[arg] >> (8 * (k % 8))), w.call.Known>>arg&1 != 0}
	}
}

// compute is the result of BPF_ALU. The result of a shift by 32 or more depends on the
// machine.
func compute(op uint16, a, b value) value {
	known := a.known && b.known
	switch op {
	case unix.BPF_ADD:
		return value{a.n + b.n, known}
	case unix.BPF_SUB:
		return value{a.n - b.n, known}
	case unix.BPF_MUL:
		return value{a.n * b.n, known}
	case unix.BPF_DIV:
		if b.n == 0 {
			return value{}
		}
		return value{a.n / b.n, known}
	case unix.BPF_OR:
		return value{a.n | b.n, known}
	case unix.BPF_AND:
		return value{a.n & b.n, known || b.known && b.n == 0}
	case unix.BPF_XOR:
		return value{a.n ^ b.n, known}
	case unix.BPF_LSH:
		return value{a.n << (b.n & 31), known && b.n < 32}
	case unix.BPF_RSH:
		return value{a.n >> (b.n & 31), known && b.n < 32}
	case unix.BPF_NEG:
		return value{-a.n, a.known}
	}
	return value{}
}

// taken reports whether a conditional jump is taken.
func taken(op uint16, a, b value) (yes, known bool) {
	known = a.known && b.known
	switch op {
	case unix.BPF_JEQ:
		return a.n == b.n, known
	case unix.BPF_JGT:
		return a.n > b.n, known
	case unix.BPF_JGE:
		return a.n >= b.n, known
	}
	return a.n&b.n != 0, known || b.known && b.n == 0
}

// Denier is the first rule that denies a call, or may deny it, on the first
// architecture of the policy; or nil.
func (p *Policy) Denier(c Call) *Rule {
	native := p.Arches[0]
	for i, r := range p.Rules {
		for _, name := range r.Names {
			if nr, ok := native.Number(name); ok && nr == c.Nr && r.Action.Denies() && r.may(native, name, c) {
				return &p.Rules[i]
			}
		}
	}
	return nil
}

// may reports whether the conditions can be true.
func (r Rule) may(a *Arch, name string, c Call) bool {
	return !slices.ContainsFunc(r.Conds, func(cond Cond) bool {
		return c.Known>>cond.Arg&1 != 0 && !cond.decides(a, name, c.Args, true)
	})
}

// LooksAtArch reports whether a filter loads the architecture of a call. If it does
// not, calls of another architecture can bypass it, because their numbers mean other
// calls.
func LooksAtArch(code []unix.SockFilter) bool {
	return slices.ContainsFunc(code, func(i unix.SockFilter) bool {
		return i.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS && i.K == offsetArch
	})
}

// Feigns finds an instruction by which a call seems to succeed that was not made:
// SECCOMP_RET_ERRNO with 0.
func Feigns(code []unix.SockFilter) (pc int, ok bool) {
	pc = slices.IndexFunc(code, func(i unix.SockFilter) bool {
		return i.Code == unix.BPF_RET|unix.BPF_K && Action(i.K) == Errno(0)
	})
	return pc, pc >= 0
}

// Notifies finds an instruction that returns SECCOMP_RET_USER_NOTIF, which needs a
// listener.
func Notifies(code []unix.SockFilter) (pc int, ok bool) {
	pc = slices.IndexFunc(code, func(i unix.SockFilter) bool {
		return i.Code == unix.BPF_RET|unix.BPF_K && i.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF
	})
	return pc, pc >= 0
}
