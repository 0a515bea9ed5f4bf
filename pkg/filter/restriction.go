package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A restriction is a set of rules that prevent one kind of operation in all ways that a
// filter can stop. Its rules only deny, so they can come before all others.
type restriction struct {
	name string
	// rules are selections, each with the errno of the calls. values are what follows
	// the name.
	rules func(values []string) ([]denial, error)
}

// A denial is an errno for selected calls: the text of a list, in the form of
// [ParseSelections].
type denial struct {
	errno unix.Errno
	calls string
}

var restrictions = [...]restriction{
	{"namespaces", fixed(namespaces)},
	{"address-families", addressFamilies},
	{"suid-sgid", fixed(suidSgid)},
	{"realtime", fixed(realtime)},
	{"write-execute", fixed(writeExecute)},
	{"personality", fixed(lockPersonality)},
}

// The flags of clone3(2), the structures of openat2(2) and sched_setattr(2), and the
// operations of a ring are in memory, where a filter cannot see them. Programs take
// ENOSYS for an older kernel, and use another call.
var (
	namespaces = []denial{
		{unix.EPERM, "setns"},
		{unix.ENOSYS, "clone3"},
		// The lowest byte is a signal, so CLONE_NEWTIME is none of its flags.
		{unix.EPERM, "clone(arg0&CLONE_NEWCGROUP|CLONE_NEWIPC|CLONE_NEWNET|CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWUSER|CLONE_NEWUTS)"},
		// All but what creates none: CLONE_FILES, FS, SIGHAND, SYSVSEM, THREAD and VM.
		// Newer kernels have other flags here than clone(2) has.
		{unix.EPERM, "unshare(arg0&0xfffaf0ff),unshare(arg0>0xffffffff)"},
		// Linux 7.0 can copy a mount or make a file system into a mount namespace.
		{unix.EPERM, "open_tree(arg2&OPEN_TREE_NAMESPACE),open_tree_attr(arg2&OPEN_TREE_NAMESPACE),fsmount(arg1>1)"},
	}
	suidSgid = []denial{
		{unix.EPERM, "chmod(arg1&06000),fchmod(arg1&06000),fchmodat(arg2&06000),fchmodat2(arg2&06000)"},
		{unix.EPERM, "mknod(arg1&06000),mknodat(arg2&06000),creat(arg1&06000)"},
		// 0x400000 is __O_TMPFILE. Without it and O_CREAT there is no mode, and the
		// register has any value.
		{unix.EPERM, "open(arg1&O_CREAT|0x400000,arg2&06000),openat(arg2&O_CREAT|0x400000,arg3&06000)"},
		{unix.ENOSYS, "openat2,io_uring_setup"},
	}
	// Those that are left are SCHED_NORMAL, SCHED_BATCH and SCHED_IDLE, also with
	// SCHED_RESET_ON_FORK.
	realtime = []denial{
		{unix.EPERM, "sched_setscheduler(arg1!=0,arg1!=3,arg1!=5,arg1!=0x40000000,arg1!=0x40000003,arg1!=0x40000005)"},
		{unix.ENOSYS, "sched_setattr"},
	}
	writeExecute = []denial{
		{unix.EPERM, "mmap(arg2&6==6),mprotect(arg2&PROT_EXEC),pkey_mprotect(arg2&PROT_EXEC)"},
		{unix.EPERM, "shmat(arg2&SHM_EXEC),ipc(arg0&0xffff==21)"},
		// With this personality what can be read can be executed.
		{unix.EPERM, "personality(arg0&READ_IMPLIES_EXEC,arg0!=0xffffffff)"},
	}
	// 0xffffffff only asks.
	lockPersonality = []denial{{unix.EPERM, "personality(arg0!=PER_LINUX,arg0!=0xffffffff)"}}
)

// fixed are the rules of a restriction that has no values.
func fixed(list []denial) func([]string) ([]denial, error) {
	return func(values []string) ([]denial, error) {
		if values != nil {
			return nil, fmt.Errorf("it takes no values")
		}
		return list, nil
	}
}

