package filter

import (
	"fmt"
	"slices"
	"strings"
)

// A sibling does what another call does, with arguments that a filter can see. A rule
// can name it, but a rule that does not leaves a gap.
type sibling struct{ name, by string }

var siblings = [...]sibling{
	{"accept", "accept4"}, {"access", "faccessat"}, {"access", "faccessat2"}, {"adjtimex", "clock_adjtime"}, {"chmod", "fchmodat"},
	{"chmod", "fchmodat2"}, {"chown", "fchownat"}, {"clock_adjtime", "adjtimex"}, {"clock_settime", "settimeofday"}, {"clone", "unshare"},
	{"creat", "open"}, {"creat", "openat"}, {"dup2", "dup3"}, {"execve", "execveat"}, {"faccessat", "faccessat2"}, {"fchmodat", "fchmodat2"},
	{"getdents", "getdents64"}, {"getrlimit", "prlimit64"}, {"kill", "pidfd_send_signal"}, {"kill", "rt_sigqueueinfo"}, {"kill", "tgkill"},
	{"kill", "tkill"}, {"lchown", "fchownat"}, {"link", "linkat"}, {"mkdir", "mkdirat"}, {"mknod", "mknodat"}, {"mlock", "mlock2"},
	{"mprotect", "pkey_mprotect"}, {"open", "openat"}, {"preadv", "preadv2"}, {"pwritev", "pwritev2"}, {"recvmsg", "recvmmsg"},
	{"rename", "renameat"}, {"rename", "renameat2"}, {"renameat", "renameat2"}, {"rmdir", "unlinkat"}, {"semop", "semtimedop"},
	{"sendmsg", "sendmmsg"}, {"setgid", "setregid"}, {"setgid", "setresgid"}, {"setregid", "setresgid"}, {"setreuid", "setresuid"},
	{"setrlimit", "prlimit64"}, {"settimeofday", "clock_settime"}, {"setuid", "setresuid"}, {"setuid", "setreuid"},
	{"signalfd", "signalfd4"}, {"symlink", "symlinkat"}, {"tgkill", "rt_tgsigqueueinfo"}, {"tkill", "tgkill"}, {"unlink", "unlinkat"},
	{"unshare", "clone"}, {"wait4", "waitid"},
}

// A word is an argument that contains flags, of which the kernel ignores some, or
// accepts several. The bits of number may contain a number.
type word struct {
	name   string
	arg    int
	number uint64
}

var words = [...]word{
	{"accept4", 3, 0}, {"chmod", 1, 0}, {"clone", 0, 0}, {"fchmod", 1, 0}, {"fchmodat", 2, 0}, {"fchmodat2", 2, 0}, {"fsmount", 2, 0},
	{"futex", 1, 0x7f}, {"linkat", 4, 0}, {"memfd_create", 1, 0}, {"mknod", 1, 0xf000}, {"mknodat", 2, 0xf000}, {"mmap", 2, 0},
	{"mmap", 3, 0xf}, {"mount", 3, 0}, {"move_mount", 4, 0}, {"mprotect", 2, 0}, {"mremap", 3, 0}, {"msgget", 1, 0}, {"open", 1, 3},
	{"open_tree", 2, 0}, {"openat", 2, 3}, {"perf_event_open", 4, 0}, {"personality", 0, 0xff}, {"pkey_mprotect", 2, 0},
	{"recvfrom", 3, 0}, {"recvmsg", 2, 0}, {"renameat2", 4, 0}, {"semget", 2, 0}, {"sendmsg", 2, 0}, {"sendto", 3, 0}, {"setns", 1, 0},
	{"shmat", 2, 0}, {"shmget", 2, 0}, {"socket", 1, 0xf}, {"socketpair", 1, 0xf}, {"umount2", 1, 0}, {"unshare", 0, 0},
}

// passed reports whether one more flag in the word makes a condition false, and what to
// write instead.
func (w word) passed(c Cond) (instead string, ok bool) {
	if c.Arg != w.arg || c.Op != EQ && c.Op != LE && c.Op != LT {
		return "", false
	}
	if mask := w.number | c.Value; c.Op == EQ && mask != 0 {
		return fmt.Sprintf(": compare with a mask, such as %s", Cond{Arg: c.Arg, Op: MaskedEQ, Mask: mask, Value: c.Value}), true
	}
	return "", true
}

// A Remark is a gap that a rule which denies leaves: its author is responsible.
type Remark struct {
	Origin Origin
	Text   string
}

// Remarks report the gaps left by rules that deny and that have one of the requested
// origins.
func (p *Policy) Remarks(about func(Origin) bool) (list []Remark) {
	for _, r := range p.Rules {
		if !r.Action.Denies() || !about(r.Origin) {
			continue
		}
		for _, text := range append(r.flags(), p.leaves(r)...) {
			if m := (Remark{r.Origin, text}); !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
	}
	return list
}

// flags reports conditions that can be bypassed by one more flag.
func (r Rule) flags() (texts []string) {
	for _, c := range r.Conds {
		for _, w := range words {
			if instead, ok := w.passed(c); ok && slices.Contains(r.Names, w.name) {
				texts = append(texts, fmt.Sprintf("argument %d of %s(2) contains flags, and with one more bit set %s is not true%s", c.Arg, w.name, c, instead))
			}
		}
	}
	return texts
}

// leaves reports other allowed calls that can do what a rule denies: those with many
// other uses and, if the rule denies for some arguments, siblings.
func (p *Policy) leaves(r Rule) (texts []string) {
	var by []string
	names := map[string][]string{}
	left := func(s sameAs) {
		if p.open(s) == nil || slices.Contains(names[s.by], s.name) {
			return
		}
		if names[s.by] == nil {
			by = append(by, s.by)
		}
		names[s.by] = append(names[s.by], s.name)
	}
	for m := range ways {
		if m.meant && p.standsIn(m, r) {
			left(m)
		}
	}
	for _, s := range siblings {
		if len(r.Conds) > 0 && slices.Contains(r.Names, s.name) && !slices.ContainsFunc(p.Rules, func(r Rule) bool {
			return r.Action.Denies() && slices.Contains(r.Names, s.by)
		}) {
			left(sameAs{name: s.name, by: s.by})
		}
	}
	for _, other := range by {
		texts = append(texts, fmt.Sprintf("%s(2) is allowed, which can do the same as %s", other, strings.Join(names[other], ", ")))
	}
	return texts
}
