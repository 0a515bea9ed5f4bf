package filter

import (
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// randomFilter is a program that [Check] takes, with instructions of all kinds
// but the negation, which x/net/bpf does not have.
func randomFilter(r *rand.Rand, length int) []unix.SockFilter {
	ops := []uint16{unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_DIV, unix.BPF_OR, unix.BPF_AND, unix.BPF_XOR, unix.BPF_LSH, unix.BPF_RSH}
	jumps := []uint16{unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET}
	constants := []uint32{0, 1, 3, 59, 0xff, 1 << 31, ^uint32(0)}
	k := func() uint32 { return constants[r.IntN(len(constants))] }
	source := func() uint16 { return []uint16{unix.BPF_K, unix.BPF_X}[r.IntN(2)] }
	// Words 0 and 1 of memory are there from the start.
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, {Code: unix.BPF_ST, K: 0},
		{Code: unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM, K: 59}, {Code: unix.BPF_STX, K: 1},
	}
	for len(code) < length {
		left := length - len(code)
		var i unix.SockFilter
		switch r.IntN(10) {
		case 0, 1:
			i = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4 * uint32(r.IntN(16))}
		case 2:
			i = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM, K: uint32(r.IntN(2))}
		case 3:
			i = unix.SockFilter{Code: []uint16{unix.BPF_ST, unix.BPF_STX}[r.IntN(2)], K: uint32(r.IntN(2))}
		case 4, 5:
			i = unix.SockFilter{Code: unix.BPF_ALU | ops[r.IntN(len(ops))] | source(), K: k()}
			switch i.Code {
			case unix.BPF_ALU | unix.BPF_DIV | unix.BPF_K:
				i.K |= 1
			case unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K, unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K:
				i.K &= 31
			}
		case 6:
			i = unix.SockFilter{Code: []uint16{unix.BPF_MISC | unix.BPF_TAX, unix.BPF_MISC | unix.BPF_TXA}[r.IntN(2)]}
		case 7:
			i = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(r.IntN(min(left, 3)))}
		default:
			i = unix.SockFilter{Code: unix.BPF_JMP | jumps[r.IntN(len(jumps))] | source(), K: k(),
				Jt: uint8(r.IntN(min(left, 4))), Jf: uint8(r.IntN(min(left, 4)))}
		}
		code = append(code, i)
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(Allow)})
	for range 3 { // some ends before the end
		at := 4 + r.IntN(length-4)
		code[at] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(Errno(unix.Errno(at)))}
	}
	return code
}

// within checks that what a filter answers to a call is among what it can answer
// to it when some of the arguments are not known.
func within(t *testing.T, r *rand.Rand, code []unix.SockFilter, m machine, audit uint32) {
	c := Call{Nr: []uint32{59, 322, uint32(r.IntN(400))}[r.IntN(3)], Known: uint8(r.IntN(64))}
	for range 8 {
		c.Args[r.IntN(6)] = values[r.IntN(len(values))]
	}
	if r.IntN(3) == 0 {
		c.Known = 1<<6 - 1
	}
	list, ok := Answers(code, audit, c)
	got := m.run(t, audit, c.Nr, c.Args)
	if ok && !slices.ContainsFunc(list, func(a Answer) bool { return a.Action == got }) {
		t.Fatalf("%+v: the filter says %v, which is not one of %v\n%v", c, got, list, code)
	}
}

// TestOutcomes compares the possible results of filters with their actual results.
func TestOutcomes(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 300 {
		p := randomPolicy(r, 8, 3)
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, code)
		for range 100 {
			within(t, r, code, m, X86_64.Audit)
		}
	}
}

// TestOutcomesKnown checks that there is only one possibility if everything is known.
func TestOutcomesKnown(t *testing.T) {
	code, err := BuiltinFilter("docker", here(0))
	if err != nil {
		t.Fatal(err)
	}
	a := here(0).Arch
	for _, c := range []struct {
		name string
		arg  uint64
		want Action
	}{{"execve", 0, Allow}, {"socket", unix.AF_VSOCK, Errno(unix.EPERM)}, {"socket", unix.AF_INET, Allow}} {
		nr, _ := a.Number(c.name)
		got, ok := Answers(code, a.Audit, Call{Nr: nr, Args: [6]uint64{c.arg}, Known: 1})
		if !ok || len(got) != 1 || got[0].Action != c.want {
			t.Errorf("%s(%d): %v, %v; want %v only", c.name, c.arg, got, ok, c.want)
		}
	}
	nr, _ := a.Number("socket")
	if got, ok := Answers(code, a.Audit, Call{Nr: nr}); !ok || len(got) < 2 {
		t.Errorf("socket of a family that is not known: %v, %v; want more than one answer", got, ok)
	}
}

func FuzzOutcomes(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		code := randomFilter(r, 8+r.IntN(60))
		if err := Check(code); err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, code)
		for range 20 {
			within(t, r, code, m, X86_64.Audit)
		}
	})
}
