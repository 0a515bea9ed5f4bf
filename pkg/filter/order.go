package filter

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// settle gives the rules of a profile the meaning that they have for runc(8), which
// lets libseccomp combine them: it does not depend on their order. A rule whose action
// is the default action is ignored; of the others for a call, one without conditions
// applies alone, and the first if there are several.
//
// Rules with conditions and different actions that match the same call are rejected:
// what libseccomp makes of them depends on the numbers of the arguments and on its
// version, and may be neither action (seen with 2.5.4). notes report denials that have
// no effect.
func settle(rules []Rule, by Action) (settled []Rule, notes []string, err error) {
	alone := make(map[string]int, 512)
	for i, r := range rules {
		if len(r.Conds) > 0 || r.Action == by {
			continue
		}
		for _, name := range r.Names {
			if _, ok := alone[name]; !ok {
				alone[name] = i
			}
		}
	}
	some := map[string][]Rule{}
	var none []Rule
	for i, r := range rules {
		for _, name := range r.Names {
			if first, ok := alone[name]; ok && r.Action.Denies() && !rules[first].Action.Denies() {
				notes = append(notes, fmt.Sprintf("syscalls[%d] does not deny %s: syscalls[%d] allows it, whatever its arguments", r.Origin-1, name, rules[first].Origin-1))
			}
		}
		if r.Action == by {
			none = append(none, r) // the calls it names are not newer than the profile
			continue
		}
		elsewhere := func(name string) bool {
			first, ok := alone[name]
			return ok && first != i
		}
		if slices.ContainsFunc(r.Names, elsewhere) {
			r.Names = slices.DeleteFunc(slices.Clone(r.Names), elsewhere)
		}
		for _, name := range r.Names {
			if len(r.Conds) == 0 {
				break
			}
			for _, other := range some[name] {
				if other.Action != r.Action && overlap(name, other.Conds, r.Conds) {
					return nil, nil, fmt.Errorf("syscalls[%d] and syscalls[%d]: both can match a call of %s, with different actions", other.Origin-1, r.Origin-1, name)
				}
			}
			if some[name] = append(some[name], r); len(some[name]) > MaxInstructions/2 {
				return nil, nil, fmt.Errorf("%s: more than %d rules, which are too many for a filter", name, MaxInstructions/2)
			}
		}
		if len(r.Names) > 0 {
			settled = append(settled, r)
		}
	}
	return append(settled, none...), notes, nil
}

// closeWays prevents other calls from doing what the rules of a profile deny: a rule
// without conditions applies to socketcall(2) and ipc(2) too, as in libseccomp; and
// where a call is denied for some of its arguments, a call that takes them in memory,
// where a filter cannot see them, is denied completely.
func (p *Policy) closeWays() (notes []string, err error) {
	var before, after []Rule
	named := p.named()
	for m := range ways {
		rules, others := named[m.name], named[m.by]
		if len(rules) == 0 || !slices.ContainsFunc(p.Arches, func(a *Arch) bool { _, ok := m.on(a); return ok }) {
			continue
		}
		switch {
		case len(rules[0].Conds) > 0:
			a := p.open(m)
			if a == nil || m.number != 0 && p.meant(m, others) || m.meant && slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.allows(m.by) }) {
				break // or a rule names the operation, or the call: it is intended
			}
			act, origin := p.deniesSome(m, rules)
			if !act.Denies() {
				break
			}
			if m.number == 0 && m.special(a) {
				return nil, fmt.Errorf("syscalls[%d]: %s: %w", origin-1, m.name, m.passed(a))
			}
			act = m.instead(act)
			if r := m.rule(act, origin); !slices.ContainsFunc(before, r.like) {
				before = append(before, r)
			}
			notes = append(notes, fmt.Sprintf("%s is denied for some arguments, and %s takes them where a filter cannot see them: %v", m.name, m, act))
		case m.number == 0:
		case rules[0].Action.Denies():
			before = append(before, m.rule(rules[0].Action, rules[0].Origin))
		case len(others) == 0 || len(others[0].Conds) > 0:
			after = append(after, m.rule(rules[0].Action, rules[0].Origin))
		}
	}
	// Rules with the default action come last: see settle.
	end := len(p.Rules)
	for end > 0 && p.Rules[end-1].Action == p.Default {
		end--
	}
	p.Rules = slices.Concat(before, p.Rules[:end], after, p.Rules[end:])
	return notes, nil
}

