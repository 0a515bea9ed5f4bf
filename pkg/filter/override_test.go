package filter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// overridden is the policy of a profile on x86_64 with overrides, in words: the
// profile's name, then allow, deny, kill or log with calls, default with an action,
// and arch with names.
func overridden(text string) (p *Policy, defaultGiven bool, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, false, errors.New("no profile")
	}
	t := Target{Arch: X86_64, Kernel: func(a, b uint64) bool { return true }}
	var list []Override
	for i := 1; i+1 < len(words); i += 2 {
		switch word, value := words[i], words[i+1]; word {
		case "arch":
			t.Arches = []*Arch{X86_64}
			for _, name := range strings.Split(value, ",") {
				a, err := ParseArch(name)
				if err != nil {
					return nil, false, err
				}
				if a != X86_64 {
					t.Arches = append(t.Arches, a)
				}
			}
		case "default":
			act, err := ParseAction(value)
			if err != nil {
				return nil, false, err
			}
			t.Default = &act
		case "restrict":
			more, err := ParseRestrictions(value)
			if err != nil {
				return nil, false, err
			}
			list = append(list, more...)
		default:
			act, err := ParseAction(word)
			if err != nil {
				return nil, false, err
			}
			o, err := ParseOverride(act, value)
			if err != nil {
				return nil, false, err
			}
			list = append(list, o)
		}
	}
	switch words[0] {
	case "none":
		p = &Policy{Default: Allow, Newer: Allow, Arches: []*Arch{X86_64}}
	case "audit":
		p = Audit(X86_64)
	default:
		if p, err = Builtin(words[0], t); err != nil {
			return nil, false, err
		}
	}
	if t.Arches != nil {
		p.Arches = t.Arches
	}
	return p, t.Default != nil, p.Override(list, t.Default)
}

// FuzzOverride checks that overrides which can be read print as what reads the same,
// and that a policy with them compiles to what it means.
func FuzzOverride(f *testing.F) {
	for _, text := range []string{
		"podman deny mkdir,@clock:EXDEV", "none allow socket(arg0==1,arg1&0xf==1) default deny",
		"podman log openat(arg2>=0x40) kill reboot arch x86,native", "docker deny clone(arg0&0x7e020000!=0)",
		"audit default deny:4000", "docker deny socket,ipc", "none deny prctl(arg0>=1,arg0<=5) allow read(arg0==1)",
		"none arch x32 kill set_tls", "none arch x86 restrict namespaces,suid-sgid allow unshare restrict address-families=~AF_UNIX+AF_VSOCK",
		"none deny clone(arg0&CLONE_NEWUSER|CLONE_NEWNET),clone3:ENOSYS",
		"none deny mprotect(arg2 & ~(1|2) != 0, arg1 >= 4096) kill kill( arg1 == SIGKILL )",
	} {
		f.Add(text, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		words := strings.Fields(text)
		for i := 1; i+1 < len(words); i += 2 {
			act, err := ParseAction(words[i])
			if err != nil {
				continue
			}
			o, err := ParseOverride(act, words[i+1])
			if err != nil {
				continue
			}
			word, list, _ := strings.Cut(o.String(), "=")
			if act, err = ParseAction(word); err != nil {
				t.Fatalf("%v prints as %s: %v", o, o, err)
			}
			if again, err := ParseOverride(act, list); err != nil || fmt.Sprint(again) != o.String() {
				t.Fatalf("%s is read again as %v, %v", o, again, err)
			}
		}
		p, _, err := overridden(text)
		if err != nil {
			return
		}
		if _, err := Compile(p); err != nil {
			return
		}
		compare(t, rand.New(rand.NewPCG(seed, 1)), p, 100)
	})
}

// TestOverrideError has the index of the override that cannot be what it says.
func TestOverrideError(t *testing.T) {
	for _, c := range []struct {
		words string
		index int
		want  string
	}{
		{"none deny mkdir deny kill(arg0<0)", 1, "kill: argument 0: it is unsigned: it is never less than 0"},
		{"none deny clone(arg0==1) deny mkdir", 0, "clone: clone3(2) does the same with arguments that a filter cannot see: deny clone3:ENOSYS too"},
	} {
		_, _, err := overridden(c.words)
		var of *OverrideError
		if !errors.As(err, &of) || of.Index != c.index || of.Err.Error() != c.want {
			t.Errorf("%s: error %v; want one of override %d: %s", c.words, err, c.index, c.want)
		}
	}
}

