package filter

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// MaxInstructions is the maximum length of a filter: the kernel's BPF_MAXINSNS.
const MaxInstructions = 4096

// Compile compiles a policy to a filter, for little-endian machines.
func Compile(p *Policy) ([]unix.SockFilter, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	g := &graph{nodes: make(map[node]*node, 1024)}
	root, err := g.root(p)
	if err != nil {
		return nil, err
	}
	a := assembler{at: map[*node]int{}, jumps: map[int]int{}}
	a.emit(root)
	if len(a.code) > MaxInstructions {
		return nil, tooLong(len(a.code))
	}
	slices.Reverse(a.code)
	return a.code, nil
}

// Check returns an error if a rule that denies matches no call: there is no call of
// this name, it has no such argument, or the conditions contradict one another. It is
// also an error if there is no architecture.
func (p *Policy) Check() error {
	if len(p.Arches) == 0 {
		return errors.New("a policy without an architecture")
	}
	for _, r := range p.Rules {
		for _, c := range r.Conds {
			if c.Op > MaskedEQ {
				return fmt.Errorf("a comparison that there is not: %d", c.Op)
			}
		}
		for _, name := range r.Names {
			if r.Action.Denies() && !exists(name) {
				return fmt.Errorf("there is no system call %q to deny", name)
			}
			if err := p.possible(name, r.Conds); err != nil && (r.Action.Denies() || errors.Is(err, errNoArgument)) {
				err = fmt.Errorf("%s: %w", Selection{name, r.Conds}, err)
				if r.Origin > 0 {
					err = fmt.Errorf("syscalls[%d]: %w", r.Origin-1, err)
				}
				return err
			}
		}
	}
	return nil
}

// An assembler writes code from its end to its start: the target of a jump is written
// before the jump. Positions count from the end.
type assembler struct {
	code []unix.SockFilter
	at   map[*node]int
	// jumps are the latest long jumps, by their targets.
	jumps map[int]int
}

// emit writes the code of a node and returns its position.
func (a *assembler) emit(n *node) int {
	if pos, ok := a.at[n]; ok {
		return pos
	}
	switch n.kind {
	case leaf:
		a.put(unix.BPF_RET|unix.BPF_K, n.ret, 0, 0)
	case load:
		then := a.emit(n.t)
		a.fall(then)
		a.put(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, n.word, 0, 0)
	case test, fetch:
		f := a.emit(n.f)
		t := a.emit(n.t)
		// A long jump for one target moves the other one further away by one.
		f = a.near(n.f, f, 1)
		t = a.near(n.t, t, 0)
		here := len(a.code)
		a.put(unix.BPF_JMP|unix.BPF_K|n.jump, n.k, uint8(here-1-t), uint8(here-1-f))
		if n.kind == fetch {
			if n.mask != allOnes {
				a.put(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, n.mask, 0, 0)
			}
			a.put(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, n.word, 0, 0)
		}
	}
	a.at[n] = len(a.code) - 1
	return a.at[n]
}

func (a *assembler) put(code uint16, k uint32, jt, jf uint8) {
	a.code = append(a.code, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

// fall makes the next instruction fall through to a position.
func (a *assembler) fall(to int) {
	if to != len(a.code)-1 {
		a.put(unix.BPF_JMP|unix.BPF_JA, uint32(len(a.code)-1-to), 0, 0)
	}
}

// near returns a position that leads to n and that a conditional jump can reach, if it
// is written after the given number of further instructions.
func (a *assembler) near(n *node, pos, more int) int {
	if len(a.code)+more-1-pos <= 255 {
		return pos
	}
	if n.kind == leaf { // a second return is as short as a jump to one
		a.put(unix.BPF_RET|unix.BPF_K, n.ret, 0, 0)
		a.at[n] = len(a.code) - 1
		return len(a.code) - 1
	}
	if j, ok := a.jumps[pos]; ok && len(a.code)+more-1-j <= 255 {
		return j
	}
	a.put(unix.BPF_JMP|unix.BPF_JA, uint32(len(a.code)-1-pos), 0, 0)
	a.jumps[pos] = len(a.code) - 1
	return len(a.code) - 1
}
