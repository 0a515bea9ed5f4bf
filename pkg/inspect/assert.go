package inspect

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// An assertion is one EXPR of --assert: hk-inspect(1).
type assertion struct {
	text string
	// key is what it is about, with the part after a dot or a colon in name.
	key, name string
	// operator is =, !=, <=, >=, < or >, or "" for what only holds or not, with not for !.
	operator, value string
	not             bool
	// section is what must be read.
	section string
	holds   func(a *assertion, r *Report) (ok bool, is string, err error)
}

// parseAssertion parses EXPR.
func parseAssertion(text string) (assertion, error) {
	a := assertion{text: text}
	rest, not := strings.CutPrefix(text, "!")
	a.not = not
	key := rest
	// A path may hold any of the operators: only the last equals sign counts.
	if strings.HasPrefix(rest, "mount:") || strings.HasPrefix(rest, "mounts:") {
		if i := strings.LastIndexByte(rest, '='); i >= 0 {
			key, a.operator, a.value = rest[:i], "=", rest[i+1:]
		}
	} else if i := strings.IndexAny(rest, "=!<>"); i >= 0 {
		key, a.operator, a.value = rest[:i], rest[i:i+1], rest[i+1:]
		if value, ok := strings.CutPrefix(a.value, "="); ok && a.operator != "=" {
			a.operator, a.value = a.operator+"=", value
		}
	}
	s := subjectOf(key, &a)
	switch {
	case s == nil:
		return a, fmt.Errorf("%q is nothing that can be asserted: see hk-inspect(1)", key)
	case !slices.Contains(s.operators, a.operator) && a.operator == "":
		return a, fmt.Errorf("%s needs one of %s and a value", key, strings.Join(s.operators, " "))
	case !slices.Contains(s.operators, a.operator):
		return a, fmt.Errorf("%s cannot be compared by %q", key, a.operator)
	case a.operator != "" && a.not:
		return a, errors.New("! is not for a comparison")
	case s.check != nil:
		return a, s.check(&a)
	}
	return a, nil
}

// subjectOf finds the subject of a key, and notes it.
func subjectOf(key string, a *assertion) *subject {
	for _, s := range subjects() {
		name, ok := "", key == s.key
		if s.named != 0 {
			name, ok = strings.CutPrefix(key, s.key+string(s.named))
		}
		if ok && (s.named == 0 || name != "") {
			a.key, a.name, a.section, a.holds = s.key, name, s.section, s.holds
			return &s
		}
	}
	return nil
}

// check returns an error if the assertion does not hold, or if that cannot be told.
func (a assertion) check(r *Report) error {
	why, unreadable := r.Unreadable[a.section]
	if !unreadable {
		why, unreadable = r.Unreadable[a.section+"."+a.key]
	}
	if !unreadable {
		why, unreadable = r.Unreadable[a.section+".threads"]
	}
	if !unreadable {
		why, unreadable = r.Unreadable[a.section+"."+a.key+".threads"]
	}
	if !unreadable && !r.has(a.section) {
		why, unreadable = "it was not read", true
	}
	if unreadable {
		return fmt.Errorf("--assert %s: it cannot be told: %s", a.text, why)
	}
	ok, is, err := a.holds(&a, r)
	switch {
	case err != nil:
		return fmt.Errorf("--assert %s: it cannot be told: %w", a.text, err)
	case ok == a.not:
		return fmt.Errorf("--assert %s: %s", a.text, is)
	}
	return nil
}

// assertFlag adds an EXPR.
func (i *Inspection) assertFlag(v string) error {
	a, err := parseAssertion(v)
	if err == nil {
		i.Assert = append(i.Assert, v)
		i.asserts = append(i.asserts, a)
	}
	return err
}

// asserted are the sections that the assertions are about.
func (i *Inspection) asserted() (list []string) {
	for _, a := range i.asserts {
		list = append(list, a.section)
	}
	return list
}

// equalLists compares none, or words with commas between, with a list, in any order.
func equalLists(value string, have []string) bool {
	want := []string{}
	if value != "none" {
		want = strings.Split(value, ",")
	}
	slices.Sort(want)
	have = slices.Compact(slices.Sorted(slices.Values(have)))
	return slices.Equal(slices.Compact(want), have)
}

func isSecurebits(a *assertion) error {
	for _, w := range strings.Split(a.value, ",") {
		if !slices.Contains(securebits(^uint32(0)), w) && a.value != "none" {
			return fmt.Errorf("unknown securebit %q", w)
		}
	}
	return nil
}

func isDirectory(a *assertion) error {
	if !strings.HasPrefix(a.value, "/") || path.Clean(a.value) != a.value {
		return fmt.Errorf("%q is not an absolute path without .., . and needless slashes", a.value)
	}
	return nil
}
