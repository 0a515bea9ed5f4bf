package cli

import (
	"strings"

	"hk/pkg/chain"
)

// Shell writes a chain as one command of sh(1), a stage and a flag a line.
func Shell(c *chain.Chain) string {
	var b strings.Builder
	words := c.Args()
	payload := len(words) - len(c.Payload)
	for i, w := range words {
		switch {
		case i == 0:
		case i == payload:
			b.WriteString(" ")
		case i < payload && chain.ByName(w) != nil:
			b.WriteString(" \\\n")
		default:
			b.WriteString(" ")
		}
		b.WriteString(Quote(w))
	}
	b.WriteString("\n")
	return b.String()
}

// Quote returns a word as sh(1) reads it.
func Quote(w string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r)
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
