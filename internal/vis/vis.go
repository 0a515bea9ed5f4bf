// Package vis makes untrusted text safe to print, as vis(3) does: characters that a
// terminal would interpret, or that change the direction of text, are escaped.
package vis

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns text for one line of a terminal. Names and file contents that it quotes
// may have been written by anybody: unprintable characters, including those that a
// terminal would interpret or that change the direction of text, are escaped as in Go.
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

// JSON returns JSON in which unprintable characters are escaped even where JSON does
// not require it.
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