// addressFamilies are the rules that leave only sockets of the given families or, after
// a ~, no sockets of these. "none" leaves none.
//
// A pair of AF_UNIX sockets reaches nobody else, unless they are datagram sockets, which
// can send to any address: SOCK_RAW is that there too. On 32-bit x86, socketcall(2) has
// its arguments in memory.
func addressFamilies(values []string) (list []denial, err error) {
	if len(values) == 0 {
		return nil, fmt.Errorf("which ones, as in address-families=AF_UNIX+AF_INET")
	}
	first, except := strings.CutPrefix(values[0], "~")
	values = append([]string{first}, values[1:]...)
	if len(values) == 1 && first == "none" && !except {
		values = nil
	}
	var families []uint64
	for _, v := range values {
		n, ok := Constant(v)
		if !ok || !strings.HasPrefix(v, "AF_") {
			return nil, fmt.Errorf("%q is not a family such as AF_UNIX", v)
		}
		if !slices.Contains(families, n) {
			families = append(families, n)
		}
	}
	hasUnix := slices.Contains(families, unix.AF_UNIX) != except
	deny := func(calls string) { list = append(list, denial{unix.EAFNOSUPPORT, calls}) }
	if except {
		for _, f := range families {
			deny(fmt.Sprintf("socket(arg0==%d)", f))
			if f != unix.AF_UNIX {
				deny(fmt.Sprintf("socketpair(arg0==%d)", f))
			}
		}
	} else {
		socket, pair := "", "arg0!=1"
		for _, f := range families {
			socket += fmt.Sprintf(",arg0!=%d", f)
			pair += fmt.Sprintf(",arg0!=%d", f)
		}
		if socket != "" {
			socket = "(" + socket[1:] + ")"
		}
		deny("socket" + socket)
		deny("socketpair(" + pair + ")")
	}
	if !hasUnix {
		deny("socketpair(arg0==1,arg1&0xf==2),socketpair(arg0==1,arg1&0xf==3)")
	}
	deny("socketcall(arg0==1),socketcall(arg0==8)")
	return append(list, denial{unix.ENOSYS, "io_uring_setup"}), nil
}

// ParseRestrictions parses restrictions of hk-seccomp(1), separated by commas:
// namespaces, address-families=AF_UNIX+AF_INET. Each is an override, whose rules precede
// those of all others.
func ParseRestrictions(text string) (list []Override, err error) {
	for _, word := range strings.Split(text, ",") {
		if _, err := restrict(word); err != nil {
			return nil, err
		}
		list = append(list, Override{Restriction: word})
	}
	return list, nil
}

// restrict are the rules of a restriction.
func restrict(word string) ([]denial, error) {
	name, value, has := strings.Cut(word, "=")
	var values []string
	if has {
		values = strings.Split(value, "+")
	}
	for _, r := range restrictions {
		if r.name == name {
			list, err := r.rules(values)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return list, nil
		}
	}
	return nil, fmt.Errorf("%q is not namespaces, address-families=FAMILY+FAMILY, suid-sgid, realtime, write-execute or personality", word)
}

// restricted are the rules of an override that is a restriction. A call that no
// architecture of the policy has, or that has no such arguments there, is left out.
func (o Override) restricted(p *Policy, index int) (rules []Rule, err error) {
	list, err := restrict(o.Restriction)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		calls, err := ParseSelections(d.calls)
		if err != nil {
			return nil, err
		}
		calls = slices.DeleteFunc(calls, func(s Selection) bool {
			return !slices.ContainsFunc(p.Arches, func(a *Arch) bool { _, ok := a.Number(s.Name); return ok })
		})
		more, err := Override{Action: Errno(d.errno), Calls: calls}.rules(p, index)
		if err != nil {
			return nil, err
		}
		rules = append(rules, more...)
	}
	return rules, nil
}
