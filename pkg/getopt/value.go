package getopt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Value is the value of a flag, or a part of it, as it is written. Colons, commas and
// equals signs are separators in it: SRC:DST:OPTS, A,B and KEY=VALUE. A backslash
// before one of the three, or before a backslash, makes it an ordinary character;
// before any other character a backslash stands for itself.
//
// Separators must be found before backslashes are removed, because afterwards a part
// could no longer be split: [Value.Text] comes last, and only once.
type Value string

// Split splits at every separator.
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

// Fields splits at colons, into at most most fields. The last one has the rest,
// including its colons.
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

// Cut splits at the first separator, if there is one.
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

// Text is the meaning of the value, without the escaping backslashes.
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

// escapes reports whether there is a backslash at i that escapes the next character.
func (v Value) escapes(i int) bool {
	return v[i] == '\\' && i+1 < len(v) && strings.IndexByte(special, v[i+1]) >= 0
}

const special = `\:,=`

// Escape returns the value that means text, where the given separators apply.
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

// List parses A,B,...: one or more words, each of which may be empty.
func List(v string) []string {
	fields := Value(v).Split(',')
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.Text()
	}
	return words
}

// JoinList prints words in the form that List parses.
func JoinList(words []string) string {
	escaped := make([]string, len(words))
	for i, w := range words {
		escaped[i] = string(Escape(w, ","))
	}
	return strings.Join(escaped, ",")
}

// OneOf returns a function that sets *at to one of the words.
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

// ParseTime parses a time in seconds, or with units: 90, 1.5, 100ms, 1m30s. It is not negative.
func ParseTime(v string) (time.Duration, error) {
	word := v
	if strings.Trim(v, "0123456789.") == "" {
		word += "s"
	}
	d, err := time.ParseDuration(word)
	if err == nil && d >= 0 && v[0] != '+' {
		return d, nil
	}
	err = fmt.Errorf("%q is not a time such as 90, 1.5, 100ms or 1m30s", v)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, e := strconv.ParseUint(days, 10, 16); e == nil {
			err = fmt.Errorf("%w: write %dh", err, 24*n)
		}
	}
	return 0, err
}
