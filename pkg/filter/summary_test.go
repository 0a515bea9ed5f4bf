package filter

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func budget() *int {
	n := 1 << 24
	return &n
}

// TestSummarizeLong has a filter that was written to take long: 2^20 ways lead through it, for
// each call. What is not known is not said to be allowed or denied.
func TestSummarizeLong(t *testing.T) {
	var code []unix.SockFilter
	for bit := range 20 {
		code = append(code, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 1, K: 1 << bit},
			unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_IMM, K: uint32(bit)})
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	if err := Check(code); err != nil {
		t.Fatal(err)
	}
	left := budget()
	for _, s := range Summarize(code, X86_64, left) {
		if s.Allowed != 0 || len(s.Denied) != 0 || len(s.Varying) != len(s.Arch.table) || !s.OthersVary {
			t.Errorf("%s: %d calls are allowed, %d denied", s.Arch.Name, s.Allowed, len(s.Denied))
		}
	}
	if *left != 0 {
		t.Errorf("%d steps are left", *left)
	}
}

func TestSummarize(t *testing.T) {
	p := &Policy{Default: Allow, Newer: Allow, Arches: []*Arch{X86_64, X86}, Rules: []Rule{
		{Names: []string{"mkdir", "mkdirat"}, Action: Errno(unix.EPERM)},
		{Names: []string{"clone"}, Action: Errno(unix.EPERM), Conds: []Cond{{Arg: 0, Op: EQ, Value: 7}}},
		{Names: []string{"ptrace"}, Action: KillProcess},
	}}
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	list := Summarize(code, X86_64, budget())
	if len(list) != 3 {
		t.Fatalf("%d architectures", len(list))
	}
	for i, a := range []*Arch{X86_64, X86} {
		s := list[i]
		if s.Arch != a || s.Others != Allow || s.OthersVary || !slices.Equal(s.Denied[Errno(unix.EPERM)], []string{"mkdir", "mkdirat"}) ||
			!slices.Equal(s.Denied[KillProcess], []string{"ptrace"}) || !slices.Equal(s.Varying, []string{"clone"}) || len(s.Denied) != 2 {
			t.Errorf("%+v", s)
		}
		if got := s.Allowed + 4; got != len(s.Arch.table) {
			t.Errorf("%s: %d calls of %d", s.Arch.Name, got, len(s.Arch.table))
		}
	}
	// An architecture that the policy does not have is denied as a whole.
	if x32 := list[2]; x32.Allowed != 0 || len(x32.Varying) != 0 || !x32.Others.Denies() {
		t.Errorf("x32: %+v", x32)
	}
	if name := ProfileOf(code, X86_64); name != "" {
		t.Errorf("it is taken for %q", name)
	}
	for _, name := range []string{"podman", "docker"} {
		for _, caps := range []uint64{0, ^uint64(0)} {
			code, err := BuiltinFilter(name, Target{Arch: X86_64, Caps: caps, Kernel: func(uint64, uint64) bool { return true }})
			if got := ProfileOf(code, X86_64); err != nil || got != name {
				t.Errorf("%s is taken for %q: %v", name, got, err)
			}
			left := budget()
			Summarize(code, X86_64, left)
			if used := *budget() - *left; used > 1e6 {
				t.Errorf("%s takes %d steps", name, used)
			}
		}
	}
}

// FuzzSummarize checks that no filter that the kernel accepts makes it fail.
func FuzzSummarize(f *testing.F) {
	f.Add(Encode([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		code, err := Decode(data)
		if err != nil {
			return
		}
		for _, s := range Summarize(code, X86_64, budget()) {
			n := s.Allowed + len(s.Varying)
			for _, l := range s.Denied {
				n += len(l)
			}
			if n != len(s.Arch.table) {
				t.Errorf("%s: %d calls of %d", s.Arch.Name, n, len(s.Arch.table))
			}
		}
	})
}
