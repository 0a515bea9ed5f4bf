package filter

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A twin is another name that a call has on 32-bit architectures, where the first name
// often belongs to an older call: setuid32 takes 32-bit IDs there.
type twin struct{ name, twin string }

// sameArguments are twins that have their own functions and the same arguments.
var sameArguments = [...]twin{
	{"fadvise64", "fadvise64_64"}, {"fcntl", "fcntl64"}, {"fstat", "fstat64"}, {"ftruncate", "ftruncate64"},
	{"lstat", "lstat64"}, {"newfstatat", "fstatat64"}, {"stat", "stat64"}, {"truncate", "truncate64"},
}

// A moved one has a letter for each argument of the first name: a to f is the argument
// of the twin that is the same, 0 to 9 is a number that the twin has there, and - is an
// argument that the twin does not have, or not in a form that could be compared.
type moved struct{ name, twin, args string }

// otherArguments are twins that have other or fewer arguments. mmap2 counts pages.
var otherArguments = [...]moved{
	{"clock_settime", "stime", "0-"}, {"fadvise64", "arm_fadvise64_64", "acdb"}, {"fstat", "oldfstat", "ab"},
	{"fstatfs", "fstatfs64", "ac"}, {"getdents", "readdir", "ab-"}, {"lseek", "_llseek", "a-e"},
	{"lstat", "oldlstat", "ab"}, {"mmap", "mmap2", "abcde-"}, {"recvfrom", "recv", "abcd00"},
	{"rt_sigaction", "sigaction", "abc-"}, {"rt_sigaction", "signal", "a---"}, {"rt_sigpending", "sigpending", "a-"},
	{"rt_sigprocmask", "sigprocmask", "abc-"}, {"rt_sigprocmask", "ssetmask", "2-0-"},
	{"rt_sigsuspend", "sigsuspend", "--"}, {"sendto", "send", "abcd00"}, {"setpriority", "nice", "0--"},
	{"settimeofday", "stime", "-0"}, {"stat", "oldstat", "ab"}, {"statfs", "statfs64", "ac"},
	{"sync_file_range", "arm_sync_file_range", "acdb"}, {"umount2", "umount", "a0"}, {"uname", "oldolduname", "a"},
	{"uname", "olduname", "a"}, {"wait4", "waitpid", "abc0"},
}

// conds are the conditions on the twin for those on the first name. If the twin does
// not have an argument they are taken to be true: more is denied then, not less. ok is
// false if they are never true for a call of the twin.
func (m moved) conds(conds []Cond) (there []Cond, ok bool) {
	for _, c := range conds {
		letter := byte('-')
		if c.Arg < len(m.args) {
			letter = m.args[c.Arg]
		}
		switch {
		case letter >= 'a':
			c.Arg = int(letter - 'a')
			there = append(there, c)
		case letter >= '0' && !c.holds(uint64(letter-'0'), 4):
			return nil, false
		}
	}
	return there, true
}

// withTwins extends rules that deny to the other names that the architectures of the
// policy have for the same calls, except names that are meant literally.
func (p *Policy) withTwins(rules []Rule, meant map[string]bool) []Rule {
	var all []Rule
	for _, r := range rules {
		all = append(all, r)
		if !r.Action.Denies() {
			continue
		}
		all = append(all, p.packet(r)...)
		for _, name := range r.Names {
			for _, t := range slices.Concat(twins[:], sameArguments[:]) {
				if t.name == name && !meant[t.twin] {
					all = append(all, p.twin(r, t.twin)...)
				}
			}
			for _, m := range otherArguments {
				if conds, ok := m.conds(r.Conds); ok && m.name == name && !meant[m.twin] {
					there := r
					there.Conds = conds
					all = append(all, p.twin(there, m.twin)...)
				}
			}
		}
	}
	return all
}

// packet extends a rule for AF_PACKET sockets to those that the kernel treats as such:
// AF_INET with type SOCK_PACKET.
func (p *Policy) packet(r Rule) []Rule {
	conds := []Cond{{Arg: 0, Op: EQ, Value: unix.AF_INET}, {Arg: 1, Op: MaskedEQ, Mask: 0xf, Value: unix.SOCK_PACKET}}
	family := false
	for _, c := range r.Conds {
		switch {
		case c.Arg != 0:
			conds = append(conds, c)
		case !c.holds(unix.AF_PACKET, 4):
			return nil
		case !c.holds(unix.AF_INET, 4):
			family = true
		}
	}
	if !family || !slices.Contains(r.Names, "socket") || p.possible("socket", conds) != nil {
		return nil
	}
	return []Rule{{Names: []string{"socket"}, Action: r.Action, Conds: conds, Origin: r.Origin}}
}

// names are the names in the rules of the policy.
func (p *Policy) names() map[string]bool {
	names := map[string]bool{}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			names[name] = true
		}
	}
	return names
}

// twin is the rule for another name, if any architecture has it, even if only through
// socketcall(2), and the conditions can be true there.
func (p *Policy) twin(r Rule, name string) []Rule {
	has := func(a *Arch) bool {
		_, ok := a.Number(name)
		return ok || slices.ContainsFunc(multiplexed, func(m sameAs) bool { _, on := m.on(a); return on && m.name == name })
	}
	if slices.Contains(r.Names, name) || !slices.ContainsFunc(p.Arches, has) || p.possible(name, r.Conds) != nil {
		return nil
	}
	r.Names = []string{name}
	return []Rule{r}
}
