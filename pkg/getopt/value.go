package getopt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Value is what follows a flag, or a part of that, as it is written. In it
// colons, commas and equals signs separate: SRC:DST:OPTS, A,B and KEY=VALUE. A
// backslash before one of the three, or before a backslash, makes it a character
// like any other; before anything else a backslash is itself.
//
// Separators are found before backslashes are taken off, or a part could not be
// cut again: [Value.Text] comes last, and once.
type Value string

// Split cuts at every separator.
func (v Value) Split(separator byte) []Value {
	fields := make([]Value, 0, 4)
	for {
		field, rest, more := v.Cut(separator)
		fields = append(fields, field)
		if !more {
			return fields
		}
		v = rest
	}
}

// Fields cuts at colons, into most fields or fewer. The last has the rest, with
// its colons.
func (v Value) Fields(most int) []Value {
	fields := make([]Value, 0, most)
	for len(fields) < most-1 {
		field, rest, more := v.Cut(':')
		fields = append(fields, field)
		if !more {
			return fields
		}
		v = rest
	}
	return append(fields, v)
}

// Cut cuts at the first separator, if there is one.
func (v Value) Cut(separator byte) (before, after Value, found bool) {
	for i := 0; i < len(v); i++ {
		switch {
		case v.escapes(i):
			i++
		case v[i] == separator:
			return v[:i], v[i+1:], true
		}
	}
	return v, "", false
}

// Text is what the value means, without the backslashes that escape.
func (v Value) Text() string {
	if strings.IndexByte(string(v), '\\') < 0 {
		return string(v)
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v.escapes(i) {
			i++
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

// escapes reports whether there is a backslash at i that takes the meaning from
// what follows it.
func (v Value) escapes(i int) bool {
	return v[i] == '\\' && i+1 < len(v) && strings.IndexByte(special, v[i+1]) >= 0
}

const special = `\:,=`

// Escape is the value that means a text, for a place where these separators
// separate.
func Escape(text, separators string) Value {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' || strings.IndexByte(separators, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return Value(b.String())
}

// List reads A,B,...: one word or more, each of which may be empty.
func List(v string) []string {
	fields := Value(v).Split(',')
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.Text()
	}
	return words
}

// JoinList prints words as List reads them.
func JoinList(words []string) string {
	escaped := make([]string, len(words))
	for i, w := range words {
		escaped[i] = string(Escape(w, ","))
	}
	return strings.Join(escaped, ",")
}

// OneOf sets what is at a place to one of the words.
func OneOf(at *string, words ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(words, v) {
			last := len(words) - 1
			return fmt.Errorf("not %s or %s", strings.Join(words[:last], ", "), words[last])
		}
		*at = v
		return nil
	}
}

// ParseFD reads the number of a file descriptor.
func ParseFD(v string) (int, error) {
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a file descriptor", v)
	}
	return int(n), nil
}

// ParsePID reads a process ID, which is never 0.
func ParsePID(v string) (int, error) {
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a process ID", v)
	}
	return int(n), nil
}
