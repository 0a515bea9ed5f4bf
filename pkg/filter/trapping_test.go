package filter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestTrapping compares the answers to calls of both filters, on each architecture.
func TestTrapping(t *testing.T) {
	const data = 77
	then := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_GETPID, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(Trace) | 5},
		{Code: unix.BPF_RET | unix.BPF_K, K: uint32(Allow)},
	}
	for _, name := range []string{"podman", "docker"} {
		code, err := BuiltinFilter(name, Target{Arch: X86_64})
		if err != nil {
			t.Fatal(err)
		}
		last, ok := Trapping(code, data, then)
		other, ok2 := Trapping(code, data, nil)
		if !ok || !ok2 || Check(last) != nil || Check(other) != nil || len(other) != len(code) {
			t.Fatalf("%s: %v, %v", name, ok, ok2)
		}
		denied := 0
		for _, audit := range []uint32{X86_64.Audit, X86.Audit, AArch64.Audit} {
			for nr := range uint32(600) {
				c := Call{Nr: nr, Known: 1<<6 - 1}
				one := func(code []unix.SockFilter) Action {
					list, all := Answers(code, audit, c)
					if !all || len(list) != 1 {
						t.Fatalf("%s: %d: %v", name, nr, list)
					}
					return list[0].Action
				}
				was, want, plain := one(code), one(code), one(code)
				switch {
				case was == Allow && nr == unix.SYS_GETPID:
					want = Trace | 5
				case was.kind() == errnoAction:
					want, plain = Trap|data, Trap|data
					denied++
				}
				if got := one(last); got != want {
					t.Errorf("%s: %#x: %d: %v; want %v", name, audit, nr, got, want)
				}
				if got := one(other); got != plain {
					t.Errorf("%s: %#x: %d, alone: %v; want %v", name, audit, nr, got, plain)
				}
			}
		}
		if denied == 0 {
			t.Errorf("%s denies nothing", name)
		}
	}
}

// TestTrappingRefuses has filters of which too little is known.
func TestTrappingRefuses(t *testing.T) {
	ret := func(a Action) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(a)} }
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	for name, row := range map[string]struct {
		code []unix.SockFilter
		want bool
	}{
		"an errno":                  {[]unix.SockFilter{load(0), ret(Errno(unix.EPERM))}, true},
		"an end":                    {[]unix.SockFilter{ret(KillThread)}, true},
		"the instruction pointer":   {[]unix.SockFilter{load(8), ret(Allow)}, false},
		"its upper half":            {[]unix.SockFilter{load(12), ret(Allow)}, false},
		"an argument":               {[]unix.SockFilter{load(16), ret(Allow)}, true},
		"what was computed":         {[]unix.SockFilter{load(0), {Code: unix.BPF_RET | unix.BPF_A}}, false},
		"a shift":                   {[]unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_LSH | unix.BPF_X}, ret(Allow)}, false},
		"a log":                     {[]unix.SockFilter{ret(Log)}, false},
		"a trap":                    {[]unix.SockFilter{ret(Trap)}, false},
		"a tracer":                  {[]unix.SockFilter{ret(Trace)}, false},
		"a listener":                {[]unix.SockFilter{ret(Action(unix.SECCOMP_RET_USER_NOTIF))}, false},
		"an action that is not one": {[]unix.SockFilter{ret(0x12340000)}, false},
		"too much":                  {append(repeat(load(0), MaxInstructions-1), ret(Allow)), false},
	} {
		if _, ok := Trapping(row.code, 1, []unix.SockFilter{ret(Allow)}); ok != row.want {
			t.Errorf("%s: %v; want %v", name, ok, row.want)
		}
	}
}

func repeat(i unix.SockFilter, n int) (code []unix.SockFilter) {
	for range n {
		code = append(code, i)
	}
	return code
}
