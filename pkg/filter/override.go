package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// An Override is an action for selected calls, which takes precedence over the rules of
// a profile.
type Override struct {
	Action Action
	Calls  []Selection
	// Restriction is, instead of both, one of those of [ParseRestrictions].
	Restriction string
}

// ParseOverride parses the calls that an action is for. With Errno(EPERM) an errno may
// follow them: mkdir,@clock:EXDEV.
func ParseOverride(act Action, text string) (Override, error) {
	if act == Errno(unix.EPERM) {
		if i := strings.LastIndexByte(text, ':'); i >= 0 {
			e, err := parseErrno(text[i+1:])
			if err != nil {
				return Override{}, err
			}
			text, act = text[:i], Errno(e)
		}
	}
	list, err := ParseSelections(text)
	if err != nil {
		return Override{}, err
	}
	for _, s := range list {
		if s.Name[0] != '@' && !exists(s.Name) {
			return Override{}, fmt.Errorf("there is no system call %q", s.Name)
		}
	}
	return Override{Action: act, Calls: list}, nil
}

// String is the override in the form of hk-seccomp(1): deny=mkdir,@clock:EXDEV.
func (o Override) String() string {
	if o.Restriction != "" {
		return "restrict=" + o.Restriction
	}
	word, errno, _ := strings.Cut(o.Action.Word(), ":")
	text := word + "=" + selectionsText(o.Calls)
	if errno != "" {
		text += ":" + errno
	}
	return text
}

// rules are the rules of the override, which has that index.
func (o Override) rules(p *Policy, index int) (rules []Rule, err error) {
	if o.Restriction != "" {
		return o.restricted(p, index)
	}
	for _, sel := range o.Calls {
		names := []string{sel.Name}
		if sel.Name[0] == '@' {
			if names, err = Group(sel.Name); err != nil {
				return nil, err
			}
		}
		alternatives, err := sel.alternatives()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sel.Name, err)
		}
		for _, conds := range alternatives {
			if err := p.checkConds(Selection{sel.Name, conds}); err != nil {
				return nil, fmt.Errorf("%s: %w", sel.Name, err)
			}
			rules = append(rules, Rule{Names: names, Action: o.Action, Conds: conds, Origin: Origin(-1 - index)})
		}
	}
	return rules, nil
}

// maxAlternatives is how many rules one selection may need.
const maxAlternatives = 256

// alternatives are conditions without MaskedNE, of which one is true if those of the
// selection are: a bit of the mask differs from the value.
func (s Selection) alternatives() ([][]Cond, error) {
	list := [][]Cond{nil}
	for _, c := range s.Conds {
		either := []Cond{c}
		if c.Op == MaskedNE {
			if c.Value&^c.Mask != 0 {
				return nil, fmt.Errorf("argument %d: %s is always true", c.Arg, c)
			}
			either = c.differs(looked(s.Name, c.Arg))
		}
		if len(either) == 0 {
			return nil, fmt.Errorf("argument %d: %s is never true: the kernel uses none of these bits", c.Arg, c)
		}
		if len(list)*len(either) > maxAlternatives {
			return nil, fmt.Errorf("argument %d: %s: together with other masks this would need too many rules", c.Arg, c)
		}
		var more [][]Cond
		for _, conds := range list {
			for _, e := range either {
				more = append(more, append(slices.Clone(conds), e))
			}
		}
		list = more
	}
	return list, nil
}

// differs are the conditions of which one is true if c, which is MaskedNE, is: each is
// for a bit that the kernel may use.
func (c Cond) differs(w way) (list []Cond) {
	for mask := c.Mask & ones(w.bytes); mask != 0; mask &= mask - 1 {
		bit := mask & -mask
		list = append(list, Cond{Arg: c.Arg, Op: MaskedEQ, Mask: bit, Value: bit &^ c.Value})
	}
	return list
}

// An OverrideError is why an override cannot mean what it says: its conditions are
// never or always true, or another allowed call does the same.
type OverrideError struct {
	// Index is the index of the override.
	Index int
	Err   error
}

func (e *OverrideError) Error() string { return fmt.Sprintf("override %d: %v", e.Index, e.Err) }

func (e *OverrideError) Unwrap() error { return e.Err }

// Override puts rules before those of the policy; the first that matches a call
// applies, and restrictions come first. byDefault, if it is not nil, is for calls that no rule matches. A denied
// call is also denied by its other names on 32-bit architectures, through socketcall(2)
// and through ipc(2). An override that denies a call for some arguments is an
// [OverrideError] if another call does the same with arguments that a filter cannot
// see.
func (p *Policy) Override(list []Override, byDefault *Action) error {
	var first, rules []Rule
	for i, o := range list {
		more, err := o.rules(p, i)
		switch {
		case err != nil:
			return &OverrideError{i, err}
		case o.Restriction != "":
			first = append(first, more...)
		default:
			rules = append(rules, more...)
		}
	}
	rules = multiplex(p.withTwins(append(first, rules...), nil))
	p.Rules = append(rules, p.Rules...)
	if byDefault != nil {
		p.setDefault(*byDefault)
	}
	return p.checkSame(rules, byDefault != nil)
}

// setDefault sets the action for all calls in the tables: the newest is named, so that
// only calls that are still newer are treated as newer.
func (p *Policy) setDefault(act Action) {
	p.Default, p.Newer = act, act.newer()
	newest := Rule{Action: act}
	for _, a := range p.Arches {
		newest.Names = append(newest.Names, a.newest())
	}
	slices.Sort(newest.Names)
	newest.Names = slices.Compact(newest.Names)
	p.Rules = append(p.Rules, newest)
}

// newer is the action for calls that are newer than a policy with this default.
func (a Action) newer() Action {
	if a.Denies() {
		return Errno(unix.ENOSYS)
	}
	return a
}

// Absent are the calls of an override that denies which exist on no architecture of the
// policy.
func (p *Policy) Absent(o Override) (names []string) {
	for _, sel := range o.Calls {
		has := func(a *Arch) bool { _, ok := a.Number(sel.Name); return ok }
		if o.Action.Denies() && sel.Name[0] != '@' && !slices.ContainsFunc(p.Arches, has) {
			names = append(names, sel.Name)
		}
	}
	return names
}
