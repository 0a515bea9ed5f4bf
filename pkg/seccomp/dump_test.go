package seccomp

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMarshalProfile checks that a policy printed as a profile and read again
// decides the same.
func TestMarshalProfile(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	profiles, stricter, tooMany := 0, 0, 0
	again := func(p *Policy) {
		t.Helper()
		text, err := MarshalProfile(p)
		if err != nil {
			if strings.Contains(err.Error(), "a profile, in which the order of rules says nothing, ") {
				tooMany++
				return
			}
			t.Fatal(err)
		}
		q, notes, err := ReadProfile(text, Target{p.Arches[0], func(string) bool { return false }, func(a, b uint64) bool { return false }})
		if err != nil && strings.Contains(err.Error(), "too many for a filter") {
			tooMany++
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(notes) > 0 { // what a file denies is not left open elsewhere
			stricter++
			return
		}
		got, err := Compile(q)
		if err != nil && strings.Contains(err.Error(), "the kernel takes") {
			tooMany++
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		m := newMachine(t, got)
		named := p.names()
		for _, a := range p.Arches {
			for _, c := range a.table {
				if !named[c.name] && !p.Default.denies() {
					continue // what denies one name denies the others of the call
				}
				vectors := p.vectors(r, a, c.name)
				if !slices.ContainsFunc(p.Rules, func(r Rule) bool { return slices.Contains(r.Names, c.name) && len(r.Conds) > 0 }) {
					vectors = vectors[:1]
				}
				for _, args := range vectors {
					if got, want := m.run(t, a.Audit, c.nr, args), p.Evaluate(a.Audit, c.nr, args); got != want {
						t.Fatalf("%s: %s(%#x): %v as a profile, %v before\n%+v\n%s", a.Name, c.name, args, got, want, p, text)
					}
				}
			}
		}
		profiles++
	}
	for _, name := range []string{"podman", "docker"} {
		for _, a := range []*Arch{X86_64, AArch64} {
			for _, has := range []bool{false, true} {
				p, err := Builtin(name, Target{a, func(string) bool { return has }, func(a, b uint64) bool { return true }})
				if err != nil {
					t.Fatal(err)
				}
				again(p)
			}
		}
	}
	again(audit(X86_64))
	for range 200 {
		p := randomPolicy(r, 8, 2)
		p.Newer = p.Default
		if p.Default.denies() {
			p.Newer = Errno(unix.ENOSYS)
		}
		switch p.Arches[0] {
		case X86_64:
			p.Arches = slices.DeleteFunc(p.Arches, func(a *Arch) bool { return a == AArch64 || a == ARM })
		case AArch64:
			p.Arches = slices.DeleteFunc(p.Arches, func(a *Arch) bool { return a != AArch64 && a != ARM })
		default:
			continue
		}
		again(p)
	}
	t.Logf("%d profiles, %d of which something would be denied besides, %d not to be written", profiles, stricter, tooMany)
	if tooMany > profiles/2 || profiles < 50 {
		t.Error("too few that can be compared")
	}
}

// TestActionData checks the data of each action, by way of a profile and back.
func TestActionData(t *testing.T) {
	for _, c := range []struct {
		json string
		want Action
	}{
		{`"SCMP_ACT_ERRNO"`, Errno(unix.EPERM)},
		{`"SCMP_ACT_ERRNO","errnoRet":4095`, Errno(4095)},
		{`"SCMP_ACT_ERRNO","errno":"ENOSYS"`, Errno(unix.ENOSYS)},
		{`"SCMP_ACT_ERRNO","errno":"38","errnoRet":1`, Errno(38)}, // Podman's key counts, and may be a number
		{`"SCMP_ACT_ERRNO","errno":"EXDEV","errnoRet":1`, Errno(unix.EXDEV)},
		{`"SCMP_ACT_TRACE"`, Trace | 1},
		{`"SCMP_ACT_TRACE","errnoRet":65535`, Trace | 65535},
		{`"SCMP_ACT_TRACE","errnoRet":0`, Trace},
		{`"SCMP_ACT_TRAP"`, Trap},
		{`"SCMP_ACT_TRAP","errnoRet":7`, Trap | 7},
		{`"SCMP_ACT_KILL"`, KillThread},
		{`"SCMP_ACT_KILL_PROCESS","errnoRet":9`, KillProcess | 9},
		{`"SCMP_ACT_LOG"`, Log},
	} {
		text := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":` + c.json + `}]}`
		target := Target{X86_64, func(string) bool { return false }, func(a, b uint64) bool { return false }}
		p, _, err := ReadProfile([]byte(text), target)
		if err != nil || p.Rules[0].Action != c.want {
			t.Errorf("%s: %v, %v; want %v", c.json, p, err, c.want)
			continue
		}
		again, err := MarshalProfile(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, _, err := ReadProfile(again, target); err != nil || q.Rules[0].Action != c.want {
			t.Errorf("%s: printed and read again %v, %v; want %v", c.json, q, err, c.want)
		}
	}
	for _, bad := range []string{`"SCMP_ACT_ERRNO","errnoRet":0`, `"SCMP_ACT_ERRNO","errnoRet":4096`, `"SCMP_ACT_TRACE","errnoRet":65536`,
		`"SCMP_ACT_ALLOW","errnoRet":1`, `"SCMP_ACT_LOG","errnoRet":1`, `"SCMP_ACT_NOTIFY"`, `"SCMP_ACT_OTHER"`, `"SCMP_ACT_ERRNO","errno":"EFOO"`,
		`"SCMP_ACT_ERRNO","errno":"0"`, `"SCMP_ACT_ERRNO","errno":"4294967297"`, `"SCMP_ACT_ERRNO","errno":"-1"`, `"SCMP_ACT_ERRNO","errno":"0x1"`} {
		text := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":` + bad + `}]}`
		if _, _, err := ReadProfile([]byte(text), Target{Arch: X86_64}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// assemble reads what assembly prints: an assembler with only what the notation
// needs, to check that the listing is the filter.
func assemble(t *testing.T, text string) []unix.SockFilter {
	t.Helper()
	word := regexp.MustCompile(`^(l\d+:)?\s*(\w+)(?: (\S+?))?(?:, (l\d+))?(?:, (l\d+))?$`)
	labels := map[string]int{}
	var lines [][]string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, ";")
		if line = strings.TrimRight(line, " \n"); line == "" {
			continue
		}
		m := word.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no instruction: %q", line)
		}
		if m[1] != "" {
			labels[strings.TrimSuffix(m[1], ":")] = len(lines)
		}
		lines = append(lines, m)
	}
	var code []unix.SockFilter
	for pc, m := range lines {
		var i unix.SockFilter
		number := strings.Trim(m[3], "#[]M")
		if n, err := strconv.ParseUint(number, 0, 32); err == nil {
			i.K = uint32(n)
		}
		skip := func(label string) int {
			to, ok := labels[label]
			if !ok {
				t.Fatalf("no label %q", label)
			}
			return to - pc - 1
		}
		jump := func(code uint16, not bool) {
			i.Code = unix.BPF_JMP | code
			if m[3] == "x" {
				i.Code |= unix.BPF_X
			}
			i.Jt = uint8(skip(m[4]))
			if m[5] != "" {
				i.Jf = uint8(skip(m[5]))
			}
			if not {
				i.Jt, i.Jf = 0, i.Jt
			}
		}
		switch op := m[2]; op {
		case "ld", "ldx":
			class := map[string]uint16{"ld": unix.BPF_LD, "ldx": unix.BPF_LDX}[op]
			switch {
			case m[3] == "#len":
				i.Code = class | unix.BPF_W | unix.BPF_LEN
			case m[3][0] == '[':
				i.Code = class | unix.BPF_W | unix.BPF_ABS
			case m[3][0] == 'M':
				i.Code = class | unix.BPF_W | unix.BPF_MEM
			default:
				i.Code = class | unix.BPF_W | unix.BPF_IMM
			}
		case "st":
			i.Code = unix.BPF_ST
		case "stx":
			i.Code = unix.BPF_STX
		case "tax":
			i.Code = unix.BPF_MISC | unix.BPF_TAX
		case "txa":
			i.Code = unix.BPF_MISC | unix.BPF_TXA
		case "neg":
			i.Code = unix.BPF_ALU | unix.BPF_NEG
		case "ret":
			i.Code = unix.BPF_RET
			if m[3] == "a" {
				i.Code |= unix.BPF_A
			}
		case "ja":
			i.Code, i.K = unix.BPF_JMP|unix.BPF_JA, uint32(skip(m[3]))
		default:
			if n := slices.Index(arithmetic[:], op); n >= 0 {
				i.Code = unix.BPF_ALU | uint16(n)<<4
				if m[3] == "x" {
					i.Code |= unix.BPF_X
				}
				break
			}
			for n, names := range tests {
				switch op {
				case names[0]:
					jump(uint16(n)<<4, false)
				case names[1]:
					jump(uint16(n)<<4, true)
				}
			}
		}
		code = append(code, i)
	}
	return code
}

// TestAssembly checks that the listing, read again, is the filter, and that it
// says what a person looks for.
func TestAssembly(t *testing.T) {
	f, err := flagged(strings.Fields("--profile none --deny mkdir:EXDEV --deny socket(arg0==40,arg2&0xf==1) --allow io_uring_setup --kill reboot --log mmap(arg1>0x100000000) --arch x86,x32"))
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := f.base(Target{Arch: X86_64})
	if err != nil {
		t.Fatal(err)
	}
	p.Rules = append([]Rule{{Names: []string{"socketcall"}, Action: Errno(unix.EPERM)}}, p.Rules...)
	if err := f.amend(p); err != nil {
		t.Fatal(err)
	}
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	text := string(assembly(code, p))
	for _, want := range []string{
		"; x86_64 (audit 0xc000003e)\n;   errno(EXDEV): mkdir\n;   kill-process: reboot\n",
		";   socket (arg0==0x28,arg2&0xf==1): errno(EPERM), else allow\n",
		";   mmap (arg1>0x100000000): log, else allow\n",
		"; x86 (audit 0x40000003)\n", "; x32 (audit 0xc000003e)\n", "; another architecture\n;   kill-process: all\n",
		"; architecture\n", "; x86_64 mkdir\n", "; x86 mkdir\n", "; x32 mkdir\n", "; arg0, lower half\n", "; arg1, upper half\n", "; errno(EXDEV)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the listing lacks %q:\n%s", want, text)
		}
	}
	if got := assemble(t, text); !slices.Equal(got, code) {
		t.Errorf("the listing is of another filter:\n%s", text)
	}
	for _, s := range []string{podmanAMD64None, podmanARM64None, dockerAMD64All, dockerARM64All} {
		code := decode(s)
		if got := assemble(t, string(assembly(code, nil))); !slices.Equal(got, code) {
			t.Errorf("the listing is of another filter than %d instructions", len(code))
		}
	}
	r := rand.New(rand.NewPCG(4, 5))
	for range 20000 {
		code := randomCode(r)
		if Check(code) != nil {
			continue
		}
		want := slices.Clone(code)
		for i := range want { // what an instruction does not use is not printed
			if c := want[i].Code; c&7 != unix.BPF_JMP || c == unix.BPF_JMP|unix.BPF_JA {
				want[i].Jt, want[i].Jf = 0, 0
			}
			switch c := want[i].Code; {
			case c&7 == unix.BPF_MISC, c == unix.BPF_RET|unix.BPF_A, c == unix.BPF_ALU|unix.BPF_NEG, c == 0x80, c == 0x81,
				c&unix.BPF_X != 0 && (c&7 == unix.BPF_ALU || c&7 == unix.BPF_JMP):
				want[i].K = 0
			}
		}
		got := assemble(t, string(assembly(code, nil)))
		if !slices.Equal(got, want) {
			t.Fatalf("got %v; want %v\n%s", got, want, assembly(code, nil))
		}
	}
}
