package filter

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

//go:generate go run mkconstants.go

// A constant is a name of the kernel's headers, with the value that it has on the
// architecture for which this package is compiled, and on those that its machines run
// too.
type constant struct {
	name  string
	value uint64
}

// Constant is the value of a constant that conditions can name, such as AF_UNIX, on the
// machines for which this package is compiled. A negative one has 64 bits.
func Constant(name string) (value uint64, ok bool) {
	i := sort.Search(len(constants), func(i int) bool { return constants[i].name >= name })
	if i == len(constants) || constants[i].name != name {
		return 0, false
	}
	return constants[i].value, true
}

// parseNumber parses a number, as in C: decimal, hexadecimal or octal, or the name of a
// constant; N|N is all bits of both, ~N is all others of 64, and there may be
// parentheses and blanks. A negative number has 64 bits.
func parseNumber(text string) (uint64, error) {
	e := expression{rest: text}
	n, err := e.or()
	if err == nil && e.peek() != 0 {
		err = fmt.Errorf("%q after a number", e.rest)
	}
	return n, err
}

// An expression is what is left of a number that is being parsed.
type expression struct {
	rest  string
	depth int
}

// maxDepth is how deep expressions may be nested.
const maxDepth = 100

// peek is the next byte that is not blank, or 0.
func (e *expression) peek() byte {
	if e.rest = strings.TrimLeft(e.rest, " \t"); e.rest == "" {
		return 0
	}
	return e.rest[0]
}

func (e *expression) or() (n uint64, err error) {
	for {
		more, err := e.term()
		if err != nil {
			return 0, err
		}
		if n |= more; e.peek() != '|' {
			return n, nil
		}
		e.rest = e.rest[1:]
	}
}

func (e *expression) term() (uint64, error) {
	if e.depth++; e.depth > maxDepth {
		return 0, errors.New("too many parentheses")
	}
	defer func() { e.depth-- }()
	switch c := e.peek(); c {
	case '~':
		e.rest = e.rest[1:]
		n, err := e.term()
		return ^n, err
	case '(':
		e.rest = e.rest[1:]
		n, err := e.or()
		if err == nil && e.peek() != ')' {
			err = errors.New("no ) after a number")
		}
		if err == nil {
			e.rest = e.rest[1:]
		}
		return n, err
	}
	end := len(e.rest)
	if i := strings.IndexAny(e.rest, " \t|~()"); i >= 0 {
		end = i
	}
	word := e.rest[:end]
	e.rest = e.rest[end:]
	if n, ok := Constant(word); ok {
		return n, nil
	}
	return plainNumber(word)
}

func plainNumber(text string) (uint64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	n, err := strconv.ParseUint(digits, 0, 64)
	if err != nil || strings.ContainsRune(digits, '_') || negative && n > 1<<63 {
		if text != "" && text[0] >= 'A' && text[0] <= 'Z' {
			return 0, fmt.Errorf("there is no constant %q here", text)
		}
		return 0, fmt.Errorf("%q is not a 64-bit number", text)
	}
	if negative {
		n = -n
	}
	return n, nil
}
