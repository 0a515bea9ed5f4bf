package systemd

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
	"hk/pkg/chain"
	"hk/pkg/host"
)

// Print prints the chain of a unit as a command of sh(1), after comments about what it
// does not say. Words, if there are any, take the place of the unit's commands. It returns
// the text, and what restricts the service and is not enforced.
func Print(unit string, words []string, h *host.Host) (text string, notEnforced []string, err error) {
	files := os.DirFS("/")
	u, err := Load(files, unit, h.Dir)
	if err != nil {
		return "", nil, err
	}
	c, err := Compile(u, files, h)
	if err != nil {
		return "", nil, err
	}
	text, err = c.shell(u, words)
	return text, c.Lost, err
}

// shell is the whole text.
func (c *Compiled) shell(u *Unit, words []string) (string, error) {
	var b strings.Builder
	comment := func(what string, list []string) {
		for _, l := range list {
			fmt.Fprintf(&b, "# %s%s\n", what, vis.Text(l))
		}
	}
	var sources []string
	for _, a := range u.Lines {
		if !slices.Contains(sources, a.File) {
			sources = append(sources, a.File)
		}
	}
	comment("", sources)
	comment("not enforced: ", c.Lost)
	comment("not said: ", c.Unsaid)
	if len(c.Managed) > 0 {
		comment("for a service manager: ", []string{strings.Join(c.Managed, " ")})
	}
	commands, redirections := c.Commands, c.Redirections
	if len(words) > 0 {
		first := max(0, slices.IndexFunc(commands, func(c Command) bool { return !c.Privileged }))
		commands, redirections = commands[first:first+1], ""
		commands[0].Payload, commands[0].Ignored = words, false
	}
	for _, s := range c.Setup {
		b.WriteString(s + " && \\\n")
	}
	for i, cmd := range commands {
		ch := chain.Compiled([]string{"hk-run"}, chain.Common{StatusFD: -1}, cmd.Stages, cmd.Payload)
		if err := ch.Check(); err != nil {
			return "", fmt.Errorf("%s: %w", u.File, err)
		}
		if cmd.Ignored {
			b.WriteString("{ ")
		}
		if len(c.Wrapper) > 0 {
			b.WriteString(shellWords(c.Wrapper) + " \\\n")
		}
		io.WriteString(&b, strings.TrimSuffix(cli.Shell(ch), "\n")+redirections)
		if cmd.Ignored {
			b.WriteString(" || :; }")
		}
		if i < len(commands)-1 {
			b.WriteString(" && \\")
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}
