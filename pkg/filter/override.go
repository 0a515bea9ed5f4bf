package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// An Override is an action for selected calls, which counts before the rules of a
// profile.
type Override struct {
	Action Action
	Calls  []Selection
}

// ParseOverride reads the calls that an action is for. An errno may come after those
// of Errno(EPERM): mkdir,@clock:EXDEV.
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
	return Override{act, list}, nil
}

// String is the override as hk-seccomp(1) takes it: deny=mkdir,@clock:EXDEV.
func (o Override) String() string {
	word, errno, _ := strings.Cut(o.Action.Word(), ":")
	text := word + "=" + selectionsText(o.Calls)
	if errno != "" {
		text += ":" + errno
	}
	return text
}

// rules are those of the override, which is the one of that index.
func (o Override) rules(p *Policy, index int) (rules []Rule, err error) {
	for _, sel := range o.Calls {
		names := []string{sel.Name}
		if sel.Name[0] == '@' {
			if names, err = Group(sel.Name); err != nil {
				return nil, err
			}
		}
		if err := p.checkConds(sel); err != nil {
			return nil, fmt.Errorf("%s: %w", sel.Name, err)
		}
		rules = append(rules, Rule{Names: names, Action: o.Action, Conds: sel.Conds, Origin: Origin(-1 - index)})
	}
	return rules, nil
}

// An OverrideError is why an override cannot be what it says: its conditions say
// nothing, or another call that is allowed does the same.
type OverrideError struct {
	// Index is that of the override.
	Index int
	Err   error
}

func (e *OverrideError) Error() string { return fmt.Sprintf("override %d: %v", e.Index, e.Err) }

func (e *OverrideError) Unwrap() error { return e.Err }

// Override puts rules before those of the policy; the first that fits a call counts.
// byDefault, if it is not nil, is for the calls that no rule fits. What is denied is
// denied too by the other names that a call has on 32 bits, by socketcall(2) and by
// ipc(2). An override that denies a call for some arguments is an [OverrideError]
// where another call does the same with arguments that a filter cannot see.
func (p *Policy) Override(list []Override, byDefault *Action) error {
	var rules []Rule
	for i, o := range list {
		more, err := o.rules(p, i)
		if err != nil {
			return &OverrideError{i, err}
		}
		rules = append(rules, more...)
	}
	rules = multiplex(p.withTwins(rules, nil))
	p.Rules = append(rules, p.Rules...)
	if byDefault != nil {
		p.setDefault(*byDefault)
	}
	return p.checkSame(rules, byDefault != nil)
}

// setDefault gives the action for all the calls that there are here: the newest is
// named, so that only what is still newer is that.
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

// newer is the action for calls that are newer than a policy by whose default a call
// has the action.
func (a Action) newer() Action {
	if a.Denies() {
		return Errno(unix.ENOSYS)
	}
	return a
}

// Absent are the calls of an override that denies which no architecture of the
// policy has.
func (p *Policy) Absent(o Override) (names []string) {
	for _, sel := range o.Calls {
		has := func(a *Arch) bool { _, ok := a.Number(sel.Name); return ok }
		if o.Action.Denies() && sel.Name[0] != '@' && !slices.ContainsFunc(p.Arches, has) {
			names = append(names, sel.Name)
		}
	}
	return names
}
