package cli

import (
	"strings"

	"hk/internal/vis"
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
func Quote(w string) string { return vis.Word(w) }
