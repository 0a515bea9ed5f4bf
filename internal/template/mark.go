package template

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// The text that is rendered is marked with characters of the private use planes that mean
// nothing in TOML and in templates:
//
//   - Where each line was written. A mark of plane 16 is before the first letter of a line
//     outside of templates. It is the number of the line in a list.
//   - Where each character comes from that TOML gives a meaning. In what a template prints,
//     and in the text around its tags, it is moved to plane 15, so that what is printed again
//     later, such as the result of a macro, still says so.
//
// Values have no marks: a template compares and changes them as they are. That a printed
// character may have come from outside is known from the characters that values from
// outside have had: if one had a quote, then each quote that is printed is taken for one
// from outside.
const (
	// foreignPlane is for what may have come from outside: it becomes part of a string
	// wherever it is put, as TOML writes it there.
	foreignPlane = 0xF0000
	// trustedPlane is for what the author has written.
	trustedPlane = 0xF1000
	// unclearPlane is for what may be both, where that makes a difference in a string.
	unclearPlane = 0xF2000
	linePlane    = 0x100000
	lastLine     = 0x10FFFD
)

func isMark(r rune) bool { return r >= foreignPlane }

// structural are the printable characters by which a text could become TOML instead of
// part of a string, or another key of a table.
const structural = "\"'\\#[]{}="

func isStructural(r rune) bool { return r < utf8.RuneSelf && strings.ContainsRune(structural, r) }

// An origin knows which characters that TOML gives a meaning have come from where.
type origin struct {
	// foreign are those that a value from outside has had.
	foreign [utf8.RuneSelf]bool
	// written are those that a string in a template has, and that end or change a string of
	// TOML.
	written struct{ quote, backslash bool }
}

var errNotText = errors.New("not text that can be in a configuration")

// value returns a text from outside as a value: it must be UTF-8, and without marks.
func (o *origin) value(text string) (any, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isMark) {
		return nil, errNotText
	}
	for _, r := range text {
		if isStructural(r) || r < ' ' || r == 0x7F {
			o.foreign[r] = true
		}
	}
	return text, nil
}

// mark marks a text that is printed. A text that is not UTF-8 is an error: parts of several
// characters could be put together as a mark.
func (o *origin) mark(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", errNotText
	}
	return marks(text, func(r rune) rune {
		switch {
		case r >= utf8.RuneSelf:
		case o.foreign[r] && (r == '"' && o.written.quote || r == '\\' && o.written.backslash):
			return unclearPlane + r
		case o.foreign[r]:
			return foreignPlane + r
		case isStructural(r):
			return trustedPlane + r
		}
		return r
	}), nil
}

// trusted marks a text that the author has written, or that no value has a part in.
func trusted(text string) string {
	return marks(text, func(r rune) rune {
		if isStructural(r) {
			return trustedPlane + r
		}
		return r
	})
}

// marks marks the characters of a text, and after a trusted backslash the rest of the
// escape, if that is in the text too: what is put after the text is not part of it.
func marks(text string, mark func(rune) rune) string {
	var out strings.Builder
	out.Grow(len(text))
	rest := 0 // characters of an escape
	for i, r := range text {
		m := mark(r)
		switch {
		case rest > 0:
			if rest--; m == r && r > ' ' && r < utf8.RuneSelf {
				m = trustedPlane + r
			}
		case m == trustedPlane+'\\':
			rest = escapeLength(text[i:]) - 1
		}
		out.WriteRune(m)
	}
	return out.String()
}

// escapeLength is the length of an escape of TOML at the beginning of a text, as far as it
// is there.
func escapeLength(text string) int {
	if len(text) < 2 || text[1] <= ' ' || text[1] >= utf8.RuneSelf {
		return 1
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[1]]
	n := 2
	for n < len(text) && n < 2+digits && isHex(rune(text[n])) {
		n++
	}
	return n
}

func isHex(r rune) bool {
	return r < utf8.RuneSelf && strings.ContainsRune("0123456789abcdefABCDEF", r)
}

// joinMark is put where an escape ends in what another text has.
const joinMark = 0xF3000

// joins puts a mark where a trusted backslash, or the beginning of an escape, would become
// one with characters that were not written, or not printed, with it.
func joins(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	escape, digits := false, 0
	for _, r := range text {
		author := r >= trustedPlane && r < unclearPlane
		plain := r & 0xFFF
		switch {
		case r >= linePlane:
		case escape:
			escape, digits = false, 0
			switch {
			case author:
				digits = map[rune]int{'x': 2, 'u': 4, 'U': 8}[plain]
			case r > ' ':
				out.WriteRune(joinMark)
			}
		case digits > 0 && author && isHex(plain):
			digits--
		case digits > 0:
			if digits = 0; !author && isHex(r) {
				out.WriteRune(joinMark)
			}
			escape = author && plain == '\\'
		default:
			escape = author && plain == '\\'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// plain is a text without marks, as a function is given it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= linePlane:
			return -1
		case r >= foreignPlane:
			return r & 0xFFF
		}
		return r
	}, text)
}
