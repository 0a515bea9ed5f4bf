package filter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestActions has the result of a call for each action; the data of actions that allow
// or kill mean nothing, as for the kernel.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		act           Action
		denies, kills bool
		errno         unix.Errno
		fails         bool
	}{
		{Allow, false, false, 0, false}, {Allow | 7, false, false, 0, false}, {Log, false, false, 0, false},
		{Errno(unix.EPERM), true, false, unix.EPERM, true}, {Errno(0), true, false, 0, true},
		{Errno(4095), true, false, 4095, true}, {Errno(0xffff), true, false, 4095, true},
		{Trace | 5, true, false, unix.ENOSYS, true}, {Trap, true, true, 0, false},
		{KillThread, true, true, 0, false}, {KillProcess | 1, true, true, 0, false},
		{Action(unix.SECCOMP_RET_USER_NOTIF), true, true, 0, false}, {Action(0x12340000), true, true, 0, false},
	} {
		if got := c.act.Denies(); got != c.denies {
			t.Errorf("%v.Denies() = %v; want %v", c.act, got, c.denies)
		}
		if got := c.act.Kills(); got != c.kills {
			t.Errorf("%v.Kills() = %v; want %v", c.act, got, c.kills)
		}
		if e, ok := c.act.Errno(); e != c.errno || ok != c.fails {
			t.Errorf("%v.Errno() = %d, %v; want %d, %v", c.act, e, ok, c.errno, c.fails)
		}
	}
}

// TestWord has actions with a word, which is read as the same.
func TestWord(t *testing.T) {
	for _, c := range []struct {
		act  Action
		want string
	}{
		{Allow, "allow"}, {Log, "log"}, {KillProcess, "kill"}, {KillThread, "kill-thread"}, {Trap, "trap"},
		{Trace, "trace"}, {Errno(unix.EPERM), "deny"}, {Errno(0), "deny:0"}, {Errno(unix.EXDEV), "deny:EXDEV"}, {Errno(4000), "deny:4000"},
	} {
		got := c.act.Word()
		if again, err := ParseAction(got); got != c.want || err != nil || again != c.act {
			t.Errorf("%v.Word() = %q, read as %v, %v; want %q", c.act, got, again, err, c.want)
		}
	}
}

// TestCheckPolicy has policies that have no effect, or not the one that they seem to
// have.
func TestCheckPolicy(t *testing.T) {
	amd64 := []*Arch{X86_64}
	deny := Errno(unix.EPERM)
	for _, c := range []struct {
		p    Policy
		want string
	}{
		{Policy{Arches: amd64}, ""},
		{Policy{}, "a policy without an architecture"},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"mkdir", "nosuch"}, Action: deny}}}, `there is no system call "nosuch" to deny`},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"nosuch"}, Action: Allow}}}, ""},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"waitpid"}, Action: deny}}}, ""},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"kill"}, Action: deny, Conds: []Cond{{Arg: 2}}}}}, "kill(arg2==0): argument 2: the call has no such argument"},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"kill"}, Action: Allow, Conds: []Cond{{Arg: 2}}}}}, "kill(arg2==0): argument 2: the call has no such argument"},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"kill"}, Action: deny, Origin: 3, Conds: []Cond{{Op: LT}}}}},
			"syscalls[2]: kill(arg0<0): argument 0: it is unsigned: it is never less than 0"},
		{Policy{Arches: amd64, Rules: []Rule{{Names: []string{"kill"}, Action: deny, Conds: []Cond{{Op: 7}}}}}, "a comparison that there is not: 7"},
	} {
		got := ""
		if err := c.p.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Check of %+v = %q; want %q", c.p, got, c.want)
		}
	}
}
