// Package vis makes text of others safe to print, as vis(3) does: what a terminal
// would obey or turn around is escaped.
package vis

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is text on one line of a terminal. What it quotes, of names and of what
// is in files, somebody else may have written: what is not printable, and so what
// a terminal would obey or turn around, is escaped as in Go.
func Text(text string) string {
	if printable(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func printable(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// JSON is JSON in which what is not printable is escaped too where JSON
// does not ask for it.
func JSON(text []byte) []byte {
	var b []byte
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || strconv.IsPrint(r):
			b = append(b, text[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
	}
	return b
}
