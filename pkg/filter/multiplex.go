package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A sameAs is a call by which a program can do what another call does.
type sameAs struct {
	name string
	// by is the other call. If number is not 0, it is the value of by's first argument;
	// the other arguments are in memory, where a filter cannot see them.
	by     string
	number uint64
	// only are conditions for the calls that the other one can replace.
	only []Cond
	// meant is set if by has many other uses: a rule that allows it by name then also
	// allows what it can replace.
	meant bool
}

// multiplexed are the calls that the C library of 32-bit x86 used to make through
// socketcall(2) and ipc(2), and that the kernel still accepts in that form.
var multiplexed = []sameAs{
	{name: "accept", by: "socketcall", number: 5}, {name: "accept4", by: "socketcall", number: 18},
	{name: "bind", by: "socketcall", number: 2}, {name: "connect", by: "socketcall", number: 3},
	{name: "getpeername", by: "socketcall", number: 7}, {name: "getsockname", by: "socketcall", number: 6},
	{name: "getsockopt", by: "socketcall", number: 15}, {name: "listen", by: "socketcall", number: 4},
	{name: "recv", by: "socketcall", number: 10}, {name: "recvfrom", by: "socketcall", number: 12},
	{name: "recvmmsg", by: "socketcall", number: 19}, {name: "recvmsg", by: "socketcall", number: 17},
	{name: "send", by: "socketcall", number: 9}, {name: "sendmmsg", by: "socketcall", number: 20},
	{name: "sendmsg", by: "socketcall", number: 16}, {name: "sendto", by: "socketcall", number: 11},
	{name: "setsockopt", by: "socketcall", number: 14}, {name: "shutdown", by: "socketcall", number: 13},
	{name: "socket", by: "socketcall", number: 1}, {name: "socketpair", by: "socketcall", number: 8},

	{name: "msgctl", by: "ipc", number: 14}, {name: "msgget", by: "ipc", number: 13},
	{name: "msgrcv", by: "ipc", number: 12}, {name: "msgsnd", by: "ipc", number: 11},
	{name: "semctl", by: "ipc", number: 3}, {name: "semget", by: "ipc", number: 2},
	{name: "semop", by: "ipc", number: 1}, {name: "semtimedop", by: "ipc", number: 4},
	{name: "shmat", by: "ipc", number: 21}, {name: "shmctl", by: "ipc", number: 24},
	{name: "shmdt", by: "ipc", number: 22}, {name: "shmget", by: "ipc", number: 23},
}

// inMemory are calls that do what others do on the same architecture, with arguments in
// memory. For mmap(2) and select(2) this is true on i386.
var inMemory = []sameAs{
	{name: "clone", by: "clone3"},
	{name: "creat", by: "openat2"}, {name: "open", by: "openat2"}, {name: "openat", by: "openat2"},
	{name: "mount", by: "mount_setattr"}, {name: "mount", by: "open_tree_attr"}, {name: "mount", by: "fsconfig"},
	{name: "mount_setattr", by: "open_tree_attr"},
	{name: "sched_setparam", by: "sched_setattr"}, {name: "sched_setscheduler", by: "sched_setattr"}, {name: "setpriority", by: "sched_setattr"},
	{name: "fsetxattr", by: "setxattrat"}, {name: "lsetxattr", by: "setxattrat"}, {name: "setxattr", by: "setxattrat"},
	{name: "mmap2", by: "mmap"}, {name: "_newselect", by: "select"},
	// move_mount(2) attaches what open_tree(2) or fsmount(2) has created.
	{name: "mount", by: "move_mount", meant: true, only: []Cond{{Arg: 3, Op: MaskedEQ, Mask: unix.MS_REMOUNT}}},
	{name: "ioctl", by: "file_setattr", meant: true, only: []Cond{{Arg: 1, Op: EQ, Value: fsSetFlags}}},
	{name: "ioctl", by: "file_setattr", meant: true, only: []Cond{{Arg: 1, Op: EQ, Value: fsSetXattr}}},
	{name: "ioctl", by: "file_getattr", meant: true, only: []Cond{{Arg: 1, Op: EQ, Value: fsGetFlags}}},
	{name: "ioctl", by: "file_getattr", meant: true, only: []Cond{{Arg: 1, Op: EQ, Value: fsGetXattr}}},
}

