package seccomp

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hk/pkg/getopt"

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
		{"Mkdir", "is no name of a system call"},
		{"mkdir rmdir", "is no name of a system call"},
		{"@nosuch", "there is no group @nosuch"},
		{"@clock(arg0==1)", "a group has no arguments"},
		{"@known", "there is no group @known"},
		{"socket(arg0==1", "no ) behind the arguments"},
		{"socket()", `"" does not start with arg0 to arg5`},
		{"socket(arg6==1)", "does not start with arg0 to arg5"},
		{"socket(arg0=1)", "behind the argument comes"},
		{"socket(arg0 ==1)", "behind the argument comes"},
		{"socket(arg0==1_0)", "is no number of 64 bits"},
		{"socket(arg0==18446744073709551616)", "is no number of 64 bits"},
		{"socket(arg0==AF_UNIX)", "is no number of 64 bits"},
		{"socket(arg0&3!=1)", "what is masked is compared by =="},
		{"kill(arg0<-1)", "arguments are compared without a sign"},
		{"socket(arg0==1)x", `"x" behind the )`},
	} {
		if got, err := ParseSelections(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseSelections(%q) = %v, %v; want an error with %q", c.text, got, err, c.want)
		}
	}
}

func TestParseAction(t *testing.T) {
	for text, want := range map[string]Action{
		"allow": Allow, "log": Log, "kill": KillProcess, "deny": Errno(unix.EPERM), "deny:ENOSYS": Errno(unix.ENOSYS),
		"deny:EOPNOTSUPP": Errno(unix.EOPNOTSUPP), "deny:4095": Errno(4095),
	} {
		if got, err := ParseAction(text); err != nil || got != want {
			t.Errorf("ParseAction(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "deny:", "deny:0", "deny:4096", "deny:EFOO", "kill:EPERM", "errno", "Allow"} {
		if got, err := ParseAction(text); err == nil {
			t.Errorf("ParseAction(%q) = %v", text, got)
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
			t.Errorf("Group(%q) = %v, %v", g.name, list, err)
		}
		for _, name := range list {
			if !Known(name) {
				t.Errorf("%s has %s, which no architecture has", g.name, name)
			}
		}
	}
	for _, c := range []struct{ group, in, out string }{
		{"@clock", "clock_settime", "clock_gettime"}, {"@mount", "move_mount", "open"}, {"@reboot", "kexec_load", "kill"},
		{"@privileged", "clock_settime", "read"}, {"@system-service", "execve", "mount"},
	} {
		list, _ := Group(c.group)
		if !slices.Contains(list, c.in) || slices.Contains(list, c.out) {
			t.Errorf("%s is %v; it should have %s and not %s", c.group, list, c.in, c.out)
		}
	}
}

func flagged(args []string) (*Filter, error) {
	f := &Filter{}
	var fs getopt.Flags
	f.Flags(&fs)
	_, err := fs.Parse(args)
	return f, err
}

// FuzzFlags checks that flags that can be read print as flags that read the same,
// and that the rules compile to what they mean.
func FuzzFlags(f *testing.F) {
	for _, line := range []string{
		"--deny mkdir,@clock:EXDEV", "--profile none --allow socket(arg0==1,arg1&0xf==1) --default deny",
		"--log openat(arg2>=0x40) --kill reboot --arch x86,native", "--deny clone(arg0&0x7e020000!=0)",
		"--default deny:4000 --profile audit --allow-new-privs", "--bpf x --dump asm", "--deny socket,ipc --profile docker",
		"--profile none --deny prctl(arg0>=1,arg0<=5) --allow read(arg0==1)", "--arch x32,arm --kill set_tls",
	} {
		f.Add(line, uint64(1))
	}
	f.Fuzz(func(t *testing.T, line string, seed uint64) {
		flt, err := flagged(strings.Fields(line))
		if err != nil {
			return
		}
		again, err := flagged(flt.Args())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", line, flt.Args(), err)
		}
		if !reflect.DeepEqual(flt, again) {
			t.Fatalf("%q prints as %q, which is something else:\n%+v\n%+v", line, flt.Args(), flt, again)
		}
		if flt.BPF != "" || strings.ContainsAny(flt.Profile, "./") {
			return
		}
		target := Target{Arch: X86_64, Caps: func(string) bool { return seed%2 == 0 }, Kernel: func(a, b uint64) bool { return true }}
		p, _, err := flt.base(target)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "--arch ") && !strings.Contains(err.Error(), "both can fit a call") {
				t.Fatal(err)
			}
			return
		}
		if err := flt.amend(p); err != nil {
			return
		}
		if _, err := Compile(p); err != nil {
			return
		}
		compare(t, rand.New(rand.NewPCG(seed, 1)), p, 100)
	})
}

