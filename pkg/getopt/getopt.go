// Package getopt parses the flags of a command line in the same way as getopt_long(3)
// when it is told to stop at the first word that is not a flag: --name, --name=value,
// --name value, -x, -xvalue, -x value, -xyz, and -- as the end.
//
// It differs from getopt_long(3) in that names cannot be abbreviated, because a flag
// that is added later must not change the meaning of a script, and in that a switch
// accepts =true and =false.
//
// It is our own because each program of a chain starts with it: what a library for
// flags imports, such as package net, takes longer at a start than parsing all the
// flags of a chain.
package getopt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/internal/similar"
	"hk/internal/vis"
)

// Flags are the flags that a command line may have. The zero value has none. They are
// parsed in the order of the command line; the function of a flag that occurs twice is
// called twice.
type Flags struct {
	list []flag
	// Foreign returns what to use instead of a flag of another program, or "". The
	// error for an unknown flag includes it. It may be nil.
	Foreign func(name string) string
}

type flag struct {
	name, short string
	// at is the variable of a plain switch, or nil.
	at  *bool
	set func(string) error
	// optional means that the value may be omitted and, if present, must follow an
	// equals sign. If it is omitted, it is missing.
	optional bool
	missing  string
	// toggle is set for a switch.
	toggle bool
}

// String adds a flag with a value. short is one ASCII letter, or "" for none.
func (f *Flags) String(name, short string, set func(string) error) {
	f.list = append(f.list, flag{name: name, short: short, set: set})
}

// Optional adds a flag whose value may be omitted; set then gets missing. A value must
// follow an equals sign: the next word is not taken as the value.
func (f *Flags) Optional(name, missing string, set func(string) error) {
	f.list = append(f.list, flag{name: name, set: set, optional: true, missing: missing})
}

// Bool adds a switch. short is as for [Flags.String].
func (f *Flags) Bool(name, short string, at *bool) {
	f.list = append(f.list, flag{name: name, short: short, at: at, toggle: true, optional: true, missing: "true"})
}

// BoolFunc adds a switch whose value is stored by set.
func (f *Flags) BoolFunc(name, short string, set func(bool) error) {
	f.list = append(f.list, flag{name: name, short: short, toggle: true, optional: true, missing: "true",
		set: func(v string) error {
			on, err := parseBool(v)
			if err != nil {
				return err
			}
			return set(on)
		}})
}

// Reset removes all flags but keeps the memory for reuse.
func (f *Flags) Reset() { *f = Flags{list: f.list[:0]} }

// Names lists the long names, in the order in which they were added.
func (f *Flags) Names() []string {
	var names []string
	for _, fl := range f.list {
		names = append(names, fl.name)
	}
	return names
}

// A Flag is what a completion or a manual says of a flag. Short is one letter or "".
type Flag struct {
	Name, Short string
	// Value is set unless the flag is a switch, and Optional if the value may be omitted.
	Value, Optional bool
}

// All lists the flags, in the order in which they were added.
func (f *Flags) All() []Flag {
	var list []Flag
	for _, fl := range f.list {
		list = append(list, Flag{fl.name, fl.short, !fl.toggle, !fl.toggle && fl.optional})
	}
	return list
}

// Parse parses flags up to the first word that is not a flag, and returns the remaining
// words. "--" is dropped; "-" is not a flag. An error names the flag.
func (f *Flags) Parse(words []string) (rest []string, err error) {
	for len(words) > 0 {
		w := words[0]
		if len(w) < 2 || w[0] != '-' {
			return words, nil
		}
		words = words[1:]
		if w == "--" {
			return words, nil
		}
		if w[1] == '-' {
			words, err = f.long(w[2:], words)
		} else {
			words, err = f.shorts(w[1:], words)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// long parses a flag given by its name; words follow it.
func (f *Flags) long(text string, words []string) ([]string, error) {
	name, value, given := strings.Cut(text, "=")
	fl := f.find(func(fl *flag) bool { return fl.name == name })
	switch {
	case name == "" || fl == nil:
		return nil, f.unknown("--"+vis.Text(name), name)
	case given:
	case fl.optional:
		value = fl.missing
	case len(words) == 0:
		return nil, fmt.Errorf("--%s needs a value", name)
	default:
		value, words = words[0], words[1:]
	}
	return words, fl.take("--"+name, value)
}

// shorts parses a word of one-letter flags, the last of which may have a value; words
// follow it.
func (f *Flags) shorts(letters string, words []string) ([]string, error) {
	for i := range letters {
		letter := letters[i : i+1]
		fl := f.find(func(fl *flag) bool { return fl.short == letter })
		if fl == nil {
			return nil, f.unknown("-"+vis.Text(letters[i:]), letter)
		}
		value, last := letters[i+1:], false
		switch {
		case strings.HasPrefix(value, "="):
			value, last = value[1:], true
		case fl.optional:
			value = fl.missing
		case value != "":
			last = true
		case len(words) == 0:
			return nil, fmt.Errorf("-%s needs a value", letter)
		default:
			value, words = words[0], words[1:]
		}
		if err := fl.take("-"+letter, value); err != nil {
			return nil, err
		}
		if last {
			break
		}
	}
	return words, nil
}

// unknown is the error for a flag that does not exist, with what may be meant.
func (f *Flags) unknown(given, name string) error {
	if f.Foreign != nil && f.Foreign(name) != "" {
		return fmt.Errorf("unknown flag %s: here it is %s", given, f.Foreign(name))
	}
	best, least := "", min(2, len(name)/3)+1
	for _, fl := range f.list {
		n := similar.Distance(name, fl.name)
		if len(name) > 3 && strings.HasPrefix(fl.name, name) {
			n = 1
		}
		if n < least {
			best, least = fl.name, n
		}
	}
	if best != "" {
		return fmt.Errorf("unknown flag %s: did you mean --%s?", given, best)
	}
	return fmt.Errorf("unknown flag %s", given)
}

func (f *Flags) find(is func(*flag) bool) *flag {
	for i := range f.list {
		if is(&f.list[i]) {
			return &f.list[i]
		}
	}
	return nil
}

func (fl *flag) take(as, value string) (err error) {
	if fl.at != nil {
		*fl.at, err = parseBool(value)
	} else {
		err = fl.set(value)
	}
	if err != nil {
		return fmt.Errorf("%s=%s: %w", as, vis.Text(value), err)
	}
	return nil
}

func parseBool(v string) (bool, error) {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, errors.New("neither true nor false")
	}
	return on, nil
}
