package filter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// libseccomp builds the helper of testdata and returns what it answers.
func libseccomp(t testing.TB) func(mode, input string) string {
	t.Helper()
	helper := filepath.Join(t.TempDir(), "libseccomp")
	if out, err := exec.Command("gcc", "-O2", "-o", helper, "testdata/libseccomp.c", "-lseccomp").CombinedOutput(); err != nil {
		if os.Getenv("HK_TEST_STRICT") == "1" {
			t.Fatalf("missing: gcc and libseccomp: %v\n%s", err, out)
		}
		t.Skip("missing: gcc and libseccomp")
	}
	return func(mode, input string) string {
		t.Helper()
		cmd := exec.Command(helper, mode)
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader(input), &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("libseccomp %s: %v\n%s", mode, err, &stderr)
		}
		return string(out)
	}
}

// theirs lists the numbers that libseccomp has for calls, by architecture and
// name.
func theirs(ask func(mode, input string) string) map[string]map[string]uint32 {
	names := map[string]bool{}
	for _, a := range arches {
		for _, c := range a.table {
			names[c.name] = true
		}
	}
	var in strings.Builder
	for name := range names {
		in.WriteString(name + "\n")
	}
	tables := map[string]map[string]uint32{}
	for line := range strings.Lines(ask("names", in.String())) {
		var arch, name string
		var nr uint32
		fmt.Sscan(line, &arch, &name, &nr)
		if tables[arch] == nil {
			tables[arch] = map[string]uint32{}
		}
		tables[arch][name] = nr
	}
	return tables
}

// TestTablesLibseccomp compares the tables with libseccomp's.
func TestTablesLibseccomp(t *testing.T) {
	tables := theirs(libseccomp(t))
	for _, a := range arches {
		both := 0
		for _, c := range a.table {
			nr, ok := tables[a.Name][c.name]
			if ok {
				both++
			}
			if ok && nr != c.nr {
				t.Errorf("%s: the number of %s = %d; want %d, as in libseccomp", a.Name, c.name, c.nr, nr)
			}
		}
		for name, nr := range tables[a.Name] {
			if n, ok := a.Number(name); !ok || n != nr {
				t.Errorf("%s: Number(%s) = %d, %v; want %d, as in libseccomp", a.Name, name, n, ok, nr)
			}
		}
		t.Logf("%s: %d calls, %d of them in libseccomp", a.Name, len(a.table), both)
		if both < 300 {
			t.Errorf("%s: only %d calls to compare", a.Name, both)
		}
	}
}

// text is a policy for the helper, without what it cannot have: a rule that does
// what is done by default.
func (p *Policy) text() string {
	ops := [...]int{EQ: 4, NE: 1, LT: 2, LE: 3, GE: 5, GT: 6, MaskedEQ: 7}
	var b strings.Builder
	fmt.Fprintf(&b, "default %#x\n", uint32(p.Default))
	for _, a := range p.Arches {
		fmt.Fprintf(&b, "arch %s\n", a.Name)
	}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if r.Action == p.Default {
				continue
			}
			fmt.Fprintf(&b, "rule %#x %s", uint32(r.Action), name)
			for _, c := range r.Conds {
				x, y := c.Value, uint64(0)
				if c.Op == MaskedEQ {
					x, y = c.Mask, c.Value
				}
				fmt.Fprintf(&b, " %d %d %#x %#x", c.Arg, ops[c.Op], x, y)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// vectors are arguments that matter to a policy: around what it compares with,
// in each place, with what the kernel does not look at 0.
func (p *Policy) vectors(r *rand.Rand, a *Arch, name string) [][6]uint64 {
	list := [][6]uint64{{}, {1, 2, 3, 4, 5, 6}}
	var interesting []uint64
	for _, rule := range p.Rules {
		for _, c := range rule.Conds {
			for _, v := range []uint64{c.Value, c.Mask, c.Value ^ c.Mask} {
				interesting = append(interesting, v-1, v, v+1, v|1<<32, v|1<<63)
			}
		}
	}
	if interesting == nil {
		return list
	}
	for range 60 {
		var args [6]uint64
		for i := range args {
			args[i] = interesting[r.IntN(len(interesting))]
			if taken, ok := a.argument(name, i); ok {
				args[i] &= taken.lookedAt()
			}
		}
		list = append(list, args)
	}
	return list
}

// TestLibseccomp compares the decisions of the filters of the built-in profiles with
// those of libseccomp's, for all numbers, on all architectures, with the arguments that
// matter. Four differences are intended: a call newer than the profile gets ENOSYS
// here; libseccomp compares halves of arguments that the kernel ignores, which are 0 in
// this test; libseccomp cannot allow calls that it does not know; and as both profiles
// deny some socket families, socketcall(2) creates no sockets here.
func TestLibseccomp(t *testing.T) {
	ask := libseccomp(t)
	tables := theirs(ask)
	r := rand.New(rand.NewPCG(12, 13))
	for _, profile := range []string{"podman", "docker"} {
		for _, native := range []*Arch{X86_64, AArch64} {
			for _, has := range []uint64{0, ^uint64(0)} {
				b, _ := builtins(profile)
				p, _, err := ReadProfile([]byte(b.json), Target{Arch: native, Caps: has, Kernel: func(a, b uint64) bool { return true }})
				if err != nil {
					t.Fatal(err)
				}
				ours, err := Compile(p)
				if err != nil {
					t.Fatal(err)
				}
				code, err := Decode([]byte(ask("filter", p.text())))
				if err != nil {
					t.Fatal(err)
				}
				our, their := newMachine(t, ours), newMachine(t, code)
				cases, skippedCalls := 0, 0
				for _, a := range arches {
					newest, _ := p.newest(a)
					first := uint32(0)
					if a == X32 {
						first = x32Bit
					}
					names := map[uint32]string{}
					for _, c := range a.table {
						names[c.nr] = c.name
					}
					numbers := make([]uint32, 0, 800)
					for n := range uint32(700) {
						numbers = append(numbers, first+n)
					}
					for n := range uint32(10) {
						if a == ARM {
							numbers = append(numbers, armPrivate+n)
						}
					}
					for _, nr := range numbers {
						name := names[nr]
						if _, ok := tables[a.Name][name]; name != "" && !ok {
							skippedCalls++
							continue
						}
						for _, args := range p.vectors(r, a, name) {
							got, want := our.run(t, a.Audit, nr, args), their.run(t, a.Audit, nr, args)
							if nr > newest && p.arch(a.Audit, nr) == a && !a.private(nr) {
								want = Errno(unix.ENOSYS)
							}
							if a == X86 && name == "socketcall" && uint32(args[0]) == 1 && want == Allow {
								want = Errno(unix.EPERM)
							}
							cases++
							if got != want {
								t.Fatalf("%s, %s, call %d (%s) with %#x: %v here, %v by libseccomp", profile, a.Name, nr, name, args, got, want)
							}
						}
					}
				}
				var sum, executed int
				for _, c := range native.table {
					sum += steps(ours, native.Audit, c.nr, [6]uint64{})
					executed += steps(code, native.Audit, c.nr, [6]uint64{})
				}
				n := float64(len(native.table))
				t.Logf("%s, %s, all capabilities %v: %d cases alike, %d calls unknown to libseccomp; %d instructions here, %.1f executed on average; libseccomp %d, %.1f",
					profile, native.Name, has, cases, skippedCalls, len(ours), float64(sum)/n, len(code), float64(executed)/n)
			}
		}
	}
}