// FS_IOC_GETFLAGS, SETFLAGS, FSGETXATTR and FSSETXATTR.
const (
	fsGetFlags = 0x80086601
	fsSetFlags = 0x40086602
	fsGetXattr = 0x801c581f
	fsSetXattr = 0x401c5820
)

// byRing are the calls for which io_uring_enter(2) has an operation, up to Linux 6.19,
// except those that only wait for something; and those for which io_submit(2) has one.
// A ring does only little of what futex(2) and ioctl(2) can do.
var (
	byRing = [...]string{
		"accept", "accept4", "bind", "close", "connect", "creat", "epoll_ctl", "fadvise64", "fallocate", "fdatasync", "fgetxattr",
		"fsetxattr", "fsync", "ftruncate", "getsockname", "getsockopt", "getxattr", "link", "linkat", "listen", "madvise", "mkdir",
		"mkdirat", "open", "openat", "openat2", "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
		"read", "readv", "recv", "recvfrom", "recvmsg", "rename", "renameat", "renameat2", "rmdir", "send", "sendmsg", "sendto",
		"setsockopt", "setxattr", "shutdown", "socket", "splice", "statx", "symlink", "symlinkat", "sync_file_range", "tee", "unlink",
		"unlinkat", "waitid", "write", "writev",
	}
	bySubmit = [...]string{"fdatasync", "fsync", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2"}
)

// ways yields all ways in which a program can do what a call does.
func ways(yield func(sameAs) bool) {
	for _, list := range [...][]sameAs{multiplexed, inMemory} {
		for _, m := range list {
			if !yield(m) {
				return
			}
		}
	}
	for _, name := range byRing {
		if !yield(sameAs{name: name, by: "io_uring_setup", meant: true}) {
			return
		}
	}
	for _, name := range bySubmit {
		if !yield(sameAs{name: name, by: "io_submit", meant: true}) {
			return
		}
	}
}

func (s sameAs) String() string {
	if s.number != 0 {
		return fmt.Sprintf("%s(arg0==%d)", s.by, s.number)
	}
	return s.by
}

// on reports whether an architecture has the other call for the given one, and its
// number.
func (s sameAs) on(a *Arch) (nr uint32, ok bool) {
	nr, ok = a.Number(s.by)
	if _, both := a.Number(s.name); s.number == 0 && !both {
		ok = false
	}
	return nr, ok
}

// open is an architecture of the policy on which the other call may be allowed, or nil:
// a rule that denies it for some arguments does not deny others.
func (p *Policy) open(s sameAs) *Arch {
	for _, a := range p.Arches {
		if nr, ok := s.on(a); ok && p.mayAllow(a, nr, s) {
			return a
		}
	}
	return nil
}

// mayAllow reports whether the call of s is allowed for any values of the arguments
// that s does not give.
func (p *Policy) mayAllow(a *Arch, nr uint32, s sameAs) bool {
	for _, r := range p.Rules {
		if !slices.Contains(r.Names, s.by) {
			continue
		}
		switch may, certain := s.fits(a, s.by, r); {
		case may && !r.Action.Denies():
			return true
		case may && certain:
			return false
		}
	}
	return !(p.Default.Denies() && p.Newer.Denies()) && !p.unnamed(a, nr).Denies()
}

// fits reports whether a rule for the other call may match it, and whether it matches
// with any values of the arguments that s does not give.
func (s sameAs) fits(a *Arch, name string, r Rule) (may, certain bool) {
	may, certain = true, true
	for _, c := range r.Conds {
		arg, ok := a.argument(name, c.Arg)
		switch {
		case ok && arg.kind != unseen && (s.number == 0 || c.Arg != 0):
			certain = false
		case !c.decides(a, name, [6]uint64{s.number}, r.Action.Denies()):
			return false, false
		}
	}
	return may, certain
}

// special reports whether the other call is a different one on other architectures.
func (s sameAs) special(a *Arch) bool {
	arg, _ := a.argument(s.by, 0)
	return arg.kind == unseen
}

// passed is the error for a rule that the other call bypasses.
func (s sameAs) passed(a *Arch) error {
	if s.number != 0 {
		return fmt.Errorf("programs of %s can make it through %s(2), whose arguments a filter cannot see: deny %s too, or exclude these programs with --arch native", a.Name, s.by, s)
	}
	if s.meant {
		return fmt.Errorf("%s(2) can do the same, with arguments that a filter cannot see: deny %s:ENOSYS too, or allow it by name", s.by, s.by)
	}
	whose, also := "", s.by+":ENOSYS"
	if s.special(a) {
		whose, also = " of "+a.Name, s.by+" for the same arguments"
	}
	return fmt.Errorf("%s(2)%s does the same with arguments that a filter cannot see: deny %s too", s.by, whose, also)
}

// cond is the condition on the first argument of the other call. The upper half of that
// of ipc(2) is a version.
func (s sameAs) cond() Cond {
	if s.by == "ipc" {
		return Cond{Arg: 0, Op: MaskedEQ, Mask: 0xffff, Value: s.number}
	}
	return Cond{Arg: 0, Op: EQ, Value: s.number}
}

// multiplex extends rules without conditions to socketcall(2) and ipc(2).
func multiplex(rules []Rule) []Rule {
	var all []Rule
	for _, r := range rules {
		all = append(all, r)
		if len(r.Conds) > 0 {
			continue
		}
		for _, name := range r.Names {
			for _, m := range multiplexed {
				if m.name == name {
					all = append(all, Rule{Names: []string{m.by}, Action: r.Action, Conds: []Cond{m.cond()}, Origin: r.Origin})
				}
			}
		}
	}
	return all
}

// checkSame rejects overrides that deny a call for some of its arguments, by their own
// action, by the rule that follows, or by a default given with them, while the policy
// allows another call to do the same with arguments that a filter cannot see. Their
// rules are the first of the policy.
func (p *Policy) checkSame(rules []Rule, defaultGiven bool) error {
	for _, r := range rules {
		if len(r.Conds) == 0 || !r.Action.Denies() && !p.deniesOthers(r.Names[0], len(rules), defaultGiven) {
			continue
		}
		var passed []string
		for m := range ways {
			if !p.standsIn(m, r) || m.meant && slices.ContainsFunc(rules, func(r Rule) bool { return len(r.Names) == 1 && r.allows(m.by) }) {
				continue
			}
			if a := p.open(m); a != nil {
				passed = append(passed, m.passed(a).Error())
			}
		}
		if passed = slices.Compact(passed); passed != nil {
			i, _ := r.Origin.Override()
			return &OverrideError{i, fmt.Errorf("%s: %s", r.Names[0], strings.Join(passed, "; "))}
		}
	}
	return nil
}

// standsIn reports whether the other call can do what a rule is for: what it denies or,
// if it allows for some arguments, the rest.
func (p *Policy) standsIn(s sameAs, r Rule) bool {
	if !slices.Contains(r.Names, s.name) {
		return false
	}
	return len(s.only) == 0 || !r.Action.Denies() || p.possible(s.name, slices.Concat(r.Conds, s.only)) == nil
}

// allows reports whether a rule allows a call.
func (r Rule) allows(name string) bool { return !r.Action.Denies() && slices.Contains(r.Names, name) }

// deniesOthers reports whether a call for which no condition is true is denied by one
// of the first rules, or by the default if that applies.
func (p *Policy) deniesOthers(name string, first int, defaultGiven bool) bool {
	for i, r := range p.Rules {
		if len(r.Conds) == 0 && slices.Contains(r.Names, name) {
			return i < first && r.Action.Denies()
		}
	}
	return defaultGiven && p.Default.Denies()
}
