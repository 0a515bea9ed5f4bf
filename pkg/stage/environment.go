package stage

import (
	"slices"
	"strings"

	"hk/pkg/plan"
)

// An Environment is what the plan passes to the program that it executes: the caller's
// environment, with the changes that stages have made to it.
type Environment struct {
	// inherited are those of the caller's variables that are passed on, and set are
	// those to which a stage has given a value.
	inherited []string
	set       []plan.Var
	// cleared is set once all variables were removed, and removed are the names of
	// those that were removed since, or otherwise at all.
	cleared bool
	removed []string
	// names, unless it is nil, are all names of variables, and perhaps others: a copy of
	// the environment may share it.
	names map[string]bool
}

// many is from how many variables on they are looked up in a map.
const many = 64

// Clear removes all variables.
func (e *Environment) Clear() { *e = Environment{cleared: true} }

// Set gives a variable a value.
func (e *Environment) Set(v plan.Var) {
	e.drop(v.Name)
	e.set = append(e.set, v)
	e.added(v.Name)
}

// Keep restores a variable to what it was before; it is removed if it was not there.
func (e *Environment) Keep(name string, from *Before) {
	e.Unset(name)
	inherited, set := from.find(name)
	e.inherited, e.set = append(e.inherited, inherited...), append(e.set, set...)
	if len(inherited)+len(set) > 0 {
		e.added(name)
		e.removed = without(e.removed, name)
	}
}

// Before is an environment before it is changed.
type Before struct {
	env   Environment
	found int
	// inherited and set are the variables by their names, once many have been looked up.
	inherited map[string][]string
	set       map[string][]plan.Var
}

// Before returns the environment as it is now.
func (e *Environment) Before() *Before { return &Before{env: *e} }

func (b *Before) find(name string) (inherited []string, set []plan.Var) {
	if b.found++; b.found < many {
		for _, v := range b.env.inherited {
			if nameOf(v) == name {
				inherited = append(inherited, v)
			}
		}
		for _, v := range b.env.set {
			if v.Name == name {
				set = append(set, v)
			}
		}
		return inherited, set
	}
	if b.inherited == nil {
		b.inherited, b.set = map[string][]string{}, map[string][]plan.Var{}
		for _, v := range b.env.inherited {
			b.inherited[nameOf(v)] = append(b.inherited[nameOf(v)], v)
		}
		for _, v := range b.env.set {
			b.set[v.Name] = append(b.set[v.Name], v)
		}
	}
	return b.inherited[name], b.set[name]
}

// added adds a name to those that there may be.
func (e *Environment) added(name string) {
	switch {
	case e.names != nil:
		e.names[name] = true
	case len(e.inherited)+len(e.set) >= many:
		e.names = make(map[string]bool, 2*many)
		for _, v := range e.inherited {
			e.names[nameOf(v)] = true
		}
		for _, v := range e.set {
			e.names[v.Name] = true
		}
	}
}

// Unset removes variables.
func (e *Environment) Unset(names ...string) {
	for _, name := range names {
		if e.has(name) {
			e.drop(name)
			e.removed = append(e.removed, name)
		}
	}
}

// Changed reports whether a stage has changed it.
func (e *Environment) Changed() bool { return e.cleared || len(e.set) > 0 || len(e.removed) > 0 }

// Passes reports whether a variable is passed on with the value that the caller has
// given it.
func (e *Environment) Passes(name string) bool {
	return slices.ContainsFunc(e.inherited, func(v string) bool { return nameOf(v) == name })
}

// List is the environment as in execve(2), without the variables whose values are not
// known before the plan is performed.
func (e *Environment) List() []string {
	list := slices.Clone(e.inherited)
	for _, v := range e.set {
		if v.Known() {
			list = append(list, v.Name+"="+v.Value)
		}
	}
	return list
}

// GivenImage is what a command gives, with the environment or another one.
func (e *Environment) GivenImage() plan.Image { return plan.GivenImage(e.set) }

// Image is what execve(2) passes to the program: its arguments, the environment, and
// further variables of hk's own, which are not printed.
func (e *Environment) Image(argv []string, own ...string) plan.Image {
	changes := plan.Changes{Set: e.set, Removed: e.removed, Cleared: e.cleared}
	return plan.NewImage(argv, append(slices.Clip(e.inherited), own...), changes)
}

func (e *Environment) has(name string) bool {
	if e.names != nil && !e.names[name] {
		return false
	}
	return e.Passes(name) || slices.ContainsFunc(e.set, func(v plan.Var) bool { return v.Name == name })
}

// drop removes a variable. The slices may be shared with the environment before.
func (e *Environment) drop(name string) {
	e.removed = without(e.removed, name)
	if !e.has(name) {
		return
	}
	e.inherited = slices.DeleteFunc(slices.Clone(e.inherited), func(v string) bool { return nameOf(v) == name })
	e.set = slices.DeleteFunc(slices.Clone(e.set), func(v plan.Var) bool { return v.Name == name })
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}
