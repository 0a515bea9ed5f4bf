package vis

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Word returns a word as sh(1) reads it. Characters that [Text] escapes, except newlines
// and tabs, are written by printf(1), so that a terminal does not interpret them.
func Word(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r)
	}
	switch {
	case w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0:
		return w
	case !hidden(w):
		return quoted(w)
	}
	return formatted(w)
}

// Line is [Word] for a word that somebody else has chosen: newlines are written by printf(1)
// too, so that none of its lines can be read as a command. Only newlines at its end remain,
// within quotes: put a comment character after each of them in a comment.
func Line(w string) string {
	if strings.Contains(strings.TrimRight(w, "\n"), "\n") {
		return formatted(w)
	}
	return Word(w)
}

// formatted is a word as printf(1) writes it.
func formatted(w string) string {
	// A command substitution removes newlines at the end.
	rest := strings.TrimRight(w, "\n")
	s := `"$(printf '` + format(rest) + `')"`
	if rest != w {
		s += quoted(w[len(rest):])
	}
	return s
}

func quoted(w string) string { return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'" }

// hidden reports whether a word has characters that a terminal would not show as such.
func hidden(w string) bool {
	return !utf8.ValidString(w) || strings.IndexFunc(w, func(r rune) bool { return r != '\n' && r != '\t' && !strconv.IsPrint(r) }) >= 0
}

// format returns a format of printf(1), without single quotes, that prints a word.
func format(w string) string {
	var b strings.Builder
	for i := 0; i < len(w); {
		r, n := utf8.DecodeRuneInString(w[i:])
		switch {
		case r == '%':
			b.WriteString("%%")
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\'' || r == '-' && i == 0 || r == utf8.RuneError && n == 1 || !strconv.IsPrint(r):
			for _, c := range []byte(w[i : i+n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(w[i : i+n])
		}
		i += n
	}
	return b.String()
}
