package plan

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// Prctl is prctl(2).
func Prctl(name string, option int, args ...Arg) *Op {
	return call("prctl", unix.SYS_PRCTL, append([]Arg{Const(name, uint64(option))}, args...)...)
}

// NoNewPrivs sets the no_new_privs attribute, which cannot be cleared.
func NoNewPrivs() *Op {
	return Prctl("PR_SET_NO_NEW_PRIVS", unix.PR_SET_NO_NEW_PRIVS, Int(1), Int(0), Int(0), Int(0)).
		Hint(unix.EPERM, "a seccomp filter that is already loaded denies it")
}

// ParentDeathSignal is prctl(PR_SET_PDEATHSIG). The kernel clears the setting when the
// effective IDs change and when a program with more privileges is executed.
func ParentDeathSignal(sig unix.Signal) *Op {
	return Prctl("PR_SET_PDEATHSIG", unix.PR_SET_PDEATHSIG, Const(unix.SignalName(sig), uint64(sig)))
}

// Getppid is getppid(2), which must return parent.
func Getppid(parent int) *Op {
	return call("getppid", unix.SYS_GETPPID).Exactly(parent).
		Hint(0, "the parent process has ended")
}

// Parent is getppid(2), whatever it returns.
func Parent() *Op { return call("getppid", unix.SYS_GETPPID) }

// Geteuid is geteuid(2): the ID in the current user namespace.
func Geteuid() *Op { return call("geteuid", unix.SYS_GETEUID) }

// Getpid is getpid(2).
func Getpid() *Op { return call("getpid", unix.SYS_GETPID) }

// Dumpable is prctl(PR_SET_DUMPABLE): whether other processes can trace this one.
func Dumpable(on bool) *Op {
	arg := Const("SUID_DUMP_DISABLE", 0)
	if on {
		arg = Const("SUID_DUMP_USER", 1)
	}
	return Prctl("PR_SET_DUMPABLE", unix.PR_SET_DUMPABLE, arg)
}

// Unshare is unshare(2). In a Go process CLONE_NEWUSER fails: it has threads.
func Unshare(flags uint64) *Op {
	return call("unshare", unix.SYS_UNSHARE, flagArg(flags, cloneFlags)).
		Because(unix.EPERM, cause.Capability, "this needs CAP_SYS_ADMIN").
		Because(unix.ENOSPC, cause.NamespaceLimit, "a limit in /proc/sys/user/max_*_namespaces is 0 or reached")
}

// Setns is setns(2).
func Setns(fd *Result, nstype uint64) *Op {
	return call("setns", unix.SYS_SETNS, Ref(fd), flagArg(nstype, cloneFlags))
}

// SetnsFD is setns(2) of a descriptor of the caller.
func SetnsFD(fd int, nstype uint64) *Op {
	return call("setns", unix.SYS_SETNS, Int(int64(fd)), flagArg(nstype, cloneFlags))
}

// Duplicate is fcntl(2) F_DUPFD_CLOEXEC of a descriptor of the caller.
func Duplicate(fd int) *Op {
	return call("fcntl", unix.SYS_FCNTL, Int(int64(fd)), Const("F_DUPFD_CLOEXEC", unix.F_DUPFD_CLOEXEC), Int(3))
}

// PidfdOpen is pidfd_open(2) (Linux 5.3).
func PidfdOpen(pid int) *Op {
	return call("pidfd_open", unix.SYS_PIDFD_OPEN, Int(int64(pid)), Int(0)).
		Hint(unix.ESRCH, "there is no such process, or it has ended")
}

// Setsid is setsid(2).
func Setsid() *Op { return call("setsid", unix.SYS_SETSID) }

