// Package completion prints the completions of programs for shells. They are made of the
// flags of the programs and of their usage texts.
//
// After its flags, a stage executes the next word of its command line: what is completed
// there is a command, and after that what the shell completes for this command.
package completion

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"hk/pkg/getopt"
)

// A Program is a program whose words are completed.
type Program struct {
	Name string
	// Usage is the text of --help. A line of it that starts with a flag says which values
	// the flag takes and, after two blanks, what it does.
	Usage string
	Flags *getopt.Flags
	// Dashes is set if a command comes only after --.
	Dashes bool
	// Completion is set if "completion SHELL" prints completions.
	Completion bool
}

// Shells are the shells, by the names of their programs.
var Shells = []string{"bash", "zsh", "fish", "elvish"}

// Write prints the completions of programs for a shell. They complete the words of the
// programs that are named, or of all.
func Write(w io.Writer, shell string, programs []Program, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(programs, func(p Program) bool { return p.Name == name }) {
			return fmt.Errorf("%q is not one of hk's programs: %s", name, strings.Join(namesOf(programs), ", "))
		}
	}
	if len(names) == 0 {
		names = namesOf(programs)
	}
	models := make([]model, len(programs))
	for i, p := range programs {
		models[i] = modelOf(p)
	}
	print := map[string]func([]model, []string) string{"bash": bash, "zsh": zsh, "fish": fish, "elvish": elvish}[shell]
	if print == nil {
		return fmt.Errorf("%q is not one of the shells %s", shell, strings.Join(Shells, ", "))
	}
	_, err := io.WriteString(w, print(models, names))
	return err
}

func namesOf(programs []Program) (names []string) {
	for _, p := range programs {
		names = append(names, p.Name)
	}
	return names
}
