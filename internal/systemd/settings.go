package systemd

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// settings are the assignments of [Service] that count, by the name of the directive.
type settings map[string][]Assignment

// collect is what the assignments of a unit come to: an empty one forgets those before it.
// Notes are about those that are not said.
func (c *compiler) collect() {
	c.given = settings{}
	var order []string
	for _, a := range c.unit.Lines {
		if a.Section == "Unit" && a.Name == "JoinsNamespaceOf" && a.Value != "" {
			c.note(unsaid, a, "a namespace of another service can be joined with hk-unshare --join")
		}
		if a.Section != "Service" && a.Value != "" {
			c.noteSection(a)
		}
		if a.Section != "Service" || strings.HasPrefix(a.Name, "X-") {
			continue
		}
		a.Name = current(a.Name)
		if c.given[a.Name] == nil {
			order = append(order, a.Name)
		}
		switch {
		case a.Value == "":
			c.given[a.Name] = []Assignment{}
			if a.Name == "BindPaths" || a.Name == "BindReadOnlyPaths" {
				c.given["BindPaths"], c.given["BindReadOnlyPaths"] = []Assignment{}, []Assignment{}
			}
			if a.Name == "CapabilityBoundingSet" || a.Name == "AmbientCapabilities" {
				c.given[a.Name] = []Assignment{a} // the empty set
			}
		case strings.Contains(lists, " "+a.Name+" "):
			c.given[a.Name] = append(c.given[a.Name], a)
		default:
			if is, _ := meaningOf(a.Name); is == unsaid || is == lost || is == unknown {
				c.given[a.Name] = append(c.given[a.Name], a)
			} else {
				c.given[a.Name] = []Assignment{a}
			}
		}
	}
	c.noteUnsaid(order)
}

// noteSection notes what would restrict the service, and is in a section where the manager
// ignores it.
func (c *compiler) noteSection(a Assignment) {
	is, _ := meaningOf(current(a.Name))
	known := a.Section == "Unit" || a.Section == "Install"
	switch {
	case strings.HasPrefix(a.Section, "X-"), strings.HasPrefix(a.Name, "X-"):
	case !known:
		c.note(lost, a, "a service has no section ["+a.Section+"]")
	case is == said, is == lost:
		c.note(lost, a, "it is in ["+a.Section+"], and counts only in [Service]")
	}
}

// noteUnsaid notes what no stage can express.
func (c *compiler) noteUnsaid(order []string) {
	for _, name := range order {
		is, why := meaningOf(name)
		list := slices.DeleteFunc(slices.Clone(c.given[name]), func(a Assignment) bool {
			on, ok := parseBool(a.Value)
			return ok && !on && is != unknown && a.Value != "0" // which may be a number
		})
		switch n := len(list); {
		case n == 0:
		case is == unknown:
			for _, a := range list {
				c.note(lost, a, "systemd 262 has no such directive for a service")
			}
		case is == lost, is == unsaid:
			if n > 1 {
				why += fmt.Sprintf(" (and %d more)", n-1)
			}
			c.note(is, list[0], why)
		case is == managed, aboutEnd(name) && len(c.given["RuntimeMaxSec"]) == 0:
			c.managed = append(c.managed, name+"=")
		}
	}
}

// aboutEnd reports whether a directive says how the service is ended.
func aboutEnd(name string) bool {
	return name == "KillSignal" || name == "TimeoutStopSec" || name == "TimeoutSec"
}

// A note is about an assignment that is not said, or not quite.
type note struct {
	is   meaning
	text string
}

// note adds a note about an assignment.
func (c *compiler) note(is meaning, a Assignment, why string) {
	value := a.Value
	if r := []rune(value); len(r) > 60 {
		value = string(r[:60]) + "..."
	}
	text := fmt.Sprintf("%s:%d: %s=%s: %s", path.Base(a.File), a.Line, a.Name, value, why)
	if n := (note{is, text}); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// fail records that an assignment is wrong. The first one counts.
func (c *compiler) fail(a Assignment, err error) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s=%s: %w", a.at(), a.Name, a.Value, err)
	}
}

func (c *compiler) failf(a Assignment, format string, args ...any) {
	c.fail(a, fmt.Errorf(format, args...))
}

// one returns the assignment of a directive that counts, with its specifiers replaced.
func (c *compiler) one(name string) (Assignment, bool) {
	list := c.given[name]
	if len(list) == 0 {
		return Assignment{}, false
	}
	a := list[len(list)-1]
	var err error
	if a.Value, err = c.specifiers(a.Value); err != nil {
		c.fail(list[len(list)-1], err)
	}
	return a, true
}

// text is the value of a directive, or "".
func (c *compiler) text(name string) string {
	a, _ := c.one(name)
	return a.Value
}

// truth is the value of a directive that is true or false, or the default.
func (c *compiler) truth(name string, byDefault bool) bool {
	a, ok := c.one(name)
	if !ok {
		return byDefault
	}
	v, ok := parseBool(a.Value)
	if !ok {
		c.failf(a, "neither true nor false")
	}
	return v
}

// choice is the value of a directive that is one of a few words, or true, as "yes", or
// false, as "no". Without the directive it is "".
func (c *compiler) choice(name string, words ...string) string {
	a, ok := c.one(name)
	if !ok {
		return ""
	}
	if v, ok := parseBool(a.Value); ok {
		if a.Value = "no"; v {
			a.Value = "yes"
		}
	}
	for _, w := range words {
		if w == a.Value {
			return w
		}
	}
	c.failf(a, "not one of %s", strings.Join(words, ", "))
	return ""
}

// An item is a word of an assignment.
type item struct {
	Assignment
	word string
}

// words are the words of all assignments of a directive, with their specifiers replaced.
func (c *compiler) words(name string) (list []item) {
	for _, a := range c.given[name] {
		words, err := splitWords(a.Value)
		if err != nil {
			c.fail(a, err)
		}
		for _, w := range words {
			if w, err = c.specifiers(w); err != nil {
				c.fail(a, err)
			}
			list = append(list, item{a, w})
		}
	}
	return list
}
