package filter

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A machine runs a filter as the kernel does. It is x/net/bpf's, whose loads are
// big-endian, as those of packets are; so the data is laid out that way.
type machine struct{ vm *bpf.VM }

func newMachine(t testing.TB, code []unix.SockFilter) machine {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, i := range code {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	prog, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("not all of the filter is BPF: %v", prog)
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatalf("the filter is not valid: %v", err)
	}
	return machine{vm}
}

func (m machine) run(t testing.TB, audit, nr uint32, args [6]uint64) Action {
	b := make([]byte, 64)
	be := binary.BigEndian
	be.PutUint32(b, nr)
	be.PutUint32(b[4:], audit)
	for i, a := range args {
		be.PutUint32(b[16+8*i:], uint32(a))
		be.PutUint32(b[20+8*i:], uint32(a>>32))
	}
	n, err := m.vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return Action(n)
}

// steps counts the instructions that a call executes.
func steps(code []unix.SockFilter, audit, nr uint32, args [6]uint64) int {
	var acc uint32
	for pc, n := 0, 1; ; pc, n = pc+1, n+1 {
		i := code[pc]
		switch i.Code {
		case unix.BPF_RET | unix.BPF_K:
			return n
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch k := i.K; {
			case k == 0:
				acc = nr
			case k == 4:
				acc = audit
			case k%8 == 0:
				acc = uint32(args[(k-16)/8])
			default:
				acc = uint32(args[(k-16)/8] >> 32)
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= i.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
		default:
			var yes bool
			switch i.Code &^ (unix.BPF_JMP | unix.BPF_K) {
			case unix.BPF_JEQ:
				yes = acc == i.K
			case unix.BPF_JGT:
				yes = acc > i.K
			case unix.BPF_JGE:
				yes = acc >= i.K
			}
			if yes {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
	}
}

// names are calls to make random policies of: some with narrow arguments.
var names = []string{"read", "write", "ioctl", "socket", "personality", "clone", "mmap", "openat", "getpid", "prctl",
	"keyctl", "mkdir", "chmod", "setuid", "futex", "rt_sigaction", "kexec_load", "waitid", "close", "clone3", "futex_waitv", "execve",
	"fcntl", "ptrace", "pread64", "fallocate", "truncate64", "preadv2", "semctl", "select", "fanotify_mark", "afs_syscall"}

var values = []uint64{0, 1, 2, 8, 39, 0xffffffff, 1 << 32, 1<<32 | 8, 1 << 63, ^uint64(0), 0x5412, 0x1_0000_5412, 0xffffffff_00000000}

func randomPolicy(r *rand.Rand, rules, conds int) *Policy {
	actions := []Action{Allow, Log, KillProcess, Errno(unix.EPERM), Errno(unix.ENOSYS), Errno(unix.EXDEV), Trap | 7}
	pick := func() Action { return actions[r.IntN(len(actions))] }
	p := &Policy{Default: pick(), Newer: pick()}
	for _, a := range []*Arch{X86_64, X86, X32, AArch64, ARM} {
		if r.IntN(3) > 0 {
			p.Arches = append(p.Arches, a)
		}
	}
	if len(p.Arches) == 0 {
		p.Arches = []*Arch{X86_64}
	}
	for range r.IntN(rules) + 1 {
		rule := Rule{Action: pick()}
		for range r.IntN(4) + 1 {
			rule.Names = append(rule.Names, names[r.IntN(len(names))])
		}
		for range r.IntN(conds + 1) {
			c := Cond{Arg: r.IntN(6), Op: Op(r.IntN(7)), Value: values[r.IntN(len(values))]}
			if c.Op == MaskedEQ {
				c.Mask = values[r.IntN(len(values))]
				c.Value &= c.Mask
			}
			with := append(slices.Clone(rule.Conds), c)
			if !slices.ContainsFunc(rule.Names, func(name string) bool { return p.possible(name, with) != nil }) {
				rule.Conds = with
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// compare runs the filter of a policy on calls and compares it with what the
// policy means.
func compare(t testing.TB, r *rand.Rand, p *Policy, calls int) {
	t.Helper()
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, code)
	audits := []uint32{X86_64.Audit, X86.Audit, AArch64.Audit, ARM.Audit, 0x1234}
	for range calls {
		audit := audits[r.IntN(len(audits))]
		var nr uint32
		switch r.IntN(4) {
		case 0:
			nr = uint32(r.IntN(600))
		case 1:
			nr = []uint32{skipped, x32Bit, x32Bit | 512, x32Bit - 1, 0, 1 << 31, 5000}[r.IntN(7)]
		default:
			a := arches[r.IntN(len(arches))]
			if n, ok := a.Number(names[r.IntN(len(names))]); ok {
				nr, audit = n, a.Audit
			}
		}
		var args [6]uint64
		for i := range args {
			args[i] = values[r.IntN(len(values))] + uint64(r.IntN(3)) - 1
		}
		if got, want := m.run(t, audit, nr, args), p.Evaluate(audit, nr, args); got != want {
			t.Fatalf("arch %#x, call %d(%#x): the filter says %v, the policy %v\n%+v", audit, nr, args, got, want, p)
		}
	}
}

func TestCompileRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		compare(t, r, randomPolicy(r, 8, 3), 400)
	}
}

// TestCompileLong has jumps of more than 255 instructions in every direction.
func TestCompileLong(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		p := randomPolicy(r, 1, 0)
		p.Arches = []*Arch{X86_64, X86, X32}
		for i := range 200 {
			p.Rules = append(p.Rules,
				Rule{Names: []string{"mmap"}, Action: Errno(unix.Errno(1 + i%30)),
					Conds: []Cond{{Arg: i % 6, Op: Op(r.IntN(6)), Value: uint64(i) * 77}}},
				Rule{Names: []string{names[r.IntN(len(names))]}, Action: Errno(unix.Errno(1 + i%30)),
					Conds: []Cond{}})
		}
		compare(t, r, p, 3000)
	}
}

func TestCompileTooLong(t *testing.T) {
	p := &Policy{Default: Allow, Newer: Allow, Arches: []*Arch{X86_64}}
	for i := range 3000 {
		p.Rules = append(p.Rules, Rule{Names: []string{"mmap"}, Action: Errno(unix.Errno(1 + i%100)),
			Conds: []Cond{{Arg: 0, Op: EQ, Value: uint64(i)<<33 | 1}}})
	}
	if _, err := Compile(p); err == nil {
		t.Fatal("a filter of more than 4096 instructions compiles")
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		compare(t, r, randomPolicy(r, 1+r.IntN(30), r.IntN(6)), 300)
	})
}

// TestBuiltin checks that the precompiled filters are those that the profiles compile
// to, and how much a call costs.
func TestBuiltin(t *testing.T) {
	calls := 20000
	if testing.Short() {
		calls = 2000
	}
	for _, name := range []string{"podman", "docker"} {
		b, _ := builtins(name)
		for _, goarch := range []string{"amd64", "arm64"} {
			for i, has := range []uint64{0, ^uint64(0)} {
				target := Target{Arch: Native(goarch), Caps: has, Kernel: func(major, minor uint64) bool { return true }}
				p, err := Builtin(name, target)
				if err != nil {
					t.Fatal(err)
				}
				code, err := Compile(p)
				if err != nil {
					t.Fatal(err)
				}
				ready := b.amd64
				if goarch == "arm64" {
					ready = b.arm64
				}
				if string(Encode(code)) != ready[i] {
					t.Errorf("%s for %s is not what was compiled ahead: run go generate", name, goarch)
				}
				compare(t, rand.New(rand.NewPCG(5, 6)), p, calls)
				var sum, most int
				for _, c := range target.Arch.table {
					n := steps(code, target.Arch.Audit, c.nr, [6]uint64{})
					sum, most = sum+n, max(most, n)
				}
				average := float64(sum) / float64(len(target.Arch.table))
				t.Logf("%s, %s, capabilities %#x: %d instructions, %.1f executed on average, %d at the most",
					name, goarch, has, len(code), average, most)
				if average > 15 {
					t.Errorf("%.1f instructions on average", average)
				}
			}
		}
	}
}

// TestBuiltinCaps checks that between none and all capabilities the conditions are
// evaluated.
func TestBuiltinCaps(t *testing.T) {
	for _, caps := range []uint64{0, ^uint64(0), 1 << unix.CAP_SYS_CHROOT} {
		code, err := BuiltinFilter("docker", here(caps))
		if err != nil {
			t.Fatal(err)
		}
		a := Native(goarchOf(t))
		nr, _ := a.Number("chroot")
		if nr == 0 {
			t.Skip("no chroot")
		}
		want := Errno(unix.EPERM)
		if caps>>unix.CAP_SYS_CHROOT&1 != 0 {
			want = Allow
		}
		if got := newMachine(t, code).run(t, a.Audit, nr, [6]uint64{}); got != want {
			t.Errorf("chroot with capabilities %#x: %v; want %v", caps, got, want)
		}
	}
}

// TestBuiltinAnyCaps checks that no set of capabilities makes rules of the profiles
// contradict one another.
func TestBuiltinAnyCaps(t *testing.T) {
	for c := range 41 {
		for _, caps := range []uint64{1 << c, ^(uint64(1) << c)} {
			for _, name := range []string{"podman", "docker"} {
				for _, a := range []*Arch{X86_64, AArch64} {
					target := here(caps)
					target.Arch = a
					p, err := Builtin(name, target)
					if err == nil {
						_, err = Compile(p)
					}
					if err != nil {
						t.Errorf("Compile() of %s, %s, capabilities %#x = %v; want no error", name, a.Name, caps, err)
					}
				}
			}
		}
	}
}

// TestConditions checks when an entry of a profile applies.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		keys string
		want bool
	}{
		{`"includes":{"caps":["CAP_CHOWN"]}`, true},
		{`"includes":{"caps":["CAP_KILL"]}`, false},
		{`"includes":{"caps":["CAP_CHOWN","CAP_KILL"]}`, false},
		{`"excludes":{"caps":["CAP_CHOWN"]}`, false},
		{`"excludes":{"caps":["CAP_KILL"]}`, true},
		{`"excludes":{"caps":["CAP_KILL","CAP_CHOWN"]}`, false},
		{`"includes":{"arches":["amd64","arm64"]}`, true},
		{`"includes":{"arches":["arm64"]}`, false},
		{`"excludes":{"arches":["amd64"]}`, false},
		{`"excludes":{"arches":["arm64"]}`, true},
		{`"includes":{"minKernel":"5.20"}`, true},
		{`"includes":{"minKernel":"6.0"}`, false},
		{`"excludes":{"minKernel":"5.20"}`, false},
		{`"excludes":{"minKernel":"6.0"}`, true},
		{`"includes":{"caps":["CAP_CHOWN"]},"excludes":{"arches":["amd64"]}`, false},
		{`"includes":{"caps":["CAP_CHOWN"],"arches":["amd64"],"minKernel":"5.20"},"excludes":{"caps":["CAP_KILL"]}`, true},
	} {
		text := `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ALLOW",` + c.keys + `}]}`
		p, _, err := ReadProfile([]byte(text), Target{Arch: X86_64, Caps: 1 << unix.CAP_CHOWN,
			Kernel: func(major, minor uint64) bool { return major < 5 || major == 5 && minor <= 20 }})
		if err != nil {
			t.Errorf("ReadProfile() with %s = %v; want no error", c.keys, err)
		} else if got := len(p.Rules) == 1; got != c.want {
			t.Errorf("%s: counts %v; want %v", c.keys, got, c.want)
		}
	}
}