// TestAbsent has calls of an override that the architectures of a policy lack.
func TestAbsent(t *testing.T) {
	p := &Policy{Arches: []*Arch{X86_64}}
	for _, c := range []struct {
		act        Action
		text, want string
	}{
		{KillProcess, "waitpid", "waitpid"}, {KillProcess, "waitpid,read,stime", "waitpid stime"}, {KillProcess, "@clock", ""},
		{Allow, "waitpid", ""}, {Log, "waitpid", ""},
	} {
		o, err := ParseOverride(c.act, c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Absent(o), " "); got != c.want {
			t.Errorf("Absent(%s) = %q; want %q", o, got, c.want)
		}
	}
}

// TestOverride checks what overrides do, their order, and what comes by
// itself.
func TestOverride(t *testing.T) {
	nr := func(a *Arch, name string) uint32 {
		n, ok := a.Number(name)
		if !ok {
			t.Fatalf("%s has no %s", a.Name, name)
		}
		return n
	}
	eperm, enosys := Errno(unix.EPERM), Errno(unix.ENOSYS)
	for _, c := range []struct {
		words string
		arch  *Arch
		name  string
		args  [6]uint64
		want  Action
	}{
		{"none deny mkdir", X86_64, "mkdir", [6]uint64{}, eperm},
		{"none deny mkdir", X86_64, "rmdir", [6]uint64{}, Allow},
		{"none deny mkdir", X86, "rmdir", [6]uint64{}, KillProcess},
		{"none deny mkdir", X32, "rmdir", [6]uint64{}, KillProcess},
		{"none deny mkdir arch x86,x32", X86, "mkdir", [6]uint64{}, eperm},
		{"none deny mkdir arch x86,x32", X32, "mkdir", [6]uint64{}, eperm},
		{"none deny mkdir arch x86,x32", X32, "rmdir", [6]uint64{}, Allow},
		{"none allow mkdir deny mkdir", X86_64, "mkdir", [6]uint64{}, Allow},
		{"none deny mkdir:EXDEV allow mkdir", X86_64, "mkdir", [6]uint64{}, Errno(unix.EXDEV)},
		{"none kill @clock", X86_64, "settimeofday", [6]uint64{}, KillProcess},
		{"none log @clock", X86_64, "settimeofday", [6]uint64{}, Log},
		{"none deny socket(arg0==40,arg1==1),io_uring_setup", X86_64, "socket", [6]uint64{40, 1}, eperm},
		{"none deny socket(arg0==40,arg1==1),io_uring_setup", X86_64, "socket", [6]uint64{40, 2}, Allow},
		{"none deny socket(arg0==40),io_uring_setup", X86_64, "socket", [6]uint64{1<<32 | 40}, eperm},
		{"none allow socket(arg0==1) deny socket,io_uring_setup", X86_64, "socket", [6]uint64{1}, Allow},
		{"none allow socket(arg0==1) deny socket,io_uring_setup", X86_64, "socket", [6]uint64{2}, eperm},
		{"none deny clone3:ENOSYS deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone", [6]uint64{0x10000011}, eperm},
		{"none deny clone3:ENOSYS deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone", [6]uint64{0x11}, Allow},
		{"none deny clone3:ENOSYS deny clone(arg0&0x10000000==0x10000000)", X86_64, "clone3", [6]uint64{}, enosys},
		{"none default deny allow clone(arg0&0x10000000==0)", X86_64, "clone", [6]uint64{0x10000000}, eperm},
		{"none default deny allow clone(arg0&0x10000000==0)", X86_64, "clone3", [6]uint64{}, eperm},
		{"podman allow clone(arg0&0x10000000==0)", X86_64, "clone", [6]uint64{0x10000000}, Allow},
		// Numbers that only 32-bit programs have for the same.
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl64", [6]uint64{3, 6}, eperm},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl64", [6]uint64{3, 13}, eperm},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl64", [6]uint64{3, 1<<32 | 13}, eperm},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl64", [6]uint64{3, 12}, Allow},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl64", [6]uint64{3, 14}, Allow},
		{"none deny fcntl(arg1==F_SETLKW) arch x86", X86, "fcntl64", [6]uint64{3, 14}, eperm},
		{"none deny fcntl(arg1>=F_GETLK,arg1<=F_SETLK) arch x86", X86, "fcntl64", [6]uint64{3, 12}, eperm},
		{"none deny fcntl(arg1==F_SETLK,arg0==3) arch x86", X86, "fcntl64", [6]uint64{4, 13}, Allow},
		{"none deny fcntl(arg1==F_SETLK,arg0==3) arch x86", X86, "fcntl64", [6]uint64{3, 13}, eperm},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl", [6]uint64{3, 13}, eperm},
		{"none deny fcntl(arg1==F_SETLK) arch x86,x32", X86, "fcntl", [6]uint64{3, 14}, Allow},
		{"none deny fcntl(arg1==F_GETLK) arch x86", X86, "fcntl", [6]uint64{3, 12}, eperm},
		{"none deny fcntl(arg1==F_SETLKW) arch x86", X86, "fcntl", [6]uint64{3, 14}, eperm},
		{"none deny fcntl(arg1==F_SETLK)", X86_64, "fcntl", [6]uint64{3, 13}, Allow},
		{"none deny fcntl(arg1==F_SETFL) arch x86", X86, "fcntl64", [6]uint64{3, 13}, Allow},
		{"none deny fcntl(arg1!=F_SETLK) arch x86", X86, "fcntl64", [6]uint64{3, 6}, Allow},
		{"none allow fcntl64(arg1==13) deny fcntl(arg1==F_SETLK) arch x86", X86, "fcntl64", [6]uint64{3, 13}, Allow},
		{"none deny ioctl(arg1==FS_IOC_SETFLAGS),file_setattr arch x86,x32", X86, "ioctl", [6]uint64{3, 0x40046602}, eperm},
		{"none deny ioctl(arg1==FS_IOC_SETFLAGS),file_setattr arch x86,x32", X32, "ioctl", [6]uint64{3, 0x40046602}, eperm},
		{"none deny ioctl(arg1==FS_IOC_SETFLAGS),file_setattr arch x86,x32", X86, "ioctl", [6]uint64{3, 0x80046601}, Allow},
		{"none deny ioctl(arg1==FS_IOC_SETFLAGS),file_setattr", X86_64, "ioctl", [6]uint64{3, 0x40046602}, Allow},
		{"none deny ioctl(arg1==BLKBSZSET) arch x32", X32, "ioctl", [6]uint64{3, 0x40041271}, eperm},
		// An argument of 32 bits is compared as such, whatever the register has.
		{"none deny mprotect(arg2==7) arch x86,x32", X86, "mprotect", [6]uint64{0, 1, 1<<32 | 7}, eperm},
		{"none deny mprotect(arg2==7) arch x86,x32", X86, "mprotect", [6]uint64{0, 1, 1<<32 | 3}, Allow},
		{"none deny mprotect(arg2==7) arch x86,x32", X86_64, "mprotect", [6]uint64{0, 1, 1<<32 | 7}, Allow},
		{"none deny mprotect(arg1>0xffffffff) arch x86", X86, "mprotect", [6]uint64{0, 1 << 32, 7}, Allow},
		{"none deny mprotect(arg1>0xffffffff) arch x86", X86_64, "mprotect", [6]uint64{0, 1 << 32, 7}, eperm},
		// A long that may be truncated to an int is compared both ways: a rule that
		// denies matches for either, one that allows only for both.
		{"none deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, 0xfffffffd}, eperm},
		{"none deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{1 << 32, 0x1fffffffd}, eperm},
		{"none deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, ^uint64(2)}, eperm},
		{"none deny keyctl(arg0==0,arg1==-3)", X86_64, "keyctl", [6]uint64{0, ^uint64(3)}, Allow},
		{"none default deny allow fcntl(arg1==4,arg2==0x800)", X86_64, "fcntl", [6]uint64{9, 4, 0x800}, Allow},
		{"none default deny allow fcntl(arg1==4,arg2==0x800)", X86_64, "fcntl", [6]uint64{9, 4, 1<<32 | 0x800}, eperm},
		{"none deny fcntl(arg2>0xffffffff)", X86_64, "fcntl", [6]uint64{9, 4, 1 << 32}, eperm},
		{"none deny afs_syscall(arg5<2)", X86_64, "afs_syscall", [6]uint64{5: 1<<32 | 1}, eperm},
		{"none deny setuid(arg0&-1==-2)", X86_64, "setuid", [6]uint64{0x1fffffffe}, eperm},
		{"none deny setuid(arg0&-1==-2)", X86_64, "setuid", [6]uint64{0xffffffff}, Allow},
		{"none deny chmod(arg1==-1)", X86_64, "chmod", [6]uint64{1: 07777}, eperm},
		// Arguments in two registers, and of 16 bits.
		{"none deny pread64(arg3==0x100000002),io_uring_setup,io_submit arch x86", X86, "pread64", [6]uint64{3: 7<<32 | 2, 4: 7<<32 | 1}, eperm},
		{"none deny pread64(arg3==0x100000002),io_uring_setup,io_submit arch x86", X86, "pread64", [6]uint64{3: 0x100000002, 4: 0}, Allow},
		{"none deny pread64(arg3<=5),io_uring_setup,io_submit arch x86", X86, "pread64", [6]uint64{3: 1, 4: 1}, Allow},
		{"none deny setuid(arg0==1000) arch x86", X86, "setuid", [6]uint64{0x103e8}, eperm},
		{"none deny setuid(arg0==1000) arch x86", X86_64, "setuid", [6]uint64{0x103e8}, Allow},
		{"none deny setuid(arg0==-1) arch x86", X86, "setuid", [6]uint64{0xffff}, eperm},
		{"none deny ipc(arg0==23) arch x86", X86, "ipc", [6]uint64{1<<16 | 23}, eperm},
		// Arguments in memory: for a rule that denies they are what it says.
		{"none deny mmap(arg2==7) arch x86", X86, "mmap", [6]uint64{0x1000}, eperm},
		{"none deny mmap(arg2==7) arch x86", X86_64, "mmap", [6]uint64{0, 1, 3}, Allow},
		{"none deny select(arg0>100) arch x86", X86, "select", [6]uint64{0x1000}, eperm},
		{"none deny mmap(arg2==7),mmap2(arg2==7) arch x86", X86, "mmap2", [6]uint64{2: 1<<32 | 7}, eperm},
		{"none deny mmap2(arg2==7) arch native", X86_64, "mmap", [6]uint64{2: 7}, Allow},
		{"none default deny allow mmap(arg2!=7) arch x86", X86, "mmap", [6]uint64{0x1000}, eperm},
		{"none default deny allow mmap(arg2!=7) arch x86", X86_64, "mmap", [6]uint64{0, 1, 3}, Allow},
		// A denied call is also denied by its other names on 32-bit architectures.
		{"none deny setuid arch x86", X86, "setuid32", [6]uint64{}, eperm},
		{"none allow setuid default deny arch x86", X86, "setuid32", [6]uint64{}, eperm},
		{"none allow setuid32 deny setuid arch x86", X86, "setuid32", [6]uint64{}, Allow},
		{"none kill setuid(arg0==70000) arch x86", X86, "setuid32", [6]uint64{70000}, KillProcess},
		{"none kill setuid(arg0==70000) arch x86", X86, "setuid", [6]uint64{70000}, Allow},
		{"none deny truncate(arg1>0xffffffff) arch x86", X86, "truncate64", [6]uint64{0, 0, 1}, eperm},
		{"none deny truncate(arg1>0xffffffff) arch x86", X86, "truncate64", [6]uint64{0, 5, 0}, Allow},
		{"none deny mmap(arg2==7,arg5==0) arch x86", X86, "mmap2", [6]uint64{2: 7, 5: 9}, eperm},
		{"none deny mmap(arg2==7,arg5==0) arch x86", X86, "mmap2", [6]uint64{2: 5}, Allow},
		{"none deny fcntl(arg1==4) arch x86", X86, "fcntl64", [6]uint64{9, 4}, eperm},
		{"none deny umount2 arch x86", X86, "umount", [6]uint64{}, eperm},
		{"none deny umount2(arg1==2) arch x86", X86, "umount", [6]uint64{1: 2}, Allow},
		{"none deny clock_settime,settimeofday arch x86", X86, "stime", [6]uint64{}, eperm},
		// Conditions too: where the second name has the argument, or a number for it.
		{"none deny umount2(arg1==0) arch x86", X86, "umount", [6]uint64{}, eperm},
		{"none deny umount2(arg1&2==0) arch x86", X86, "umount", [6]uint64{1: 2}, eperm},
		{"none deny wait4(arg0==-1) arch x86", X86, "waitpid", [6]uint64{0xffffffff}, eperm},
		{"none deny wait4(arg0==-1) arch x86", X86, "waitpid", [6]uint64{5}, Allow},
		{"none deny wait4(arg3!=0) arch x86", X86, "waitpid", [6]uint64{3: 5}, Allow},
		{"none deny rt_sigaction(arg0==2) arch x86", X86, "signal", [6]uint64{2}, eperm},
		{"none deny rt_sigaction(arg0==2) arch x86", X86, "sigaction", [6]uint64{2}, eperm},
		{"none deny rt_sigaction(arg0==2) arch x86", X86, "sigaction", [6]uint64{3}, Allow},
		{"none deny rt_sigaction(arg0==2,arg1!=0) arch x86", X86, "signal", [6]uint64{2}, eperm},
		{"none deny rt_sigaction(arg0==2,arg1!=0) arch x86", X86, "sigaction", [6]uint64{2, 0}, Allow},
		{"none deny rt_sigprocmask(arg0==2) arch x86", X86, "ssetmask", [6]uint64{5}, eperm},
		{"none deny rt_sigprocmask(arg0==1) arch x86", X86, "ssetmask", [6]uint64{1}, Allow},
		{"none deny lseek(arg0==3,arg2==2) arch x86", X86, "_llseek", [6]uint64{3, 9, 9, 9, 2}, eperm},
		{"none deny lseek(arg0==3,arg2==2) arch x86", X86, "_llseek", [6]uint64{3, 2, 2, 2, 0}, Allow},
		{"none deny lseek(arg1==5) arch x86", X86, "_llseek", [6]uint64{}, eperm},
		{"none deny statfs(arg1==5) arch x86", X86, "statfs64", [6]uint64{0, 5, 6}, Allow},
		{"none deny statfs(arg1==5) arch x86", X86, "statfs64", [6]uint64{0, 6, 5}, eperm},
		{"none deny clock_settime(arg0==0) arch x86", X86, "stime", [6]uint64{}, eperm},
		{"none deny clock_settime(arg0==1) arch x86", X86, "stime", [6]uint64{}, Allow},
		{"none deny getdents(arg0==3) arch x86", X86, "readdir", [6]uint64{3}, eperm},
		{"none deny sendto arch x86", X86, "socketcall", [6]uint64{9}, eperm},
		{"none deny recvfrom arch x86", X86, "socketcall", [6]uint64{10}, eperm},
		{"none deny sendto arch x86", X86, "socketcall", [6]uint64{10}, Allow},
		// What socketcall(2) and ipc(2) do comes along.
		{"none deny socket arch x86", X86, "socketcall", [6]uint64{1}, eperm},
		{"none deny socket arch x86", X86, "socketcall", [6]uint64{2}, Allow},
		{"none deny @network-io arch x86", X86, "socketcall", [6]uint64{17}, eperm},
		{"none deny shmget arch x86", X86, "ipc", [6]uint64{1<<16 | 23}, eperm},
		{"none deny shmget arch x86", X86, "ipc", [6]uint64{24}, Allow},
		// A ring that is allowed by name is intended, and one that is denied is not a
		// bypass.
		{"none deny openat(arg2&3==1),openat2 allow io_uring_setup", X86_64, "openat", [6]uint64{2: 1}, eperm},
		{"none deny openat(arg2&3==1),openat2 allow io_uring_setup", X86_64, "io_uring_setup", [6]uint64{}, Allow},
		{"podman deny socket(arg0==40) arch x86_64", X86_64, "socket", [6]uint64{40}, eperm},
		{"none deny ioctl(arg1==0x5413)", X86_64, "file_setattr", [6]uint64{}, Allow},
		{"none deny mount(arg3&0x21==0x20),mount_setattr,open_tree_attr,fsconfig", X86_64, "move_mount", [6]uint64{}, Allow},
		// The guard of the terminal is the profile's: rules come before it.
		{"podman", X86_64, "ioctl", [6]uint64{0, unix.TIOCSTI}, eperm},
		{"podman allow ioctl", X86_64, "ioctl", [6]uint64{0, unix.TIOCSTI}, Allow},
		{"docker allow setns", X86_64, "setns", [6]uint64{}, Allow},
		{"docker deny read", X86_64, "read", [6]uint64{}, eperm},
		// default means every call that the tables have.
		{"none default kill allow read", X86_64, "read", [6]uint64{}, Allow},
		{"none default kill allow read", X86_64, "write", [6]uint64{}, KillProcess},
		{"none default kill allow read", X86_64, "openat2", [6]uint64{}, KillProcess},
		{"none default kill allow read", X86_64, X86_64.newest(), [6]uint64{}, KillProcess},
		{"none default deny:EXDEV arch x32", X32, X32.newest(), [6]uint64{}, Errno(unix.EXDEV)},
		{"podman default kill", X86_64, "kexec_load", [6]uint64{}, eperm},
	} {
		p, given, err := overridden(c.words)
		if err != nil {
			t.Errorf("overridden(%s) = %v; want no error", c.words, err)
			continue
		}
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := newMachine(t, code).run(t, c.arch.Audit, nr(c.arch, c.name), c.args); got != c.want {
			t.Errorf("%s: %s(%#x) on %s = %v; want %v", c.words, c.name, c.args, c.arch.Name, got, c.want)
		}
		above := nr(c.arch, c.arch.newest()) + 1
		if got := newMachine(t, code).run(t, c.arch.Audit, above, c.args); given && got != enosys {
			t.Errorf("%s: a call newer than the tables = %v; want %v", c.words, got, enosys)
		}
	}
}
