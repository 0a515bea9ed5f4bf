package test

import (
	"fmt"
	"strings"
	"testing"

	"hk/pkg/chain"
	"hk/pkg/stage"
)

// TestOrderTable compares the table of orders in hk-chain(7) with the rules of the stages.
func TestOrderTable(t *testing.T) {
	sources(t)
	names := func(set stage.Power) string {
		var list []string
		for _, p := range stage.Powers() {
			if set&p != 0 {
				list = append(list, p.String())
			}
		}
		if list == nil {
			return "-"
		}
		return strings.Join(list, ", ")
	}
	var b strings.Builder
	b.WriteString(".Bl -tag -width Ds\n")
	for _, k := range chain.Kinds {
		for _, r := range k.Rules {
			fmt.Fprintf(&b, ".It Xr %s 1", k.Name)
			if r.When != "" {
				b.WriteString(" , " + strings.ReplaceAll(r.When, "--", `\-\-`))
			}
			b.WriteString("\n")
			for _, part := range []struct {
				word string
				set  stage.Power
			}{{"needs", r.Needs}, {"gives", r.Gives}, {"takes", r.Takes}} {
				if part.set != 0 {
					fmt.Fprintf(&b, "%s %s;\n", part.word, names(part.set))
				}
			}
		}
	}
	text := strings.ReplaceAll(b.String(), ";\n.", ".\n.")
	writtenTable(t, "TestOrderTable", strings.TrimSuffix(text, ";\n")+".\n.El\n")
}
