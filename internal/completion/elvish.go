package completion

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed hk.elv
var elvishFunctions string

// elvish prints a module that sets the completers of the programs.
func elvish(models []model, names []string) string {
	var b strings.Builder
	b.WriteString("# Completion for elvish, printed by \"hk-run completion elvish\".\n\nuse str\nuse path\n\n# For each program its flags: how it is written, whether it takes a value, of which\n# fields, and what it does.\nvar flags = [\n")
	for _, m := range models {
		fmt.Fprintf(&b, "  &%s=[\n", m.name)
		for _, f := range m.flags {
			takes := "no"
			switch {
			case f.Optional:
				takes = "maybe"
			case f.Value:
				takes = "yes"
			}
			for _, name := range []string{"--" + f.Name, "-" + f.Short} {
				if name != "-" {
					fmt.Fprintf(&b, "    [&flag=%s &takes=%s &spec=%s &about=%s]\n", name, takes, elvishQuoted(f.value.spec()), elvishQuoted(f.about))
				}
			}
		}
		b.WriteString("  ]\n")
	}
	b.WriteString("]\n")
	var dashes []string
	for _, m := range models {
		if m.dashes {
			dashes = append(dashes, m.name)
		}
	}
	fmt.Fprintf(&b, "var dashes = [%s]\nvar shells = [%s]\n\n", strings.Join(dashes, " "), strings.Join(Shells, " "))
	b.WriteString(elvishFunctions)
	fmt.Fprintf(&b, "\nfor name [%s] {\n  set edit:completion:arg-completer[$name] = $complete~\n}\n", strings.Join(names, " "))
	return b.String()
}

// elvishQuoted is a word of elvish, in single quotes.
func elvishQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
