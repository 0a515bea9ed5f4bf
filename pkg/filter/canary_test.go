package filter

import (
	"testing"

	elastic "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestCanary is the reason for our own compiler: filters of
// github.com/elastic/go-seccomp-bpf can be bypassed. It fails once they no longer can:
// then the choice can be reconsidered.
func TestCanary(t *testing.T) {
	native := here(0).Arch
	if native != X86_64 {
		t.Skip("about amd64, where there is another architecture to call")
	}
	nr := func(name string) uint32 {
		n, ok := native.Number(name)
		if !ok {
			t.Fatalf("Number(%s) = none; want one", name)
		}
		return n
	}
	theirs := func(p elastic.Policy) machine {
		code, err := p.Assemble()
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(code)
		if err != nil {
			t.Fatal(err)
		}
		return machine{vm}
	}
	ours := func(p *Policy) machine {
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		return newMachine(t, code)
	}
	eperm := Errno(unix.EPERM)
	// personality(2) is allowed for 8, getppid(2) always, and nothing else. After the
	// test of an argument that library compares the argument with the numbers of calls.
	their := theirs(elastic.Policy{
		DefaultAction: elastic.ActionErrno,
		Syscalls: []elastic.SyscallGroup{
			{Action: elastic.ActionAllow, NamesWithCondtions: []elastic.NameWithConditions{{Name: "personality",
				Conditions: []elastic.Condition{{Argument: 0, Operation: elastic.Equal, Value: 8}}}}},
			{Action: elastic.ActionAllow, Names: []string{"getppid"}},
		},
	})
	our := ours(&Policy{Default: eperm, Newer: eperm, Arches: []*Arch{native}, Rules: []Rule{
		{Names: []string{"personality"}, Action: Allow, Conds: []Cond{{Arg: 0, Op: EQ, Value: 8}}},
		{Names: []string{"getppid"}, Action: Allow},
	}})
	for _, c := range []struct {
		theirs, want Action
		name         string
		args         [6]uint64
	}{
		{name: "getppid", theirs: Allow, want: Allow},
		{name: "personality", args: [6]uint64{8}, theirs: Allow, want: Allow},
		{name: "personality", args: [6]uint64{9}, theirs: eperm, want: eperm},
		{name: "personality", args: [6]uint64{uint64(nr("getppid"))}, theirs: Allow, want: eperm},
	} {
		if got := their.run(t, native.Audit, nr(c.name), c.args); got != c.theirs {
			t.Errorf("their %s(%d): %v; it was %v", c.name, c.args[0], got, c.theirs)
		}
		if got := our.run(t, native.Audit, nr(c.name), c.args); got != c.want {
			t.Errorf("our %s(%d): %v; want %v", c.name, c.args[0], got, c.want)
		}
	}

	// mkdir(2) is denied, and made by int 0x80.
	their = theirs(elastic.Policy{
		DefaultAction: elastic.ActionAllow,
		Syscalls:      []elastic.SyscallGroup{{Action: elastic.ActionErrno, Names: []string{"mkdir"}}},
	})
	our = ours(&Policy{Default: Allow, Newer: Allow, Arches: []*Arch{native}, Rules: []Rule{{Names: []string{"mkdir"}, Action: eperm}}})
	mkdir, _ := X86.Number("mkdir")
	for _, c := range []struct {
		audit, nr    uint32
		theirs, want Action
	}{
		{X86_64.Audit, nr("mkdir"), eperm, eperm},
		{X86_64.Audit, nr("rmdir"), Allow, Allow},
		{X86.Audit, mkdir, Allow, KillProcess},
	} {
		if got := their.run(t, c.audit, c.nr, [6]uint64{}); got != c.theirs {
			t.Errorf("their call %d of %#x: %v; it was %v", c.nr, c.audit, got, c.theirs)
		}
		if got := our.run(t, c.audit, c.nr, [6]uint64{}); got != c.want {
			t.Errorf("our call %d of %#x: %v; want %v", c.nr, c.audit, got, c.want)
		}
	}
}