// rule is a rule for the other call.
func (s sameAs) rule(act Action, origin Origin) Rule {
	r := Rule{Names: []string{s.by}, Action: act, Origin: origin}
	if s.number != 0 {
		r.Conds = []Cond{s.cond()}
	}
	return r
}

// like reports whether two rules are for the same calls.
func (r Rule) like(other Rule) bool {
	return slices.Equal(r.Names, other.Names) && slices.Equal(r.Conds, other.Conds)
}

// instead is the action with which the other call is denied. Nobody may have wanted to
// deny that call, so it does not kill and, for a new call, it is the error that
// programs expect from an older kernel.
func (s sameAs) instead(act Action) Action {
	switch {
	case s.number == 0:
		return Errno(unix.ENOSYS)
	case act&^unix.SECCOMP_RET_DATA == errnoAction:
		return act
	}
	return Errno(unix.EPERM)
}

// meant reports whether one of the rules for the other call allows the operation by its
// number.
func (p *Policy) meant(s sameAs, rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		byNumber := slices.ContainsFunc(r.Conds, func(c Cond) bool { return c.Arg == 0 })
		return byNumber && !r.Action.Denies() && slices.ContainsFunc(p.Arches, func(a *Arch) bool {
			_, on := s.on(a)
			may, _ := s.fits(a, s.by, r)
			return on && may
		})
	})
}

// named are the rules for calls that may be possible in another way: those that
// socketcall(2) and ipc(2) can make, and those on which some rules have conditions;
// except rules with the default action. There is one without conditions, or several
// with.
func (p *Policy) named() map[string][]Rule {
	rules := make(map[string][]Rule, 64)
	for _, m := range multiplexed {
		rules[m.name], rules[m.by] = nil, nil
	}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if len(r.Conds) > 0 {
				rules[name] = nil
			}
		}
	}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if list, ok := rules[name]; ok && r.Action != p.Default {
				rules[name] = append(list, r)
			}
		}
	}
	return rules
}

// deniesSome is the action with which rules with conditions deny some of the calls that
// the other call can replace, or with which the default denies those that match none;
// otherwise Allow.
func (p *Policy) deniesSome(s sameAs, rules []Rule) (Action, Origin) {
	for _, r := range rules {
		if r.Action.Denies() && p.standsIn(s, r) && !auditSocket(s.name, r.Conds) {
			return r.Action, r.Origin
		}
	}
	if !p.Default.Denies() {
		return Allow, 0
	}
	if len(s.only) == 0 && leavesSome(s.name, rules) {
		return p.Default, rules[0].Origin
	}
	rest, ok := everyCall(), true
	for _, r := range rules {
		if rest, ok = rest.without(s.name, r.Conds); !ok {
			break // some, as far as is known
		}
	}
	if ok {
		rest, _, ok = rest.split(s.name, s.only)
	}
	if ok && len(rest) == 0 {
		return Allow, 0
	}
	return p.Default, rules[0].Origin
}

// leavesSome reports whether there is a call that no rule matches, among those that
// just miss a rule: dividing all calls would take longer.
func leavesSome(name string, rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		var args [6]uint64
		for _, c := range r.Conds {
			args[c.Arg] = c.misses() & looked(name, c.Arg).all()
		}
		return !slices.ContainsFunc(rules, func(r Rule) bool {
			return !slices.ContainsFunc(r.Conds, func(c Cond) bool {
				w := looked(name, c.Arg)
				return !c.masked(w).holds(args[c.Arg], w.bytes)
			})
		})
	})
}

// misses is a number next to those for which a condition is true.
func (c Cond) misses() uint64 {
	switch c.Op {
	case EQ, LE:
		return c.Value + 1
	case GE:
		return c.Value - 1
	case MaskedEQ:
		return c.Value ^ c.Mask&-c.Mask
	}
	return c.Value
}

// auditSocket reports whether a rule is for NETLINK_AUDIT of socket(2). Podman has such
// a rule, but not to deny anything: the kernel checks capabilities there. Programs take
// its EINVAL for a kernel without audit, and continue.
func auditSocket(name string, conds []Cond) bool {
	return name == "socket" && slices.Equal(conds, []Cond{
		{Arg: 0, Op: EQ, Value: unix.AF_NETLINK}, {Arg: 2, Op: EQ, Value: unix.NETLINK_AUDIT},
	})
}
