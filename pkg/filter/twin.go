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

// A second is another number that a call has in 32-bit programs for what an argument
// asks for: there, of the calls that lock a part of a file, some have offsets of 32 bits and
// some of 64, and the number of an ioctl(2) has the size of what it reads or writes.
type second struct {
	name, twin   string
	arg          int
	value, other uint64
}

// seconds are those of include/uapi/asm-generic/fcntl.h, fs/ioctl.c and block/ioctl.c of
// Linux.
var seconds = [...]second{
	{"fcntl", "fcntl64", 1, 5, 12},                // F_GETLK, F_GETLK64
	{"fcntl", "fcntl64", 1, 6, 13},                // F_SETLK, F_SETLK64
	{"fcntl", "fcntl64", 1, 7, 14},                // F_SETLKW, F_SETLKW64
	{"fcntl", "fcntl", 1, 5, 12},                  // which a 64-bit kernel takes there, too:
	{"fcntl", "fcntl", 1, 6, 13},                  // syscall_32.tbl has compat_sys_fcntl64
	{"fcntl", "fcntl", 1, 7, 14},                  // for both
	{"ioctl", "ioctl", 1, fsGetFlags, 0x80046601}, // FS_IOC32_GETFLAGS
	{"ioctl", "ioctl", 1, fsSetFlags, 0x40046602}, // FS_IOC32_SETFLAGS
	{"ioctl", "ioctl", 1, 0x80087601, 0x80047601}, // FS_IOC_GETVERSION, FS_IOC32_GETVERSION
	{"ioctl", "ioctl", 1, 0x40087602, 0x40047602}, // FS_IOC_SETVERSION, FS_IOC32_SETVERSION
	{"ioctl", "ioctl", 1, 0x80081270, 0x80041270}, // BLKBSZGET, BLKBSZGET_32
	{"ioctl", "ioctl", 1, 0x40081271, 0x40041271}, // BLKBSZSET, BLKBSZSET_32
	{"ioctl", "ioctl", 1, 0x80081272, 0x80041272}, // BLKGETSIZE64, BLKGETSIZE64_32
}

// second extends a rule to the other number, unless it applies to that already. It does
// so on all architectures that have the call: no 64-bit program needs these numbers.
func (p *Policy) second(r Rule, w second) []Rule {
	narrow := func(a *Arch) bool { return a.bits == 32 || a == X32 }
	conds := []Cond{{Arg: w.arg, Op: EQ, Value: w.other}}
	compared, other := false, true
	for _, c := range r.Conds {
		if c.Arg != w.arg {
			conds = append(conds, c)
			continue
		}
		if !c.holds(w.value, 4) {
			return nil
		}
		compared, other = true, other && c.holds(w.other, 4)
	}
	if !compared || other || !slices.ContainsFunc(p.Arches, narrow) || p.possible(w.twin, conds) != nil {
		return nil
	}
	return []Rule{{Names: []string{w.twin}, Action: r.Action, Conds: conds, Origin: r.Origin}}
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
			for _, w := range seconds {
				if (name == w.name || name == w.twin) && !meant[w.twin] {
					all = append(all, p.second(r, w)...)
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
