package seccomp

import "slices"

// A twin is another name that a call has on architectures of 32 bits, where the
// first is often that of an older one: setuid32 takes ids of 32 bits there.
type twin struct{ name, twin string }

// sameArguments are twins that have functions of their own and the same arguments, but for
// the last one of mmap2, which counts pages.
var sameArguments = [...]twin{
	{"fadvise64", "fadvise64_64"}, {"fcntl", "fcntl64"}, {"fstat", "fstat64"}, {"ftruncate", "ftruncate64"},
	{"lstat", "lstat64"}, {"mmap", "mmap2"}, {"newfstatat", "fstatat64"}, {"stat", "stat64"}, {"truncate", "truncate64"},
}

// otherArguments are those that have other arguments, or fewer.
var otherArguments = [...]twin{
	{"clock_settime", "stime"}, {"fadvise64", "arm_fadvise64_64"}, {"fstat", "oldfstat"}, {"fstatfs", "fstatfs64"},
	{"lseek", "_llseek"}, {"lstat", "oldlstat"}, {"recvfrom", "recv"}, {"rt_sigaction", "sigaction"}, {"rt_sigaction", "signal"},
	{"rt_sigpending", "sigpending"}, {"rt_sigprocmask", "sigprocmask"}, {"rt_sigprocmask", "ssetmask"},
	{"rt_sigsuspend", "sigsuspend"}, {"sendto", "send"}, {"setpriority", "nice"}, {"settimeofday", "stime"}, {"stat", "oldstat"},
	{"statfs", "statfs64"}, {"sync_file_range", "arm_sync_file_range"}, {"umount2", "umount"}, {"uname", "oldolduname"},
	{"uname", "olduname"}, {"wait4", "waitpid"},
}

// withTwins adds to rules that deny what makes them hold for the other names that
// the architectures of the policy have for the same calls, but for names that are
// meant as they are.
func (p *Policy) withTwins(rules []Rule, meant map[string]bool) []Rule {
	if p.Default.denies() && meant != nil { // what is not named is denied
		return rules
	}
	var all []Rule
	for _, r := range rules {
		all = append(all, r)
		if !r.Action.denies() {
			continue
		}
		for _, name := range r.Names {
			for _, t := range slices.Concat(twins[:], sameArguments[:]) {
				if t.name == name && !meant[t.twin] {
					all = append(all, p.twin(r, t.twin)...)
				}
			}
			for _, t := range otherArguments {
				if t.name == name && len(r.Conds) == 0 && !meant[t.twin] {
					all = append(all, p.twin(r, t.twin)...)
				}
			}
		}
	}
	return all
}

// names are those that rules of the policy have.
func (p *Policy) names() map[string]bool {
	names := map[string]bool{}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			names[name] = true
		}
	}
	return names
}

// twin is the rule for another name, if any architecture has it and the
// conditions can hold there.
func (p *Policy) twin(r Rule, name string) []Rule {
	if name == "mmap2" {
		r.Conds = slices.DeleteFunc(slices.Clone(r.Conds), func(c Cond) bool { return c.Arg == 5 })
	}
	has := func(a *Arch) bool { _, ok := a.Number(name); return ok }
	if slices.Contains(r.Names, name) || !slices.ContainsFunc(p.Arches, has) || p.possible(name, r.Conds) != nil {
		return nil
	}
	r.Names = []string{name}
	return []Rule{r}
}