// here is a target of this machine's architecture, with any kernel.
func here(caps uint64) Target {
	return Target{Arch: Native(runtime.GOARCH), Caps: caps, Kernel: func(major, minor uint64) bool { return true }}
}

func goarchOf(t *testing.T) string {
	for _, goarch := range []string{"amd64", "arm64"} {
		if here(0).Arch == Native(goarch) {
			return goarch
		}
	}
	t.Skip("another architecture")
	return ""
}

// FuzzReadProfile checks that a profile that can be parsed compiles, and to what it
// means.
func FuzzReadProfile(f *testing.F) {
	for _, name := range []string{"profiles/podman.json", "profiles/docker.json"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ERRNO","errnoRet":3,"args":[{"index":1,"value":255,"valueTwo":18,"op":"SCMP_CMP_MASKED_EQ"},{"index":1,"value":7,"op":"SCMP_CMP_GT"}]}]}`), false)
	f.Fuzz(func(t *testing.T, data []byte, all bool) {
		var caps uint64
		if all {
			caps = ^caps
		}
		target := Target{Arch: X86_64, Caps: caps, Kernel: func(a, b uint64) bool { return a < 6 }}
		p, _, err := ReadProfile(data, target)
		if err != nil {
			return
		}
		if _, err := Compile(p); err != nil {
			return
		}
		compare(t, rand.New(rand.NewPCG(7, 8)), p, 200)
	})
}

func TestTables(t *testing.T) {
	for _, a := range arches {
		for i, c := range a.table {
			if i > 0 && a.table[i-1].name >= c.name {
				t.Errorf("%s: %s is not in order", a.Name, c.name)
			}
			if n, ok := a.Number(c.name); !ok || n != c.nr {
				t.Errorf("%s.Number(%q) = %d, %v; want %d", a.Name, c.name, n, ok, c.nr)
			}
		}
	}
}
