package seccomp

import (
	"reflect"
	"strings"
	"testing"

	"hk/pkg/filter"
	"hk/pkg/getopt"
)

func flagged(args []string) (*Filter, error) {
	f := &Filter{}
	var fs getopt.Flags
	f.Flags(&fs)
	_, err := fs.Parse(args)
	return f, err
}

// FuzzFlags checks that flags that can be read print as flags that read the same, and
// that what is wrong with a policy names a flag.
func FuzzFlags(f *testing.F) {
	for _, line := range []string{
		"--deny mkdir,@clock:EXDEV", "--profile none --allow socket(arg0==1,arg1&0xf==1) --default deny",
		"--log openat(arg2>=0x40) --kill reboot --arch x86,native", "--deny clone(arg0&0x7e020000!=0)",
		"--default deny:4000 --profile audit --allow-new-privs", "--bpf x --dump asm", "--deny socket,ipc --profile docker",
		"--profile none --deny prctl(arg0>=1,arg0<=5) --allow read(arg0==1)", "--deny socket(arg1&0xf!=SOCK_STREAM|1)", "--arch x32,arm --kill set_tls",
		"--restrict namespaces,realtime --restrict address-families=AF_UNIX+AF_INET --log-denied",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
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
		if strings.ContainsAny(flt.BPF+flt.Profile, "./") || flt.Profile == "-" || flt.BPF != "" || flt.Learn != "" {
			return
		}
		if _, err := flt.filter(0); err != nil && !strings.HasPrefix(err.Error(), "--") && !strings.Contains(err.Error(), "the kernel accepts at most") {
			t.Fatalf("%q: %v names no flag", line, err)
		}
	})
}

// TestFlagsRefused has flags that are refused, and which of them the error names.
func TestFlagsRefused(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"--deny nosuch", "there is no system call \"nosuch\""},
		{"--kill nosuch", "there is no system call \"nosuch\""},
		{"--allow nosuch", "there is no system call \"nosuch\""},
		{"--log nosuch(arg0==1)", "there is no system call \"nosuch\""},
		{"--deny socket(arg0&1==2)", "--deny=socket(arg0&1==2): socket: argument 0: masked with 0x1 it is never 0x2"},
		{"--deny socket(arg0==0x100000001)", "the kernel uses 32 bits of it"},
		{"--deny gettid(arg0==1)", "gettid: argument 0: the call has no such argument"},
		{"--deny preadv(arg4==1) --arch x86", "preadv: argument 4: the call has no such argument"},
		{"--deny kill(arg0<0)", "it is unsigned: it is never less than 0"},
		{"--kill mprotect(arg2>0xffffffffffffffff)", "it is never more than all ones"},
		{"--deny setuid(arg0>0xffffffff)", "it is never more than all ones"},
		{"--deny setuid(arg0>=0x100000000)", "it is never that large"},
		{"--deny read(arg0==0,arg0==1)", "its conditions contradict one another"},
		{"--deny read(arg0>=3,arg2>9,arg0<3)", "argument 0: its conditions contradict one another"},
		{"--deny socket(arg1&0xf==1,arg1&0x3==2)", "its conditions contradict one another"},
		{"--deny socket(arg1&0xf==1,arg1<17,arg1!=1)", "its conditions contradict one another"},
		{"--allow kill(arg0>=0)", "kill: argument 0: arg0>=0 is always true"},
		{"--deny socket(arg0&0==0)", "arg0&0==0 is always true"},
		{"--allow setuid(arg0<=0xffffffff)", "is always true"},
		{"--deny mkdir:4096", "is not an errno"},
		{"--bpf x --deny mkdir", "--bpf loads a filter unchanged"},
		{"--profile none --bpf x", "--bpf loads a filter unchanged"},
		{"--default nothing", "is not allow, log, kill, kill-thread"},
		{"--arch mips", `"mips" is not`},
		{"--arch arm", "--arch arm: this machine cannot run programs of this architecture"},
		{"--profile none --arch x86 --deny socket(arg0==40)", "x86 can make it through socketcall(2)"},
		{"--arch x86 --deny socketcall(arg0==11) --deny sendto(arg3&1==1)", "send: programs of x86 can make it through socketcall(2)"},
		{"--deny semget(arg0==40)", "x86 can make it through ipc(2)"},
		{"--arch x86_64 --deny clone(arg0&0x10000000==0x10000000)", "clone: clone3(2) does the same with arguments that a filter cannot see: deny clone3:ENOSYS too"},
		{"--arch x86_64 --deny creat(arg1!=0)", "openat2(2) does the same"},
		{"--arch x86_64 --deny sched_setscheduler(arg1==1)", "sched_setattr(2) does the same"},
		{"--arch x86_64 --deny setpriority(arg0==0)", "sched_setattr(2) does the same"},
		{"--profile none --deny lsetxattr(arg4==1)", "setxattrat(2) does the same"},
		{"--arch x86_64 --deny mount(arg3&1==1)", "mount_setattr(2) does the same"},
		{"--arch x86 --deny mmap2(arg2==7)", "mmap2: mmap(2) of x86 does the same with arguments that a filter cannot see: deny mmap for the same arguments too"},
		{"--arch x86 --deny _newselect(arg0>9)", "select(2) of x86 does the same"},
		{"--arch x86_64 --deny openat(arg2&1==1)", "openat2(2) does the same"},
		{"--profile none --deny openat(arg2&1==1),openat2", "--deny=openat(arg2&1==1),openat2: openat: io_uring_setup(2) can do the same, with arguments that a filter cannot see: deny io_uring_setup:ENOSYS too, or allow it by name"},
		{"--profile none --default deny --allow socket(arg0==1),@aio", "socket: io_uring_setup(2) can"},
		{"--profile none --allow read --deny connect(arg0==3)", "connect: io_uring_setup(2) can"},
		{"--arch x86_64 --deny pwrite64(arg0==3)", "io_submit(2) can do the same"},
		{"--profile none --deny mount(arg3&0x1000==0x1000),mount_setattr,open_tree_attr,fsconfig", "mount: move_mount(2) can do the same"},
		{"--profile none --deny ioctl(arg1==0x401c5820)", "ioctl: file_setattr(2) can do the same"},
		{"--profile none --allow ioctl(arg1==0x5413) --deny ioctl", "ioctl: file_setattr(2) can do the same, with arguments that a filter cannot see: deny file_setattr:ENOSYS too, or allow it by name; file_getattr(2)"},
		{"--arch x86_64 --allow openat(arg2&3==0) --deny openat", "openat2(2) does the same"},
		{"--profile none --default deny --allow clone(arg0&0x10000000==0),clone3", "clone3(2) does the same"},
		{"--profile none --default deny --allow socket(arg0==1),socketcall --arch x86", "x86 can make it through socketcall(2)"},
	} {
		f, err := flagged(strings.Fields(c.flags))
		if err == nil {
			target := filter.Target{Arch: filter.X86_64, Kernel: kernelAtLeast}
			var p *filter.Policy
			if target.Arches, err = f.arches(target.Arch); err == nil {
				p, _, err = f.base(target)
			}
			if err == nil {
				err = f.amend(p)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q", c.flags, err, c.want)
		}
	}
}
