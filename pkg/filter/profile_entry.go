package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rules makes the rules of an entry, or none if its conditions are not true.
func (s *syscall) rules(t Target) (rules []Rule, notes []string, err error) {
	names := s.Names
	if s.Name != "" {
		if len(names) > 0 {
			return nil, nil, errors.New("name and names are mutually exclusive")
		}
		names = []string{s.Name}
	}
	if len(names) == 0 {
		return nil, nil, errors.New("no names")
	}
	act, err := action(s.Action, s.ErrnoRet, s.Errno)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", names[0], err)
	}
	if ok, err := s.applies(t); err != nil || !ok {
		return nil, nil, err
	}
	var there []string
	for _, name := range names {
		switch {
		case exists(name):
			there = append(there, name)
		case act.Denies():
			return nil, nil, fmt.Errorf("there is no system call %q to deny", name)
		default:
			notes = append(notes, fmt.Sprintf("there is no system call %q", name))
		}
	}
	if names = there; len(names) == 0 {
		return nil, notes, nil
	}
	conds := make([]Cond, len(s.Args))
	seen := map[uint]bool{}
	repeated := false
	for i, a := range s.Args {
		if conds[i], err = condition(a); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", names[0], err)
		}
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
	}
	if !repeated {
		return []Rule{{Names: names, Action: act, Conds: conds}}, notes, nil
	}
	// Conditions on the same argument are alternatives, as in runc.
	for _, c := range conds {
		rules = append(rules, Rule{Names: names, Action: act, Conds: []Cond{c}})
	}
	return rules, notes, nil
}

// operatorNames are the names of comparisons in profiles, by Op.
var operatorNames = [...]specs.LinuxSeccompOperator{
	EQ: specs.OpEqualTo, NE: specs.OpNotEqual, LT: specs.OpLessThan, LE: specs.OpLessEqual,
	GT: specs.OpGreaterThan, GE: specs.OpGreaterEqual, MaskedEQ: specs.OpMaskedEqual,
}

func condition(a specs.LinuxSeccompArg) (Cond, error) {
	op := slices.Index(operatorNames[:], a.Op)
	if op < 0 {
		return Cond{}, fmt.Errorf("unknown operator %q", a.Op)
	}
	if a.Index > 5 {
		return Cond{}, fmt.Errorf("a call has the arguments 0 to 5, not %d", a.Index)
	}
	c := Cond{Arg: int(a.Index), Op: Op(op), Value: a.Value}
	if c.Op == MaskedEQ {
		// libseccomp masks both sides.
		c.Mask, c.Value = a.Value, a.ValueTwo&a.Value
	}
	return c, nil
}

// actions are the names of actions in profiles; if there are several, the last one is
// only read, not written.
var actions = [...]actionName{
	{specs.ActAllow, Allow}, {specs.ActLog, Log}, {specs.ActTrap, Trap}, {specs.ActKillThread, KillThread},
	{specs.ActKillProcess, KillProcess}, {specs.ActTrace, Trace}, {specs.ActErrno, errnoAction}, {specs.ActKill, KillThread},
}

type actionName struct {
	name specs.LinuxSeccompAction
	act  Action
}

const errnoAction = Action(unix.SECCOMP_RET_ERRNO)

// errnoOf parses an errno in Podman's form: a name, or a number.
func errnoOf(text string) (uint, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint(n), nil
	}
	if e := errnoNumber(text); e != 0 {
		return uint(e), nil
	}
	return 0, fmt.Errorf("unknown errno %q", text)
}

// action parses an action with its data. A missing errno means EPERM, as in the
// specification; if both are given, Podman's key takes precedence, as in Podman.
func action(name specs.LinuxSeccompAction, ret *uint, errno string) (Action, error) {
	if name == specs.ActNotify {
		return 0, fmt.Errorf("%s: there is no process to notify", name)
	}
	act, known := Action(0), false
	for _, a := range actions {
		if a.name == name {
			act, known = a.act, true
		}
	}
	if !known {
		return 0, fmt.Errorf("unknown action %q", name)
	}
	data := uint(0)
	if act == errnoAction || act == Trace {
		data = uint(unix.EPERM)
	}
	if errno != "" {
		n, err := errnoOf(errno)
		if err != nil {
			return 0, err
		}
		ret = &n
	}
	if ret != nil {
		data = *ret
	}
	switch {
	case data > 0xffff:
		return 0, fmt.Errorf("errno %d is out of range", data)
	case act == errnoAction && data > maxErrno:
		return 0, fmt.Errorf("errno %d is out of range", data)
	case data != 0 && (act == Allow || act == Log):
		return 0, fmt.Errorf("%s has no errno", name)
	}
	return act | Action(data), nil
}
