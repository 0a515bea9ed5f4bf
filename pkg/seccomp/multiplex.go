package seccomp

import (
	"fmt"
	"slices"
)

// A sameAs is a call by which a program can do what another one does.
type sameAs struct {
	name string
	// by is the other call. If number is not 0, that is what by's first argument
	// says then; its other arguments are in memory, where no filter looks.
	by     string
	number uint64
}

// multiplexed are the calls that the C library of 32 bit x86 once made by
// socketcall(2) and ipc(2), and the kernel still takes that way.
var multiplexed = []sameAs{
	{"accept", "socketcall", 5}, {"accept4", "socketcall", 18}, {"bind", "socketcall", 2}, {"connect", "socketcall", 3},
	{"getpeername", "socketcall", 7}, {"getsockname", "socketcall", 6}, {"getsockopt", "socketcall", 15},
	{"listen", "socketcall", 4}, {"recv", "socketcall", 10}, {"recvfrom", "socketcall", 12}, {"recvmmsg", "socketcall", 19},
	{"recvmsg", "socketcall", 17}, {"send", "socketcall", 9}, {"sendmmsg", "socketcall", 20}, {"sendmsg", "socketcall", 16},
	{"sendto", "socketcall", 11}, {"setsockopt", "socketcall", 14}, {"shutdown", "socketcall", 13},
	{"socket", "socketcall", 1}, {"socketpair", "socketcall", 8},

	{"msgctl", "ipc", 14}, {"msgget", "ipc", 13}, {"msgrcv", "ipc", 12}, {"msgsnd", "ipc", 11}, {"semctl", "ipc", 3},
	{"semget", "ipc", 2}, {"semop", "ipc", 1}, {"semtimedop", "ipc", 4}, {"shmat", "ipc", 21}, {"shmctl", "ipc", 24},
	{"shmdt", "ipc", 22}, {"shmget", "ipc", 23},
}

// inMemory are calls that do what others do on the same architecture, with
// arguments in memory. Of mmap(2) and select(2) that is so on i386.
var inMemory = []sameAs{
	{"clone", "clone3", 0}, {"creat", "openat2", 0}, {"open", "openat2", 0}, {"openat", "openat2", 0},
	{"mount", "mount_setattr", 0}, {"sched_setscheduler", "sched_setattr", 0}, {"setpriority", "sched_setattr", 0},
	{"fsetxattr", "setxattrat", 0}, {"lsetxattr", "setxattrat", 0}, {"setxattr", "setxattrat", 0},
	{"mmap2", "mmap", 0}, {"_newselect", "select", 0},
}

// cond is what the first argument of the other call is. The upper half of that
// of ipc(2) is a version.
func (s sameAs) cond() Cond {
	if s.by == "ipc" {
		return Cond{Arg: 0, Op: MaskedEQ, Mask: 0xffff, Value: s.number}
	}
	return Cond{Arg: 0, Op: EQ, Value: s.number}
}

// multiplex adds to rules without conditions what makes them hold for
// socketcall(2) and ipc(2) too.
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

// checkSame refuses rules that deny a call for some of its arguments, by what
// they say, by the rule that comes after them, or by a default that was given with
// them, while the policy lets another call do the same with arguments that no
// filter sees. The rules are the first of the policy.
func (p *Policy) checkSame(rules []Rule, defaultGiven bool) error {
	for _, r := range rules {
		if len(r.Conds) == 0 || !r.Action.denies() && !p.deniesOthers(r.Names[0], len(rules), defaultGiven) {
			continue
		}
		for _, a := range p.Arches {
			for _, m := range append(multiplexed, inMemory...) {
				if m.name != r.Names[0] {
					continue
				}
				nr, ok := a.Number(m.by)
				if _, both := a.Number(m.name); !ok || m.number == 0 && !both || p.Evaluate(a.Audit, nr, [6]uint64{m.number}).denies() {
					continue
				}
				if m.number != 0 {
					return fmt.Errorf("%s: programs of %s can make it by %s(2), whose arguments no filter sees: deny %s(arg0==%d) too, or leave them out by --arch native",
						m.name, a.Name, m.by, m.by, m.number)
				}
				whose, also := "", m.by+":ENOSYS"
				if arg, _ := a.argument(m.by, 0); arg.kind == unseen {
					whose, also = " of "+a.Name, m.by+" for the same arguments"
				}
				return fmt.Errorf("%s: %s(2)%s does the same with arguments that no filter sees: deny %s too", m.name, m.by, whose, also)
			}
		}
	}
	return nil
}

// deniesOthers reports whether a call for which no condition holds is denied by
// one of the first rules, or by the default if that counts.
func (p *Policy) deniesOthers(name string, first int, defaultGiven bool) bool {
	for i, r := range p.Rules {
		if len(r.Conds) == 0 && slices.Contains(r.Names, name) {
			return i < first && r.Action.denies()
		}
	}
	return defaultGiven && p.Default.denies()
}