// TestFlagRules checks what rules on top do, their order, and what comes by
// itself.
func TestFlagRules(t *testing.T) {
	nr := func(a *Arch, name string) uint32 {
		n, ok := a.Number(name)
		if !ok {
			t.Fatalf("%s has no %s", a.Name, name)
		}
		return n
	}
	eperm, enosys := Errno(unix.EPERM), Errno(unix.ENOSYS)
	for _, c := range []struct {
		flags string
		arch  *Arch
		name  string
		args  [6]uint64
		want  Action
	}{
		{"--profile none --deny mkdir", X86_64, "mkdir", [6]uint64{}, eperm},
		{"--profile none --deny mkdir", X86_64, "rmdir", [6]uint64{}, Allow},
		{"--profile none --deny mkdir", X86, "rmdir", [6]uint64{}, KillProcess},
		{"--profile none --deny mkdir", X32, "rmdir", [6]uint64{}, KillProcess},
		{"--profile none --deny mkdir --arch x86,x32", X86, "mkdir", [6]uint64{}, eperm},
		{"--profile none --deny mkdir --arch x86,x32", X32, "mkdir", [6]uint64{}, eperm},
		{"--profile none --deny mkdir --arch x86,x32", X32, "rmdir", [6]uint64{}, Allow},
		{"--profile none --allow mkdir --deny mkdir", X86_64, "mkdir", [6]uint64{}, Allow},
		{"--profile none --deny mkdir:EXDEV --allow mkdir", X86_64, "mkdir", [6]uint64{}, Errno(unix.EXDEV)},
		{"--profile none --kill @clock", X86_64, "settimeofday", [6]uint64{}, KillProcess},
		{"--profile none --log @clock", X86_64, "settimeofday", [6]uint64{}, Log},
		{"--profile none --deny socket(arg0==40,arg1==1),io_uring_setup", X86_64, "socket", [6]uint64{40, 1}, eperm},
		{"--profile none --deny socket(arg0==40,arg1==1),io_uring_setup", X86_64, "socket", [6]uint64{40, 2}, Allow},
		{"--profile none --deny socket(arg0==40),io_uring_setup", X86_64, "socket", [6]uint64{1<<32 | 40}, eperm},
		{"--profile none --allow socket(arg0==1) --deny socket,io_uring_setup", X86_64, "socket", [6]uint64{1}, Allow},
		{"--profile none --allow socket(arg0==1) --deny socket,io_uring_setup", X86_64, "socket", [6]uint64{2}, eperm},
		{"--profile none --deny clone3:ENOSYS --deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone", [6]uint64{0x10000011}, eperm},
		{"--profile none --deny clone3:ENOSYS --deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone", [6]uint64{0x11}, Allow},
		{"--profile none --deny clone3:ENOSYS --deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone3", [6]uint64{}, enosys},
		{"--profile none --default deny --allow clone(arg0&0x10000000==0)", X86_64, "clone", [6]uint64{0x10000000}, eperm},
		{"--profile none --default deny --allow clone(arg0&0x10000000==0)", X86_64, "clone3", [6]uint64{}, eperm},
		{"--profile podman --allow clone(arg0&0x10000000==0)", X86_64, "clone", [6]uint64{0x10000000}, Allow},
		// An argument of 32 bits is compared as such, whatever the register has.
		{"--profile none --deny mprotect(arg2==7) --arch x86,x32", X86, "mprotect", [6]uint64{0, 1, 1<<32 | 7}, eperm},
		{"--profile none --deny mprotect(arg2==7) --arch x86,x32", X86, "mprotect", [6]uint64{0, 1, 1<<32 | 3}, Allow},
		{"--profile none --deny mprotect(arg2==7) --arch x86,x32", X86_64, "mprotect", [6]uint64{0, 1, 1<<32 | 7}, Allow},
		{"--profile none --deny mprotect(arg1>0xffffffff) --arch x86", X86, "mprotect", [6]uint64{0, 1 << 32, 7}, Allow},
		{"--profile none --deny mprotect(arg1>0xffffffff) --arch x86", X86_64, "mprotect", [6]uint64{0, 1 << 32, 7}, eperm},
		// A long that may be cut to an int is compared both ways: a rule that denies
		// holds by either, one that allows only by both.
		{"--profile none --deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, 0xfffffffd}, eperm},
		{"--profile none --deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{1 << 32, 0x1fffffffd}, eperm},
		{"--profile none --deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, ^uint64(2)}, eperm},
		{"--profile none --deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, ^uint64(3)}, Allow},
		{"--profile none --default deny --allow fcntl(arg1==4,arg2==0x800)", X86_64, "fcntl", [6]uint64{9, 4, 0x800}, Allow},
		{"--profile none --default deny --allow fcntl(arg1==4,arg2==0x800)", X86_64, "fcntl", [6]uint64{9, 4, 1<<32 | 0x800}, eperm},
		{"--profile none --deny fcntl(arg2>0xffffffff)", X86_64, "fcntl", [6]uint64{9, 4, 1 << 32}, eperm},
		{"--profile none --deny afs_syscall(arg5<2)", X86_64, "afs_syscall", [6]uint64{5: 1<<32 | 1}, eperm},
		{"--profile none --deny setuid(arg0&-1==-2)", X86_64, "setuid", [6]uint64{0x1fffffffe}, eperm},
		{"--profile none --deny setuid(arg0&-1==-2)", X86_64, "setuid", [6]uint64{0xffffffff}, Allow},
		{"--profile none --deny chmod(arg1==-1)", X86_64, "chmod", [6]uint64{1: 07777}, eperm},
		// Arguments in two registers, and of 16 bits.
		{"--profile none --deny pread64(arg3==0x100000002),io_uring_setup,io_submit --arch x86", X86, "pread64", [6]uint64{3: 7<<32 | 2, 4: 7<<32 | 1}, eperm},
		{"--profile none --deny pread64(arg3==0x100000002),io_uring_setup,io_submit --arch x86", X86, "pread64", [6]uint64{3: 0x100000002, 4: 0}, Allow},
		{"--profile none --deny pread64(arg3<=5),io_uring_setup,io_submit --arch x86", X86, "pread64", [6]uint64{3: 1, 4: 1}, Allow},
		{"--profile none --deny setuid(arg0==1000) --arch x86", X86, "setuid", [6]uint64{0x103e8}, eperm},
		{"--profile none --deny setuid(arg0==1000) --arch x86", X86_64, "setuid", [6]uint64{0x103e8}, Allow},
		{"--profile none --deny setuid(arg0==-1) --arch x86", X86, "setuid", [6]uint64{0xffff}, eperm},
		{"--profile none --deny ipc(arg0==23) --arch x86", X86, "ipc", [6]uint64{1<<16 | 23}, eperm},
		// Arguments in memory: for a rule that denies they are what it says.
		{"--profile none --deny mmap(arg2==7) --arch x86", X86, "mmap", [6]uint64{0x1000}, eperm},
		{"--profile none --deny mmap(arg2==7) --arch x86", X86_64, "mmap", [6]uint64{0, 1, 3}, Allow},
		{"--profile none --deny select(arg0>100) --arch x86", X86, "select", [6]uint64{0x1000}, eperm},
		{"--profile none --deny mmap(arg2==7),mmap2(arg2==7) --arch x86", X86, "mmap2", [6]uint64{2: 1<<32 | 7}, eperm},
		{"--profile none --deny mmap2(arg2==7) --arch native", X86_64, "mmap", [6]uint64{2: 7}, Allow},
		{"--profile none --default deny --allow mmap(arg2!=7) --arch x86", X86, "mmap", [6]uint64{0x1000}, eperm},
		{"--profile none --default deny --allow mmap(arg2!=7) --arch x86", X86_64, "mmap", [6]uint64{0, 1, 3}, Allow},
		// What is denied is denied by its other names on 32 bits.
		{"--profile none --deny setuid --arch x86", X86, "setuid32", [6]uint64{}, eperm},
		{"--profile none --allow setuid --default deny --arch x86", X86, "setuid32", [6]uint64{}, eperm},
		{"--profile none --allow setuid32 --deny setuid --arch x86", X86, "setuid32", [6]uint64{}, Allow},
		{"--profile none --kill setuid(arg0==70000) --arch x86", X86, "setuid32", [6]uint64{70000}, KillProcess},
		{"--profile none --kill setuid(arg0==70000) --arch x86", X86, "setuid", [6]uint64{70000}, Allow},
		{"--profile none --deny truncate(arg1>0xffffffff) --arch x86", X86, "truncate64", [6]uint64{0, 0, 1}, eperm},
		{"--profile none --deny truncate(arg1>0xffffffff) --arch x86", X86, "truncate64", [6]uint64{0, 5, 0}, Allow},
		{"--profile none --deny mmap(arg2==7,arg5==0) --arch x86", X86, "mmap2", [6]uint64{2: 7, 5: 9}, eperm},
		{"--profile none --deny mmap(arg2==7,arg5==0) --arch x86", X86, "mmap2", [6]uint64{2: 5}, Allow},
		{"--profile none --deny fcntl(arg1==4) --arch x86", X86, "fcntl64", [6]uint64{9, 4}, eperm},
		{"--profile none --deny umount2 --arch x86", X86, "umount", [6]uint64{}, eperm},
		{"--profile none --deny umount2(arg1==2) --arch x86", X86, "umount", [6]uint64{1: 2}, Allow},
		{"--profile none --deny clock_settime,settimeofday --arch x86", X86, "stime", [6]uint64{}, eperm},
		// Conditions too: where the second name has the argument, or a number for it.
		{"--profile none --deny umount2(arg1==0) --arch x86", X86, "umount", [6]uint64{}, eperm},
		{"--profile none --deny umount2(arg1&2==0) --arch x86", X86, "umount", [6]uint64{1: 2}, eperm},
		{"--profile none --deny wait4(arg0==-1) --arch x86", X86, "waitpid", [6]uint64{0xffffffff}, eperm},
		{"--profile none --deny wait4(arg0==-1) --arch x86", X86, "waitpid", [6]uint64{5}, Allow},
		{"--profile none --deny wait4(arg3!=0) --arch x86", X86, "waitpid", [6]uint64{3: 5}, Allow},
		{"--profile none --deny rt_sigaction(arg0==2) --arch x86", X86, "signal", [6]uint64{2}, eperm},
		{"--profile none --deny rt_sigaction(arg0==2) --arch x86", X86, "sigaction", [6]uint64{2}, eperm},
		{"--profile none --deny rt_sigaction(arg0==2) --arch x86", X86, "sigaction", [6]uint64{3}, Allow},
		{"--profile none --deny rt_sigaction(arg0==2,arg1!=0) --arch x86", X86, "signal", [6]uint64{2}, eperm},
		{"--profile none --deny rt_sigaction(arg0==2,arg1!=0) --arch x86", X86, "sigaction", [6]uint64{2, 0}, Allow},
		{"--profile none --deny rt_sigprocmask(arg0==2) --arch x86", X86, "ssetmask", [6]uint64{5}, eperm},
		{"--profile none --deny rt_sigprocmask(arg0==1) --arch x86", X86, "ssetmask", [6]uint64{1}, Allow},
		{"--profile none --deny lseek(arg0==3,arg2==2) --arch x86", X86, "_llseek", [6]uint64{3, 9, 9, 9, 2}, eperm},
		{"--profile none --deny lseek(arg0==3,arg2==2) --arch x86", X86, "_llseek", [6]uint64{3, 2, 2, 2, 0}, Allow},
		{"--profile none --deny lseek(arg1==5) --arch x86", X86, "_llseek", [6]uint64{}, eperm},
		{"--profile none --deny statfs(arg1==5) --arch x86", X86, "statfs64", [6]uint64{0, 5, 6}, Allow},
		{"--profile none --deny statfs(arg1==5) --arch x86", X86, "statfs64", [6]uint64{0, 6, 5}, eperm},
		{"--profile none --deny clock_settime(arg0==0) --arch x86", X86, "stime", [6]uint64{}, eperm},
		{"--profile none --deny clock_settime(arg0==1) --arch x86", X86, "stime", [6]uint64{}, Allow},
		{"--profile none --deny getdents(arg0==3) --arch x86", X86, "readdir", [6]uint64{3}, eperm},
		{"--profile none --deny sendto --arch x86", X86, "socketcall", [6]uint64{9}, eperm},
		{"--profile none --deny recvfrom --arch x86", X86, "socketcall", [6]uint64{10}, eperm},
		{"--profile none --deny sendto --arch x86", X86, "socketcall", [6]uint64{10}, Allow},
		// What socketcall(2) and ipc(2) do comes along.
		{"--profile none --deny socket --arch x86", X86, "socketcall", [6]uint64{1}, eperm},
		{"--profile none --deny socket --arch x86", X86, "socketcall", [6]uint64{2}, Allow},
		{"--profile none --deny @network-io --arch x86", X86, "socketcall", [6]uint64{17}, eperm},
		{"--profile none --deny shmget --arch x86", X86, "ipc", [6]uint64{1<<16 | 23}, eperm},
		{"--profile none --deny shmget --arch x86", X86, "ipc", [6]uint64{24}, Allow},
		// A ring that is allowed by its name is meant, and one that is denied no way.
		{"--profile none --deny openat(arg2&3==1),openat2 --allow io_uring_setup", X86_64, "openat", [6]uint64{2: 1}, eperm},
		{"--profile none --deny openat(arg2&3==1),openat2 --allow io_uring_setup", X86_64, "io_uring_setup", [6]uint64{}, Allow},
		{"--deny socket(arg0==40) --arch x86_64", X86_64, "socket", [6]uint64{40}, eperm},
		{"--profile none --deny ioctl(arg1==0x5413)", X86_64, "file_setattr", [6]uint64{}, Allow},
		{"--profile none --deny mount(arg3&0x21==0x20),mount_setattr,open_tree_attr,fsconfig", X86_64, "move_mount", [6]uint64{}, Allow},
		// The guard of the terminal is the profile's: rules come before it.
		{"", X86_64, "ioctl", [6]uint64{0, unix.TIOCSTI}, eperm},
		{"--allow ioctl", X86_64, "ioctl", [6]uint64{0, unix.TIOCSTI}, Allow},
		{"--profile docker --allow setns", X86_64, "setns", [6]uint64{}, Allow},
		{"--profile docker --deny read", X86_64, "read", [6]uint64{}, eperm},
		// --default means every call that the tables have.
		{"--profile none --default kill --allow read", X86_64, "read", [6]uint64{}, Allow},
		{"--profile none --default kill --allow read", X86_64, "write", [6]uint64{}, KillProcess},
		{"--profile none --default kill --allow read", X86_64, "openat2", [6]uint64{}, KillProcess},
		{"--profile none --default kill --allow read", X86_64, X86_64.newest(), [6]uint64{}, KillProcess},
		{"--profile none --default deny:EXDEV --arch x32", X32, X32.newest(), [6]uint64{}, Errno(unix.EXDEV)},
		{"--profile podman --default kill", X86_64, "kexec_load", [6]uint64{}, eperm},
	} {
		f, err := flagged(strings.Fields(c.flags))
		if err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		p, _, err := f.base(Target{X86_64, func(string) bool { return false }, func(a, b uint64) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.amend(p); err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := newMachine(t, code).run(t, c.arch.Audit, nr(c.arch, c.name), c.args); got != c.want {
			t.Errorf("%s: %s(%#x) on %s: %v; want %v", c.flags, c.name, c.args, c.arch.Name, got, c.want)
		}
		above := nr(c.arch, c.arch.newest()) + 1
		if got := newMachine(t, code).run(t, c.arch.Audit, above, c.args); f.Default != nil && got != enosys {
			t.Errorf("%s: a call newer than the tables: %v; want %v", c.flags, got, enosys)
		}
	}
}

func TestFlagRulesRefused(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"--deny nosuch", "there is no system call \"nosuch\""},
		{"--kill nosuch", "there is no system call \"nosuch\""},
		{"--allow nosuch", "there is no system call \"nosuch\""},
		{"--log nosuch(arg0==1)", "there is no system call \"nosuch\""},
		{"--deny socket(arg0&1==2)", "--deny=socket(arg0&1==2): socket: argument 0: masked with 0x1 it is never 0x2"},
		{"--deny socket(arg0==0x100000001)", "the kernel takes 32 bits of it"},
		{"--deny gettid(arg0==1)", "gettid: argument 0: the call has no such argument"},
		{"--deny preadv(arg4==1) --arch x86", "preadv: argument 4: the call has no such argument"},
		{"--deny kill(arg0<0)", "it has no sign: it is never less than 0"},
		{"--kill mprotect(arg2>0xffffffffffffffff)", "it is never more than all ones"},
		{"--deny setuid(arg0>0xffffffff)", "it is never more than all ones"},
		{"--deny setuid(arg0>=0x100000000)", "it is never so much"},
		{"--deny read(arg0==0,arg0==1)", "its conditions exclude one another"},
		{"--deny read(arg0>=3,arg2>9,arg0<3)", "argument 0: its conditions exclude one another"},
		{"--deny socket(arg1&0xf==1,arg1&0x3==2)", "its conditions exclude one another"},
		{"--deny socket(arg1&0xf==1,arg1<17,arg1!=1)", "its conditions exclude one another"},
		{"--allow kill(arg0>=0)", "kill: argument 0: arg0>=0 always holds"},
		{"--deny socket(arg0&0==0)", "arg0&0==0 always holds"},
		{"--allow setuid(arg0<=0xffffffff)", "always holds"},
		{"--deny mkdir:0", "is no errno"},
		{"--bpf x --deny mkdir", "--bpf takes a filter as it is"},
		{"--profile none --bpf x", "--bpf takes a filter as it is"},
		{"--default nothing", "is not allow, log, kill, deny"},
		{"--arch mips", `"mips" is not`},
		{"--arch arm", "--arch arm: this machine does not run its programs"},
		{"--deny socket(arg0==40)", "x86 can make it by socketcall(2)"},
		{"--arch x86 --deny socketcall(arg0==11) --deny sendto(arg3&1==1)", "send: programs of x86 can make it by socketcall(2)"},
		{"--deny semget(arg0==40)", "x86 can make it by ipc(2)"},
		{"--arch x86_64 --deny clone(arg0&0x10000000==0x10000000)", "clone: clone3(2) does the same with arguments that no filter sees: deny clone3:ENOSYS too"},
		{"--arch x86_64 --deny creat(arg1!=0)", "openat2(2) does the same"},
		{"--arch x86_64 --deny sched_setscheduler(arg1==1)", "sched_setattr(2) does the same"},
		{"--arch x86_64 --deny setpriority(arg0==0)", "sched_setattr(2) does the same"},
		{"--profile none --deny lsetxattr(arg4==1)", "setxattrat(2) does the same"},
		{"--arch x86_64 --deny mount(arg3&1==1)", "mount_setattr(2) does the same"},
		{"--arch x86 --deny mmap2(arg2==7)", "mmap2: mmap(2) of x86 does the same with arguments that no filter sees: deny mmap for the same arguments too"},
		{"--arch x86 --deny _newselect(arg0>9)", "select(2) of x86 does the same"},
		{"--arch x86_64 --deny openat(arg2&1==1)", "openat2(2) does the same"},
		{"--profile none --deny openat(arg2&1==1),openat2", "--deny=openat(arg2&1==1),openat2: openat: io_uring_setup(2) can do the same, and no filter sees with what arguments: deny io_uring_setup:ENOSYS too, or allow it by its name"},
		{"--profile none --default deny --allow socket(arg0==1),@aio", "socket: io_uring_setup(2) can"},
		{"--profile none --allow read --deny connect(arg0==3)", "connect: io_uring_setup(2) can"},
		{"--arch x86_64 --deny pwrite64(arg0==3)", "io_submit(2) can do the same"},
		{"--profile none --deny mount(arg3&0x1000==0x1000),mount_setattr,open_tree_attr,fsconfig", "mount: move_mount(2) can do the same"},
		{"--profile none --deny ioctl(arg1==0x401c5820)", "ioctl: file_setattr(2) can do the same"},
		{"--profile none --allow ioctl(arg1==0x5413) --deny ioctl", "ioctl: file_setattr(2) can do the same, and no filter sees with what arguments: deny file_setattr:ENOSYS too, or allow it by its name; file_getattr(2)"},
		{"--arch x86_64 --allow openat(arg2&3==0) --deny openat", "openat2(2) does the same"},
		{"--profile none --default deny --allow clone(arg0&0x10000000==0),clone3", "clone3(2) does the same"},
		{"--profile none --default deny --allow socket(arg0==1),socketcall --arch x86", "x86 can make it by socketcall(2)"},
	} {
		f, err := flagged(strings.Fields(c.flags))
		if err == nil {
			var p *Policy
			if p, _, err = f.base(Target{X86_64, func(string) bool { return false }, func(a, b uint64) bool { return true }}); err == nil {
				err = f.amend(p)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q", c.flags, err, c.want)
		}
	}
}
