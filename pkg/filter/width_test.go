package filter

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTakes(t *testing.T) {
	for _, table := range [][]takes{takesAll[:], takes386[:], takesARM[:], takesX32[:]} {
		for i, row := range table {
			if !Known(row.name) {
				t.Errorf("%s is not a call", row.name)
			}
			if i > 0 && table[i-1].name >= row.name {
				t.Errorf("%s is not in order", row.name)
			}
		}
	}
	for _, c := range []struct {
		arch *Arch
		name string
		n    int
		want argument // kind 0 if there is none
	}{
		{X86_64, "read", 0, argument{'4', 0, 1}},
		{X86_64, "read", 2, argument{'8', 2, 3}},
		{X86_64, "read", 3, argument{}},
		{X86_64, "gettid", 0, argument{}},
		{X86, "read", 2, argument{'4', 2, 3}},
		{X86_64, "fchmodat", 2, argument{'p', 2, 3}},
		{ARM, "open", 2, argument{'p', 2, 3}},
		{X86, "mkdir", 1, argument{'d', 1, 2}},
		{X86, "mknod", 1, argument{'2', 1, 2}},
		{X86, "umask", 0, argument{'u', 0, 1}},
		{X86_64, "setuid", 0, argument{'4', 0, 1}},
		{X86, "setuid", 0, argument{'2', 0, 1}},
		{X86, "setuid32", 0, argument{'4', 0, 1}},
		{X86_64, "pread64", 3, argument{'8', 3, 4}},
		{X86, "pread64", 3, argument{'l', 3, 4}},
		{X86, "pread64", 4, argument{}},
		{ARM, "pread64", 3, argument{'l', 4, 5}},
		{AArch64, "pread64", 3, argument{'8', 3, 4}},
		{X86_64, "sync_file_range", 3, argument{'4', 3, 4}},
		{X86, "sync_file_range", 2, argument{'l', 3, 4}},
		{X86, "sync_file_range", 3, argument{'4', 5, 6}},
		{X86_64, "preadv2", 4, argument{}},
		{X86_64, "preadv2", 5, argument{'4', 5, 6}},
		{X86, "preadv2", 3, argument{'l', 3, 4}},
		{X86, "preadv2", 4, argument{}},
		{X86, "preadv2", 5, argument{'4', 5, 6}},
		{X32, "preadv2", 3, argument{'8', 3, 4}},
		{X32, "preadv2", 4, argument{}},
		{X32, "preadv2", 5, argument{'4', 4, 5}},
		{X86_64, "ioctl", 2, argument{'?', 2, 3}},
		{X32, "ioctl", 2, argument{'4', 2, 3}},
		{X86, "ioctl", 2, argument{'4', 2, 3}},
		{X86_64, "mmap", 5, argument{'8', 5, 6}},
		{X86, "mmap", 5, argument{kind: 'm', high: 1}},
		{X86, "mmap", 6, argument{}},
		{X86_64, "afs_syscall", 5, argument{'?', 5, 6}},
		{X86, "afs_syscall", 5, argument{kind: 'm', high: 1}},
		{ARM, "semctl", 2, argument{'v', 2, 3}},
		{X86, "semctl", 2, argument{'4', 2, 3}},
	} {
		got, ok := c.arch.argument(c.name, c.n)
		if !ok {
			got = argument{}
		}
		if got != c.want {
			t.Errorf("%s: argument %d of %s: %c %d %d; want %c %d %d", c.arch.Name, c.n, c.name,
				got.kind, got.low, got.high, c.want.kind, c.want.low, c.want.high)
		}
	}
}

// never are calls that a kernel of 64 bits does not have, or not any more, and the
// private ones of ARM. A new call is not among them: look up how it takes its
// arguments.
var never = strings.Fields(`_sysctl afs_syscall arch_specific_syscall bdflush break breakpoint cacheflush create_module
	epoll_ctl_old epoll_wait_old ftime get_kernel_syms get_tls getpmsg gtty idle lock lookup_dcookie mpx nfsservctl
	pciconfig_iobase prof profil putpmsg query_module security set_tls stty tuxcall ulimit uprobe usr26 usr32 vm86 vm86old
	vserver`)

// TestConditionsOnAll checks that every argument that a call has can be in a
// condition, and no other.
func TestConditionsOnAll(t *testing.T) {
	for _, a := range arches {
		for _, c := range a.table {
			args, known := a.takes(c.name)
			if known == slices.Contains(never, c.name) {
				t.Errorf("%s: takes(%s) is known: %v; want %v", a.Name, c.name, known, !known)
			}
			for n := range 6 {
				p := &Policy{Default: Allow, Newer: Allow, Arches: []*Arch{a}, Rules: []Rule{
					{Names: []string{c.name}, Action: Errno(unix.EXDEV), Conds: []Cond{{Arg: n, Op: EQ, Value: 5}}}}}
				_, err := Compile(p)
				if _, has := a.argument(c.name, n); has != (err == nil) {
					t.Errorf("%s: Compile() of %s(arg%d==5), whose arguments are %q = %v; want no error: %v", a.Name, c.name, n, args, err, has)
				}
			}
		}
	}
}

// TestSatisfiable tries all numbers of 16 bits.
func TestSatisfiable(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 15))
	values := []uint64{0, 1, 2, 3, 0xf, 0x10, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000, ones(8), ones(8) - 1, 1 << 63}
	yes := 0
	const n = 1000
	for range n {
		var conds []Cond
		for range r.IntN(5) + 1 {
			c := Cond{Op: Op(r.IntN(7)), Value: values[r.IntN(len(values))]}
			if r.IntN(3) == 0 {
				c.Value = r.Uint64() >> 48
			}
			if c.Op == MaskedEQ {
				if c.Mask = values[r.IntN(len(values))]; r.IntN(2) == 0 {
					c.Mask = r.Uint64() >> 48
				}
				if r.IntN(4) > 0 {
					c.Value &= c.Mask
				}
			}
			conds = append(conds, c)
		}
		want := false
		for v := range uint64(1 << 16) {
			if !slices.ContainsFunc(conds, func(c Cond) bool { return !c.holds(v, 2) }) {
				want = true
				yes++
				break
			}
		}
		if err := satisfiable(conds, 2); (err == nil) != want {
			t.Fatalf("satisfiable(%v) = %v; want %v", conds, err, want)
		}
	}
	if yes < n/10 || yes > n-n/10 {
		t.Errorf("%d of %d can hold: that tests one side only", yes, n)
	}
}
