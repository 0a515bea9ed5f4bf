package filter

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// assemble reads what Disassemble prints: an assembler with only what the notation
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

// TestDisassemble checks that the listing, read again, is the filter, and that it
// says what a person looks for.
func TestDisassemble(t *testing.T) {
	p, _, err := overridden("none deny mkdir:EXDEV deny socket(arg0==40,arg2&0xf==1) allow io_uring_setup kill reboot log mmap(arg1>0x100000000) deny socketcall arch x86,x32")
	if err != nil {
		t.Fatal(err)
	}
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	text := string(Disassemble(code, p))
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
		if got := assemble(t, string(Disassemble(code, nil))); !slices.Equal(got, code) {
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
		got := assemble(t, string(Disassemble(code, nil)))
		if !slices.Equal(got, want) {
			t.Fatalf("got %v; want %v\n%s", got, want, Disassemble(code, nil))
		}
	}
}
