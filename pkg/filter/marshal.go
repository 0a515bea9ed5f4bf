package filter

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// MarshalProfile writes a policy as a profile. The order of rules does not matter in a
// profile; where it matters in the policy, the conditions are rewritten so that no two
// rules match the same call.
func MarshalProfile(p *Policy) ([]byte, error) {
	var out specs.LinuxSeccomp
	out.DefaultAction, out.DefaultErrnoRet = p.Default.oci()
	for _, a := range p.Arches {
		out.Architectures = append(out.Architectures, specs.Arch(a.OCI))
	}
	for _, f := range loadFlags {
		if p.Flags&f.flag != 0 {
			out.Flags = append(out.Flags, f.name)
		}
	}
	some, alone := map[string]bool{}, map[string]bool{}
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if len(r.Conds) == 0 {
				alone[name] = true
			} else if !alone[name] {
				some[name] = true
			}
		}
	}
	done := map[string]bool{}
	for _, r := range p.Rules {
		var names []string
		for _, name := range r.Names {
			switch {
			case done[name]:
			case some[name]:
				entries, err := p.apart(name)
				if err != nil {
					return nil, err
				}
				out.Syscalls = append(out.Syscalls, entries...)
			default:
				names = append(names, name)
			}
			done[name] = true
		}
		if len(names) > 0 {
			out.Syscalls = append(out.Syscalls, r.Action.entry(names))
		}
	}
	b, err := json.MarshalIndent(out, "", "  ")
	return append(b, '\n'), err
}

// apart makes entries for a call that rules with conditions name.
func (p *Policy) apart(name string) ([]specs.LinuxSyscall, error) {
	last := p.Default
	var rules []Rule
	for _, r := range p.Rules {
		if !slices.Contains(r.Names, name) {
			continue
		}
		if len(r.Conds) == 0 {
			last = r.Action
			break
		}
		rules = append(rules, r)
	}
	if entries := p.asTheyAre(name, rules); last == p.Default && entries != nil {
		return entries, nil
	}
	for _, r := range rules {
		for _, c := range r.Conds {
			if !p.divides(name, c) {
				return nil, fmt.Errorf("%s: a profile, in which the order of rules does not matter, cannot distinguish its calls by %s: the number of bits compared is not the same everywhere", name, c)
			}
		}
	}
	var entries []specs.LinuxSyscall
	rest := everyCall()
	for _, r := range append(rules, Rule{Action: last}) {
		in, out, ok := rest.split(name, r.Conds)
		if !ok {
			return nil, fmt.Errorf("%s: a profile, in which the order of rules does not matter, would need too many conditions", name)
		}
		if rest = out; r.Action != p.Default {
			entries = append(entries, r.Action.boxes(name, in)...)
		}
	}
	if len(entries) == 0 { // named calls are not newer than the profile
		entries = append(entries, p.Default.entry([]string{name}))
	}
	return entries, nil
}

// divides reports whether always either a condition or its opposite is true for a call,
// even if they are written as masks: not if an argument is compared in two ways, or
// with a number that is negative in fewer bits.
func (p *Policy) divides(name string, c Cond) bool {
	if c.Value>>32 == ones(4) && looked(name, c.Arg).bytes == 8 {
		return false
	}
	return !slices.ContainsFunc(p.Arches, func(a *Arch) bool {
		arg, looks := a.argument(name, c.Arg)
		_, has := a.Number(name)
		return has && looks && len(arg.ways()) != 1
	})
}

// asTheyAre makes one entry of each rule, or none if they would not mean the same in a
// profile.
func (p *Policy) asTheyAre(name string, rules []Rule) (entries []specs.LinuxSyscall) {
	for i, r := range rules {
		e := r.Action.entry([]string{name})
		for j, c := range r.Conds {
			if slices.ContainsFunc(r.Conds[:j], func(d Cond) bool { return d.Arg == c.Arg }) {
				return nil // they would be alternatives
			}
			e.Args = append(e.Args, c.oci())
		}
		if r.Action == p.Default || slices.ContainsFunc(rules[:i], func(s Rule) bool {
			return s.Action != r.Action && overlap(name, s.Conds, r.Conds)
		}) {
			return nil
		}
		entries = append(entries, e)
	}
	return entries
}

func (a Action) entry(names []string) specs.LinuxSyscall {
	e := specs.LinuxSyscall{Names: names}
	e.Action, e.ErrnoRet = a.oci()
	return e
}

// boxes makes entries for a region: one for all boxes that have conditions only on the
// same argument, which are alternatives, and one for each other box.
//
// All conditions are masks: other comparisons would compare 64 bits of a 32-bit
// argument.
func (a Action) boxes(name string, r region) (entries []specs.LinuxSyscall) {
	alternatives := map[int]int{} // entries by argument
	for _, b := range r {
		var args []specs.LinuxSeccompArg
		for n, p := range b {
			if p.mask != 0 {
				args = append(args, Cond{Arg: n, Op: MaskedEQ, Mask: p.mask, Value: p.value}.oci())
			}
		}
		if len(args) == 1 {
			n := int(args[0].Index)
			if i, ok := alternatives[n]; ok {
				entries[i].Args = append(entries[i].Args, args[0])
				continue
			}
			alternatives[n] = len(entries)
		}
		e := a.entry([]string{name})
		e.Args = args
		entries = append(entries, e)
	}
	return entries
}

func (c Cond) oci() specs.LinuxSeccompArg {
	a := specs.LinuxSeccompArg{Index: uint(c.Arg), Op: operatorNames[c.Op], Value: c.Value}
	if c.Op == MaskedEQ {
		a.Value, a.ValueTwo = c.Mask, c.Value
	}
	return a
}

// oci is an action's name in profiles, and its data if it can have any.
func (a Action) oci() (specs.LinuxSeccompAction, *uint) {
	kind, data := a&^unix.SECCOMP_RET_DATA, uint(a&unix.SECCOMP_RET_DATA)
	i := slices.IndexFunc(actions[:], func(n actionName) bool { return n.act == kind })
	if data == 0 && kind != Trace && kind != errnoAction { // of those no number means EPERM
		return actions[i].name, nil
	}
	return actions[i].name, &data
}
