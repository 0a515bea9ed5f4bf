package template

import (
	"errors"
	"fmt"
	"strings"

	"hk/internal/profile"
)

// A context is where in TOML a character is.
type context int

const (
	bare context = iota
	comment
	basic        // "..."
	basicLines   // """..."""
	literal      // '...'
	literalLines // '''...'''
)

// finish turns a rendered text into TOML: it removes the marks of lines, and writes the
// characters that came from outside as part of the string that they are in. Elsewhere
// they are an error, because what is outside could decide what the configuration says.
func finish(name, text string, lines []line) (*profile.Source, error) {
	text = strings.Map(func(r rune) rune {
		if r >= trustedPlane && r < unclearPlane {
			return r - trustedPlane
		}
		return r
	}, joins(text))
	f := finisher{last: line{name, 1}, lines: lines}
	s := &profile.Source{Name: name}
	for text != "" {
		n, err := f.next(text)
		if err != nil {
			return nil, &profile.Error{At: fmt.Sprintf("%s:%d", f.last.name, f.last.line), Err: err}
		}
		text = text[n:]
	}
	s.Text = []byte(f.out.String())
	for _, l := range append(f.rows, f.last) {
		s.Lines = append(s.Lines, profile.Line{Name: l.name, Line: l.line})
	}
	return s, nil
}

type finisher struct {
	out   strings.Builder
	lines []line
	// last is where the text was written, and rows where each of its lines was.
	last line
	rows []line
	// marked is set if the line has a mark.
	marked bool
	in     context
}

// next moves over the beginning of a text, and returns how long it is.
func (f *finisher) next(text string) (int, error) {
	for _, r := range text {
		if !isMark(r) {
			break
		}
		n := len(string(r))
		if r >= linePlane {
			if i := int(r - linePlane); !f.marked && i < len(f.lines) {
				f.last, f.marked = f.lines[i], true
			}
			return n, nil
		}
		if r == joinMark {
			if f.in == basic || f.in == basicLines {
				return n, errors.New(`a backslash would make an escape with what is printed after it: write "\\" for a backslash`)
			}
			return n, nil
		}
		return n, f.foreign(r&0xFFF, r >= unclearPlane)
	}
	n := f.move(text)
	f.out.WriteString(text[:n])
	return n, nil
}

// foreign writes a character that came from outside.
func (f *finisher) foreign(r rune, unclear bool) error {
	switch f.in {
	case basic, basicLines:
		if unclear {
			return fmt.Errorf("%q is in a value from outside and in a string of the templates: which of them is printed here is not known", r)
		}
		fmt.Fprintf(&f.out, `\u%04X`, r)
		return nil
	case literal, literalLines:
		if r != '\'' && r >= ' ' && r != 0x7F {
			f.out.WriteRune(r)
			return nil
		}
	case comment:
		f.out.WriteByte('?')
		return nil
	}
	where := "outside of a string"
	if f.in != bare {
		where = "in '...'"
	}
	return fmt.Errorf(`a value from outside with %q %s: put it in "..."`, r, where)
}

// move returns how long the next token is, and sets the context after it.
func (f *finisher) move(text string) int {
	if text[0] == '\n' {
		if f.in == comment || f.in == basic || f.in == literal {
			f.in = bare // a string without an end is an error of TOML
		}
		f.rows, f.marked = append(f.rows, f.last), false
		return 1
	}
	switch f.in {
	case bare:
		return f.begin(text)
	case basic, basicLines:
		if text[0] == '\\' && len(text) > 1 && text[1] < 0x80 && text[1] != '\n' {
			return 2
		}
		return f.end(text, `"`)
	case literal, literalLines:
		return f.end(text, "'")
	}
	return width(text)
}

// begin is move outside of strings.
func (f *finisher) begin(text string) int {
	for _, b := range []struct {
		text string
		in   context
	}{{`"""`, basicLines}, {"'''", literalLines}, {`"`, basic}, {"'", literal}, {"#", comment}} {
		if strings.HasPrefix(text, b.text) {
			f.in = b.in
			return len(b.text)
		}
	}
	return width(text)
}

// end is move in a string, which ends with one or three of a quote.
func (f *finisher) end(text, quote string) int {
	one := f.in == basic || f.in == literal
	switch {
	case one && strings.HasPrefix(text, quote):
		f.in = bare
		return 1
	case !one && strings.HasPrefix(text, strings.Repeat(quote, 3)):
		n := 3
		// Two more quotes belong to the string.
		for n < 5 && strings.HasPrefix(text[n:], quote) {
			n++
		}
		f.in = bare
		return n
	}
	return width(text)
}
