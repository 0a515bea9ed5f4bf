package completion

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed hk.bash
var bashFunctions string

// bash prints two functions that say what there is, and those that use them.
func bash(models []model, names []string) string {
	var b strings.Builder
	b.WriteString("# Completion for bash, printed by \"hk-run completion bash\".\n\n")
	b.WriteString("# _hk_flags PROGRAM: its flags, as they may be written.\n_hk_flags()\n{\n\tcase $1 in\n")
	for _, m := range models {
		var words []string
		for _, f := range m.flags {
			if !f.Optional {
				words = append(words, "--"+f.Name)
				continue
			}
			words = append(words, "--"+f.Name, "--"+f.Name+"=")
		}
		fmt.Fprintf(&b, "\t%s) _hk_r='%s' ;;\n", m.name, strings.Join(words, " "))
	}
	b.WriteString("\t*) return 1 ;;\n\tesac\n}\n\n")
	b.WriteString("# _hk_spec PROGRAM FLAG: the values of a flag, in fields; ? means that it may have none.\n_hk_spec()\n{\n\tcase \"$1 $2\" in\n")
	for _, m := range models {
		for _, f := range m.flags {
			if !f.Value {
				continue
			}
			pattern := fmt.Sprintf("'%s --%s'", m.name, f.Name)
			if f.Short != "" {
				pattern += fmt.Sprintf("|'%s -%s'", m.name, f.Short)
			}
			optional := ""
			if f.Optional {
				optional = "?"
			}
			fmt.Fprintf(&b, "\t%s) _hk_r='%s%s' ;;\n", pattern, optional, f.value.spec())
		}
	}
	b.WriteString("\t*) _hk_r=; return 1 ;;\n\tesac\n}\n\n")
	b.WriteString(bashFunctions)
	var dashes, completes []string
	for _, m := range models {
		if m.dashes {
			dashes = append(dashes, m.name)
		}
		if m.completion {
			completes = append(completes, m.name)
		}
	}
	fmt.Fprintf(&b, "\n_hk_dashes=' %s '\n_hk_prints=' %s '\n_hk_programs='%s'\n_hk_shells='%s'\n", strings.Join(dashes, " "), strings.Join(completes, " "),
		strings.Join(namesOfModels(models), " "), strings.Join(Shells, " "))
	fmt.Fprintf(&b, "complete -F _hk %s\n", strings.Join(names, " "))
	return b.String()
}

func namesOfModels(models []model) (names []string) {
	for _, m := range models {
		names = append(names, m.name)
	}
	return names
}
