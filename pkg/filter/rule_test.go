package filter

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseSelections(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Selection
	}{
		{"mkdir", []Selection{{Name: "mkdir"}}},
		{"mkdir,@clock", []Selection{{Name: "mkdir"}, {Name: "@clock"}}},
		{"ioctl(arg1==0x5412),read", []Selection{{"ioctl", []Cond{{Arg: 1, Op: EQ, Value: 0x5412}}}, {Name: "read"}}},
		{"clone(arg0&0x7e020000==0,arg1!=010)", []Selection{{"clone",
			[]Cond{{Arg: 0, Op: MaskedEQ, Mask: 0x7e020000}, {Arg: 1, Op: NE, Value: 8}}}}},
		{"mmap(arg1>1,arg1>=2,arg1<3,arg1<=4)", []Selection{{"mmap",
			[]Cond{{Arg: 1, Op: GT, Value: 1}, {Arg: 1, Op: GE, Value: 2}, {Arg: 1, Op: LT, Value: 3}, {Arg: 1, Op: LE, Value: 4}}}}},
		{"socket(arg0==AF_UNIX)", []Selection{{"socket", []Cond{{Arg: 0, Op: EQ, Value: 1}}}}},
		{" socket ( arg0 == AF_UNIX , arg1 & 0xf != SOCK_STREAM ) , read ", []Selection{{"socket",
			[]Cond{{Arg: 0, Op: EQ, Value: 1}, {Arg: 1, Op: MaskedNE, Mask: 0xf, Value: 1}}}, {Name: "read"}}},
		{"clone(arg0&CLONE_NEWUSER|CLONE_NEWNET)", []Selection{{"clone", []Cond{{Arg: 0, Op: MaskedNE, Mask: 0x50000000}}}}},
		{"mmap(arg2&~(PROT_READ|PROT_WRITE)==0,arg3>=~0)", []Selection{{"mmap",
			[]Cond{{Arg: 2, Op: MaskedEQ, Mask: ^uint64(3)}, {Arg: 3, Op: GE, Value: ^uint64(0)}}}}},
		{"openat(arg0==AT_FDCWD,arg2&(3|0x40)==~(~0|1))", []Selection{{"openat",
			[]Cond{{Arg: 0, Op: EQ, Value: ^uint64(99)}, {Arg: 2, Op: MaskedEQ, Mask: 0x43}}}}},
		{"kill(arg1==SIGKILL),prctl(arg0==PR_SET_NAME),ioctl(arg1==TIOCSTI)", []Selection{{"kill", []Cond{{Arg: 1, Op: EQ, Value: 9}}},
			{"prctl", []Cond{{Arg: 0, Op: EQ, Value: 15}}}, {"ioctl", []Cond{{Arg: 1, Op: EQ, Value: 0x5412}}}}},
		{"setuid(arg0==-1)", []Selection{{"setuid", []Cond{{Arg: 0, Op: EQ, Value: ^uint64(0)}}}}},
	} {
		got, err := ParseSelections(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("ParseSelections(%q) = %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "an empty name"},
		{"mkdir,", "an empty name"},
		{"Mkdir", "is not the name of a system call"},
		{"mkdir rmdir", "is not the name of a system call"},
		{"@nosuch", "there is no group @nosuch"},
		{"@clock(arg0==1)", "a group has no arguments"},
		{"socket(arg0==1", "no ) after the arguments"},
		{"socket()", `"" does not start with arg0 to arg5`},
		{"socket(arg6==1)", "does not start with arg0 to arg5"},
		{"socket(arg0=1)", "after the argument comes"},
		{"socket(arg0)", "after the argument comes"},
		{"socket(arg0 1==1)", "after the argument comes"},
		{"socket(arg0&==1)", `"" is not a 64-bit number`},
		{"socket(arg0&1==)", `"" is not a 64-bit number`},
		{"socket(arg0==AF_UNIX AF_INET)", `"AF_INET" after a number`},
		{"socket(arg0==AF_UNIX|)", `"" is not a 64-bit number`},
		{"socket(arg0==~)", `"" is not a 64-bit number`},
		{"socket(arg0==(1)", "no ) after the arguments"},
		{"socket(arg0==(1|2|))", `"" is not a 64-bit number`},
		{"socket(arg0==1))", `")" after the )`},
		{"socket(arg0==()(1))", `"" is not a 64-bit number`},
		{"socket(arg0==1(2))", `"(2)" after a number`},
		{"socket(arg0==" + strings.Repeat("~", 101) + "1)", "too many parentheses"},
		{"socket(arg0==1_0)", "is not a 64-bit number"},
		{"socket(arg0==18446744073709551616)", "is not a 64-bit number"},
		{"socket(arg0==AF_UNYX)", `there is no constant "AF_UNYX" here`},
		{"socket(arg0==af_unix)", `"af_unix" is not a 64-bit number`},
		{"socket(arg0&3<1)", "a masked argument can be compared only with == and !="},
		{"kill(arg0<-1)", "arguments are compared as unsigned numbers"},
		{"socket(arg0==1)x", `"x" after the )`},
	} {
		if got, err := ParseSelections(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseSelections(%q) = %v, %v; want an error with %q", c.text, got, err, c.want)
		}
	}
}

func TestParseAction(t *testing.T) {
	for text, want := range map[string]Action{
		"allow": Allow, "log": Log, "kill": KillProcess, "deny": Errno(unix.EPERM), "deny:ENOSYS": Errno(unix.ENOSYS),
		"deny:EOPNOTSUPP": Errno(unix.EOPNOTSUPP), "deny:4095": Errno(4095), "deny:0": Errno(0), "kill-thread": KillThread, "trap": Trap, "trace": Trace,
	} {
		if got, err := ParseAction(text); err != nil || got != want {
			t.Errorf("ParseAction(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "deny:", "deny:-1", "trap:1", "deny:4096", "deny:EFOO", "kill:EPERM", "errno", "Allow"} {
		if got, err := ParseAction(text); err == nil {
			t.Errorf("ParseAction(%q) = %v; want an error", text, got)
		}
	}
}

func TestActionString(t *testing.T) {
	for act, want := range map[Action]string{
		Allow: "allow", Log: "log", Trap | 7: "trap(7)", Trace: "trace(0)", KillThread: "kill-thread", KillProcess: "kill-process",
		Errno(unix.EPERM): "errno(EPERM)", Errno(0): "errno(0)", Errno(4000): "errno(4000)",
		Action(unix.SECCOMP_RET_USER_NOTIF): "action(0x7fc00000)", Action(0x12340001): "action(0x12340001)", Action(0x00060001): "action(0x60001)",
	} {
		if got := act.String(); got != want {
			t.Errorf("%#x is %q; want %q", uint32(act), got, want)
		}
	}
}

// TestGroups checks that what is in a group is a call, and a few that are in the
// right one.
func TestGroups(t *testing.T) {
	for _, g := range groups {
		list, err := Group(g.name)
		if err != nil || len(list) == 0 {
			t.Errorf("Group(%q) = %v, %v; want names", g.name, list, err)
		}
		for _, name := range list {
			if !Known(name) {
				t.Errorf("%s has %s, which no architecture has", g.name, name)
			}
		}
	}
	for _, c := range []struct{ group, in, out string }{
		{"@clock", "clock_settime", "clock_gettime"}, {"@mount", "move_mount", "open"}, {"@reboot", "kexec_load", "kill"},
		{"@privileged", "clock_settime", "read"}, {"@known", "mseal", "execvpe"}, {"@file-system", "open_tree", "mount"}, {"@mount", "open_tree_attr", "open_tree"},
		{"@system-service", "execve", "mount"},
	} {
		list, _ := Group(c.group)
		if !slices.Contains(list, c.in) || slices.Contains(list, c.out) {
			t.Errorf("Group(%q) = %v; want %s in it and not %s", c.group, list, c.in, c.out)
		}
	}
}
