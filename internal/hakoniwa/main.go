package hakoniwa

import (
	"fmt"
	"io"
	"os"

	"hk/internal/cli"
	"hk/pkg/chain"
)

// Exit statuses of errors in the command line and in what it asks for. Those of the
// set-up are those of the stages.
const (
	exitSettings = 1
	exitUsage    = 2
)

// Main runs hk-run. It does not return. Preconditions: those of [cli.Main].
func Main() { cli.MainFront("hk-run", run) }

func run(f *cli.Front) int {
	words := os.Args[1:]
	if len(words) > 0 && words[0] == "completion" {
		return complete(f, words[1:])
	}
	line, err := parse(words, Settings{Root: Root{FS: "/", DefaultFS: true}})
	switch {
	case err != nil:
		return f.Usage(exitUsage, err, usageLine)
	case line.Common.Help:
		return f.Print(func(w io.Writer) error {
			_, err := fmt.Fprint(w, Usage)
			return err
		})
	case line.Common.Version:
		return f.Version()
	}
	if line.Again != nil {
		return again(f, line, words)
	}
	f.Quiet, f.Reword = line.Quiet, reword
	status := line.Common.StatusFD
	fail := func(err error) int { return f.Fail(exitSettings, status, err) }
	if line.Unit != "" {
		return fromSystemd(f, line)
	}
	line, compiled, c, err := compile(f, line, words)
	if err != nil {
		return fail(err)
	}
	if !f.Fused() && !line.Print && line.Common.Explain == "" {
		if err := apart(compiled.Stages, f.Host); err != nil {
			return fail(err)
		}
	}
	if line.Print {
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, shell(line.Settings.Actions)+cli.Shell(c))
			return err
		})
	}
	c.Notes = compiled.Notes
	if !line.Quiet {
		for _, w := range compiled.Warnings {
			f.Say(f.Name, "warning: "+w)
		}
	}
	f.Refuses = func() error { return apart(compiled.Stages, f.Host) }
	if err := act(f, c, line); err != nil {
		return fail(err)
	}
	return f.Run(c)
}

// compile reads the configuration file, to which the command line is added, and makes the chain.
func compile(f *cli.Front, l *line, words []string) (*line, *Compiled, *chain.Chain, error) {
	if l.Config != "" {
		by := render
		if l.Again.NoDir() {
			by = dontRender
		}
		settings, err := readConfigBy(by, l.Config, f.Host)
		if err != nil {
			return nil, nil, nil, err
		}
		if l, err = parse(words, settings); err != nil {
			return nil, nil, nil, err
		}
	}
	compiled, err := Compile(&l.Settings, f.Host)
	if err != nil {
		return nil, nil, nil, err
	}
	c := chain.Compiled(append([]string{f.Name}, words...), l.Common, compiled.Stages, compiled.Payload)
	return l, compiled, c, c.Check()
}

// act does what the templates ask for on the host, if the chain can be performed then.
func act(f *cli.Front, c *chain.Chain, l *line) error {
	todo := pending(l.Settings.Actions, f.Host)
	switch {
	case len(todo) == 0:
		return nil
	case l.Common.Explain != "":
		return fmt.Errorf("%s: %s(%q) is done when the chain is performed, and --explain does nothing", todo[0].At, todo[0].Func, todo[0].Path)
	}
	if err := f.Check(l.Common.StatusFD); err != nil {
		return err
	}
	m := &maker{host: f.Host}
	defer m.close()
	err := m.do(todo)
	if err == nil {
		_, err = c.Plan(f.Host)
	}
	if err != nil {
		m.undo()
	}
	return err
}
