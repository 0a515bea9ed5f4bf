package template

import (
	"strings"
	"unicode/utf8"
)

// printTag is the tag that the engine is given for {{ ... }}: the engine's own would print
// values as Python does, and without marks.
const printTag = "print"

// A line is where a line of a rendered text was written.
type line struct {
	name string
	line int
}

// A scanner makes the source of a template what the engine is given: with marks, with a tag
// for each {{, and with the strings in templates in a spelling that the engine understands.
type scanner struct {
	name    string
	text    string
	out     strings.Builder
	lines   *[]line
	row     int
	written *struct{ quote, backslash bool }
}

// scan scans a source. Its lines are added to the list. It is false if there are too many.
func (o *origin) scan(name, text string, lines *[]line) (string, bool) {
	s := scanner{name: name, text: text, lines: lines, row: 1, written: &o.written}
	s.out.Grow(len(text) * 2)
	for begin := true; s.text != ""; {
		if begin && !s.begin() {
			return "", false
		}
		begin = false
		switch {
		case strings.HasPrefix(s.text, "{{"):
			s.expression("{%", "}}", "%}")
		case strings.HasPrefix(s.text, "{%"):
			if tag := s.expression("{%", "%}", "%}"); strings.Trim(tag, "-+ \t\r\n") == "raw" {
				s.raw()
			}
		case strings.HasPrefix(s.text, "{#"):
			n := strings.Index(s.text, "#}") + 2
			if n < 2 {
				n = len(s.text)
			}
			s.copy(n)
		default:
			begin = s.text[0] == '\n'
			s.data(s.piece())
		}
	}
	return s.out.String(), true
}

// begin marks a line, before its first letter, unless a template is there.
func (s *scanner) begin() bool {
	body := strings.TrimLeft(s.text, " \t\r")
	if body == "" || body[0] == '\n' || opens(body) {
		return true
	}
	if linePlane+len(*s.lines) > lastLine {
		return false
	}
	s.copy(len(s.text) - len(body))
	s.out.WriteRune(rune(linePlane + len(*s.lines)))
	*s.lines = append(*s.lines, line{s.name, s.row})
	return true
}

// opens reports whether a text begins with a template.
func opens(text string) bool {
	return len(text) > 1 && text[0] == '{' && strings.IndexByte("{%#", text[1]) >= 0
}

// copy copies the beginning of the text.
func (s *scanner) copy(n int) {
	s.out.WriteString(s.text[:n])
	s.skip(n)
}

func (s *scanner) skip(n int) {
	s.row += strings.Count(s.text[:n], "\n")
	s.text = s.text[n:]
}

// piece is the length of the first character outside of templates, or of the escape that
// it begins.
func (s *scanner) piece() int {
	if s.text[0] != '\\' || opens(s.text[1:]) {
		return width(s.text)
	}
	n := escapeLength(s.text)
	for i := 2; i < n; i++ {
		if opens(s.text[i:]) {
			return i
		}
	}
	return n
}

// data copies text that is outside of templates.
func (s *scanner) data(n int) {
	s.out.WriteString(trusted(s.text[:n]))
	s.skip(n)
}

// raw copies what is after a raw tag, in which templates are text.
func (s *scanner) raw() {
	for i := range s.text {
		if rest, ok := strings.CutPrefix(s.text[i:], "{%"); ok && strings.HasPrefix(strings.TrimLeft(rest, "-+ \t\n"), "endraw") {
			s.data(i)
			return
		}
	}
	s.data(len(s.text))
}

// expression copies a tag, with another beginning and end, and returns what is in it. An end
// does not count in a string, nor where a brace is open.
func (s *scanner) expression(begin, end, with string) string {
	tag := s.text[2:]
	s.skip(2)
	s.out.WriteString(begin)
	if end == "}}" {
		if strings.HasPrefix(s.text, "-") {
			s.copy(1)
		}
		s.out.WriteString(" " + printTag + " ")
	}
	s.targets()
	for braces := 0; s.text != ""; {
		switch c := s.text[0]; {
		case braces == 0 && strings.HasPrefix(s.text, end):
			tag = tag[:len(tag)-len(s.text)]
			s.skip(2)
			s.out.WriteString(with)
			return tag
		case c == '"' || c == '\'':
			s.quoted(c)
			continue
		case c == '{':
			braces++
		case c == '}':
			braces--
		case c == '\n':
			// The engine takes a line feed for the beginning of a string after it.
			s.copy(1)
			s.out.WriteByte(' ')
			continue
		}
		s.copy(width(s.text))
	}
	return tag
}

// targets leaves out the parentheses around the names after for, which the engine does not
// know.
func (s *scanner) targets() {
	body := strings.TrimLeft(s.text, "-+ \t")
	rest, ok := strings.CutPrefix(body, "for")
	names := strings.TrimLeft(rest, " \t")
	end := strings.IndexByte(names, ')')
	if !ok || names == "" || names[0] != '(' || end < 0 || strings.ContainsAny(names[1:end], "\n\"'(") {
		return
	}
	s.copy(len(s.text) - len(names))
	s.skip(1)
	s.out.WriteByte(' ')
	s.copy(end - 1)
	s.skip(1)
	s.out.WriteByte(' ')
}

// quoted copies a string in a template. The engine does not know that a backslash may be
// before another one, nor control characters.
func (s *scanner) quoted(quote byte) {
	s.copy(1)
	for s.text != "" && s.text[0] != quote {
		if s.text[0] != '\\' || len(s.text) == 1 {
			s.written.quote = s.written.quote || s.text[0] == '"'
			s.copy(width(s.text))
			continue
		}
		s.escaped(s.text[1])
	}
	if s.text != "" {
		s.copy(1)
	}
}

// escaped copies a backslash and what is after it.
func (s *scanner) escaped(c byte) {
	switch c {
	case '\\', '"', '\'', '/':
		s.written.backslash = s.written.backslash || c == '\\'
		s.written.quote = s.written.quote || c == '"'
		s.out.WriteString(map[byte]string{'\\': `\x5c`, '"': `\x22`, '\'': `\x27`, '/': `/`}[c])
		s.skip(2)
	case 'n', 'r', 't', 'b', 'f':
		s.copy(2)
	default:
		s.written.backslash, s.written.quote = true, true
		s.copy(1 + width(s.text[1:]))
	}
}

// width is the length of the first character.
func width(text string) int {
	_, n := utf8.DecodeRuneInString(text)
	return n
}
