package filter

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

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
	list := Summarize(code, X86_64)
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
		for _, s := range Summarize(code, X86_64) {
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
