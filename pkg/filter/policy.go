package filter

// A Policy says what happens to each call.
type Policy struct {
	// Default is for calls that no rule matches.
	Default Action
	// Newer is for calls whose number is higher than all that the policy names on their
	// architecture, except ARM's private ones: they are newer than the policy. Programs
	// expect ENOSYS for such calls, and fall back.
	Newer Action
	// Arches are the architectures to which the rules apply. A call of any other kills
	// the process.
	Arches []*Arch
	Rules  []Rule
	// Flags are SECCOMP_FILTER_FLAG_* of seccomp(2), for loading the filter.
	Flags uint64
}

// A Rule is an action for the named calls if all conditions are true.
type Rule struct {
	Names  []string
	Action Action
	Conds  []Cond
	// Origin is where the rule comes from.
	Origin Origin
}

// An Origin is where a rule was written: an entry of a profile, counted from 1 up, or
// an [Override], counted from -1 down. The zero value is that of a generated rule.
type Origin int

// Override is the index of the override that a rule comes from. ok is false if it comes
// from none.
func (o Origin) Override() (i int, ok bool) { return -1 - int(o), o < 0 }

// Entry is the index of the entry of a profile that a rule comes from. ok is false if
// it comes from none.
func (o Origin) Entry() (i int, ok bool) { return int(o) - 1, o > 0 }

// Evaluate is the meaning of a policy, in plain Go: what happens to a call of an
// architecture given by its AUDIT_ARCH value.
func (p *Policy) Evaluate(audit uint32, nr uint32, args [6]uint64) Action {
	arch := p.arch(audit, nr)
	if arch == nil {
		return KillProcess
	}
	for _, r := range p.Rules {
	name:
		for _, name := range r.Names {
			if n, ok := arch.Number(name); !ok || n != nr {
				continue
			}
			for _, c := range r.Conds {
				if !c.decides(arch, name, args, r.Action.Denies()) {
					continue name
				}
			}
			return r.Action
		}
	}
	return p.unnamed(arch, nr)
}

// unnamed is what happens to a call that no rule matches.
func (p *Policy) unnamed(arch *Arch, nr uint32) Action {
	if newest, ok := p.newest(arch); ok && nr > newest && nr != skipped && !arch.private(nr) {
		return p.Newer
	}
	return p.Default
}

// newest is the highest number on an architecture that the policy names. ok is false if
// it names none.
func (p *Policy) newest(arch *Arch) (newest uint32, ok bool) {
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if n, has := arch.Number(name); has && !arch.private(n) {
				newest, ok = max(newest, n), true
			}
		}
	}
	return newest, ok
}

// skipped is the number of a call that a tracer has skipped.
const skipped = ^uint32(0)

func (p *Policy) arch(audit, nr uint32) *Arch {
	x32 := audit == X86_64.Audit && nr >= x32Bit && nr != skipped
	for _, a := range p.Arches {
		if a.Audit == audit && (a == X32) == x32 {
			return a
		}
	}
	return nil
}
