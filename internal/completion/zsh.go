package completion

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed hk.zsh
var zshFunctions string

// zsh prints a function that has the arguments of _arguments for each program.
func zsh(models []model, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n# Completion for zsh, printed by \"hk-run completion zsh\".\n\n", strings.Join(names, " "))
	b.WriteString("_hk_specs()\n{\n\tcase $1 in\n")
	for _, m := range models {
		fmt.Fprintf(&b, "\t%s)\n\t\tspecs=(\n", m.name)
		for _, f := range m.flags {
			for _, s := range zshSpecs(f) {
				fmt.Fprintf(&b, "\t\t\t%s\n", quoted(s))
			}
		}
		rest := []string{"(-)1:command:{_command_names -e}", "*::argument:_normal"}
		if m.dashes {
			rest[0] = "(-)1: :_hk_dashed"
		}
		for _, s := range rest {
			fmt.Fprintf(&b, "\t\t\t%s\n", quoted(s))
		}
		b.WriteString("\t\t)\n\t\t;;\n")
	}
	b.WriteString("\t*) return 1 ;;\n\tesac\n}\n\n")
	b.WriteString(zshFunctions)
	fmt.Fprintf(&b, "\n_hk_shells=(%s)\n_hk_programs=(%s)\n", strings.Join(Shells, " "), strings.Join(namesOfModels(models), " "))
	// As a file of fpath this is the body of the function itself.
	fmt.Fprintf(&b, "if [[ $funcstack[1] == _hk ]]; then\n\t_hk \"$@\"\nelse\n\tcompdef _hk %s\nfi\n", strings.Join(names, " "))
	return b.String()
}

func zshText(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}

// zshSpecs are the arguments of _arguments for a flag, which may be repeated.
func zshSpecs(f flag) []string {
	about := "[" + zshText(f.about) + "]"
	if !f.Value {
		list := []string{"*--" + f.Name + about}
		if f.Short != "" {
			list = append(list, "*-"+f.Short+about)
		}
		return list
	}
	action := ": "
	if s := f.value.spec(); s != "" {
		action = ":{_hk_value " + quoted(strings.ReplaceAll(s, ":", ";")) + "}"
	}
	if f.Optional {
		return []string{"*--" + f.Name + "=-" + about + "::value" + action}
	}
	list := []string{"*--" + f.Name + "=" + about + ":value" + action}
	if f.Short != "" {
		list = append(list, "*-"+f.Short+"+"+about+":value"+action)
	}
	return list
}

// quoted is a word of a shell, in single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
