package filter

import (
	"math/rand/v2"
	"slices"
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
			if strings.Contains(err.Error(), "a profile, in which the order of rules does not matter, ") {
				tooMany++
				return
			}
			t.Fatal(err)
		}
		q, notes, err := ReadProfile(text, Target{Arch: p.Arches[0], Kernel: func(a, b uint64) bool { return false }})
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
		if err != nil && strings.Contains(err.Error(), "the kernel accepts at most") {
			tooMany++
			return
		} else if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		m := newMachine(t, got)
		named := p.names()
		for _, a := range p.Arches {
			for _, c := range a.table {
				if !named[c.name] && !p.Default.Denies() {
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
			for _, has := range []uint64{0, ^uint64(0)} {
				p, err := Builtin(name, Target{Arch: a, Caps: has, Kernel: func(a, b uint64) bool { return true }})
				if err != nil {
					t.Fatal(err)
				}
				again(p)
			}
		}
	}
	again(Audit(X86_64))
	for range 200 {
		p := randomPolicy(r, 8, 2)
		p.Newer = p.Default
		if p.Default.Denies() {
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
		{`"SCMP_ACT_ERRNO","errnoRet":0`, Errno(0)},
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
		target := Target{Arch: X86_64, Kernel: func(a, b uint64) bool { return false }}
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
	for _, bad := range []string{`"SCMP_ACT_ERRNO","errnoRet":4096`, `"SCMP_ACT_TRACE","errnoRet":65536`,
		`"SCMP_ACT_ALLOW","errnoRet":1`, `"SCMP_ACT_LOG","errnoRet":1`, `"SCMP_ACT_NOTIFY"`, `"SCMP_ACT_OTHER"`, `"SCMP_ACT_ERRNO","errno":"EFOO"`,
		`"SCMP_ACT_ERRNO","errno":"4294967297"`, `"SCMP_ACT_ERRNO","errno":"-1"`, `"SCMP_ACT_ERRNO","errno":"0x1"`} {
		text := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":` + bad + `}]}`
		if _, _, err := ReadProfile([]byte(text), Target{Arch: X86_64}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