// JoinSessionKeyring is keyctl(KEYCTL_JOIN_SESSION_KEYRING) of a new, empty, anonymous
// keyring: keyctl_join_session_keyring(3).
func JoinSessionKeyring() *Op {
	return call("keyctl", unix.SYS_KEYCTL, Const("KEYCTL_JOIN_SESSION_KEYRING", unix.KEYCTL_JOIN_SESSION_KEYRING), Null()).
		Hint(unix.EPERM, "the seccomp filter of a surrounding container may forbid keyctl(2)").
		Because(unix.EDQUOT, cause.KeyLimit, "the user has as many keys as the sysctl kernel.keys.maxkeys allows: one for each session keyring")
}

// Sethostname is sethostname(2).
func Sethostname(name string) *Op {
	return call("sethostname", unix.SYS_SETHOSTNAME, Str(name), Int(int64(len(name))))
}

// Setdomainname is setdomainname(2), the NIS name.
func Setdomainname(name string) *Op {
	return call("setdomainname", unix.SYS_SETDOMAINNAME, Str(name), Int(int64(len(name))))
}

// Sigmask is rt_sigprocmask(SIG_SETMASK): bit n-1 of mask blocks signal n.
func Sigmask(mask uint64) *Op {
	m := (&structure{}).u64(mask).is(func() string { return maskText(mask) })
	return call("rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, Const("SIG_SETMASK", unix.SIG_SETMASK), Ptr(m), Null(), Int(8))
}

// DefaultAction is rt_sigaction(2) of a signal to SIG_DFL.
func DefaultAction(sig unix.Signal) *Op { return sigaction(sig, 0, "SIG_DFL") }

// Ignore is rt_sigaction(2) of a signal to SIG_IGN, with which the kernel also drops a
// pending one.
func Ignore(sig unix.Signal) *Op { return sigaction(sig, 1, "SIG_IGN") }

func sigaction(sig unix.Signal, handler uint64, name string) *Op {
	m := (&structure{}).u64(handler).u64(0).u64(0).u64(0).is(func() string { return "{sa_handler=" + name + ", sa_mask=[], sa_flags=0}" })
	return call("rt_sigaction", unix.SYS_RT_SIGACTION, Value(uint64(sig), func(s uint64) string { return "SIG" + signalText(int(s)) }), Ptr(m), Null(), Int(8))
}

// signalText is the name of a signal without SIG.
func signalText(s int) string {
	switch {
	case s == 32:
		return "RTMIN"
	case s > 32:
		return fmt.Sprintf("RT_%d", s-32)
	}
	return strings.TrimPrefix(unix.SignalName(unix.Signal(s)), "SIG")
}

func maskText(mask uint64) string {
	if mask == ^uint64(0) {
		return "~[]"
	}
	var names []string
	for s := 1; s <= 64; s++ {
		if mask>>(s-1)&1 == 0 {
			continue
		}
		names = append(names, signalText(s))
	}
	return "[" + strings.Join(names, " ") + "]"
}

// Setrlimit is prlimit64(2) on the calling process.
func Setrlimit(name string, resource int, soft, hard uint64) *Op {
	m := (&structure{}).u64(soft).u64(hard).is(func() string {
		return "{rlim_cur=" + rlimText(soft) + ", rlim_max=" + rlimText(hard) + "}"
	})
	return call("prlimit64", unix.SYS_PRLIMIT64, Int(0), Const(name, uint64(resource)), Ptr(m), Null())
}

func rlimText(v uint64) string {
	switch {
	case v == unix.RLIM_INFINITY:
		return "RLIM64_INFINITY"
	case v > 1024 && v%1024 == 0:
		return fmt.Sprintf("%d*1024", v/1024)
	}
	return fmt.Sprint(v)
}

// A vector is a null-terminated array of strings, as passed to execve(2).
func vector(list []string, vars []Var, text func() string) *Buffer {
	s := &structure{}
	n := len(list) + len(vars)
	s.bytes = make([]byte, 0, 8*n+8)
	s.refs = make([]Reference, 0, n)
	mems := make([]Buffer, n)
	for i, w := range list {
		mems[i] = Buffer{str: w, terminated: true}
		s.pointer(&mems[i])
	}
	for i, v := range vars {
		if v.Buffer != nil {
			s.pointer(v.Buffer)
			continue
		}
		mem := &mems[len(list)+i]
		*mem = Buffer{str: v.Name + "=" + v.Value, terminated: true}
		if v.Result != nil {
			mem.str = v.Name + "="
			mem.refs = []Reference{{Offset: len(mem.str), Size: Decimal, Result: v.Result}}
			mem.size = len(mem.str) + Decimal + 1
		}
		s.pointer(mem)
	}
	return s.u64(0).is(text)
}

// A Var is an environment variable whose value the plan determines: a text, a result in
// decimal digits, or what a supervisor step writes to a buffer, including the name and the
// equals sign.
type Var struct {
	Name, Value string
	Result      *Result
	Buffer      *Buffer
}

// Known reports whether the value is a text.
func (v Var) Known() bool { return v.Result == nil && v.Buffer == nil }

func (v Var) String() string {
	if v.Result != nil {
		return v.Name + "=" + v.Result.String()
	}
	if v.Buffer != nil {
		return v.Name + "=" + v.Buffer.String()
	}
	text := v.Name + "=" + v.Value
	if q := quote(text); strings.ContainsAny(text, " ,*") || len(q) > len(text)+2 {
		return q
	}
	return text
}

// An Image is what execve(2) passes to a program: arguments and environment.
type Image struct {
	argv, envp *Buffer
}

// Changes are what is printed of an environment: how it differs from the caller's.
type Changes struct {
	// Set are variables besides those of the list.
	Set []Var
	// Removed are the names of variables that are not in the list, and Cleared means
	// that it has none of the caller's, except those whose names are printed.
	Removed []string
	Cleared bool
}

// NewImage returns an image, to be shared by ops that try one name after another: the
// variables in env, and those that changes has besides.
func NewImage(argv, env []string, changes Changes) Image {
	argv, env = slices.Clone(argv), slices.Clone(env)
	return Image{
		argv: vector(argv, nil, func() string {
			quoted := make([]string, len(argv))
			for i, a := range argv {
				quoted[i] = quote(a)
			}
			return "[" + strings.Join(quoted, ", ") + "]"
		}),
		envp: vector(env, changes.Set, func() string { return environmentText(env, changes) }),
	}
}

// environmentText is an environment in strace's notation, and what a plan has changed of
// it. A value that is the caller's is not printed: it may be a secret.
func environmentText(env []string, changes Changes) string {
	n := len(env) + len(changes.Set)
	words := []string{fmt.Sprintf("%d vars", n)}
	if n == 1 {
		words[0] = "1 var"
	}
	if changes.Cleared {
		for _, v := range env {
			name, _, _ := strings.Cut(v, "=")
			words = append(words, name)
		}
	}
	for _, v := range changes.Set {
		words = append(words, v.String())
	}
	for _, name := range changes.Removed {
		words = append(words, "no "+name)
	}
	if changes.Cleared {
		words = append(words, "no others")
	}
	return "/* " + strings.Join(words, ", ") + " */"
}

// Environment is the environment in strace's notation, with what a plan has changed of it.
func (im Image) Environment() string { return im.envp.String() }

// Execve is execve(2).
func Execve(path string, im Image) *Op {
	op := call("execve", unix.SYS_EXECVE, Str(path), Ptr(im.argv), Ptr(im.envp))
	op.Roles |= Executes
	return op
}

// Fexecve is execveat(2) of the file that fd refers to.
func Fexecve(fd Arg, im Image) *Op {
	op := call("execveat", unix.SYS_EXECVEAT, fd, Str(""), Ptr(im.argv), Ptr(im.envp), Const("AT_EMPTY_PATH", unix.AT_EMPTY_PATH))
	op.Roles |= Executes
	return op
}
