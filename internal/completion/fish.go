package completion

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed hk.fish
var fishFunctions string

// fish prints a call of complete for each flag.
func fish(models []model, names []string) string {
	var b strings.Builder
	b.WriteString("# Completion for fish, printed by \"hk-run completion fish\".\n\n")
	b.WriteString("function __hk_takes -d 'The flags of a program that take the next word'\n    switch $argv[1]\n")
	var dashes []string
	for _, m := range models {
		if m.dashes {
			dashes = append(dashes, m.name)
		}
		var takes []string
		for _, f := range m.flags {
			if f.Value && !f.Optional {
				takes = append(takes, "--"+f.Name)
				if f.Short != "" {
					takes = append(takes, "-"+f.Short)
				}
			}
		}
		fmt.Fprintf(&b, "        case %s\n            printf '%%s\\n' -- %s\n", m.name, strings.Join(takes, " "))
	}
	fmt.Fprintf(&b, "    end\nend\n\nset -g __hk_dashes %s\nset -g __hk_shells %s\nset -g __hk_programs %s\n\n", strings.Join(dashes, " "),
		strings.Join(Shells, " "), strings.Join(namesOfModels(models), " "))
	b.WriteString(fishFunctions)
	for _, m := range models {
		if !slices.Contains(names, m.name) {
			continue
		}
		fmt.Fprintf(&b, "\ncomplete -c %s -f -k -a '(__hk_command)'\n", m.name)
		for _, f := range m.flags {
			b.WriteString(fishFlag(m.name, f) + "\n")
		}
	}
	return b.String()
}

func fishFlag(program string, f flag) string {
	line := fmt.Sprintf("complete -c %s -n 'not __hk_walk' -l %s", program, f.Name)
	if f.Short != "" {
		line += " -s " + f.Short
	}
	if f.about != "" {
		line += " -d " + fishQuoted(f.about)
	}
	if !f.Value {
		return line
	}
	// A flag with an optional value takes it only after an equals sign, so it must not
	// be said that it needs one.
	line += " -f"
	if !f.Optional {
		line += " -r"
	}
	if s := f.value.spec(); s != "" {
		line += ` -a '(__hk_value "` + s + `")'`
	}
	return line
}

func fishText(text string) string { return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) }

// fishQuoted is a word of fish, in single quotes.
func fishQuoted(s string) string { return "'" + fishText(s) + "'" }
