package hakoniwa

import (
	"errors"
	"io"
	"reflect"

	"hk/internal/cli"
	"hk/internal/systemd"
	"hk/internal/vis"
	"hk/pkg/chain"
)

// fromSystemd prints the chain of a unit of systemd. What restricts the service and is not
// enforced is a warning too: the output may be read by a shell only.
func fromSystemd(f *cli.Front, l *line) int {
	words := l.Settings.Command.Words
	l.Settings.Command.Words = nil
	if !reflect.DeepEqual(l.Settings, Settings{Root: Root{FS: "/", DefaultFS: true}}) || !reflect.DeepEqual(l.Common, chain.Common{StatusFD: -1}) || l.Config != "" {
		return f.Usage(exitUsage, errors.New("--from-systemd: it can be combined only with --print, --quiet and a command"), usageLine)
	}
	text, notEnforced, err := systemd.Print(l.Unit, words, f.Host)
	if err != nil {
		return f.Fail(exitSettings, -1, err)
	}
	if !l.Quiet {
		for _, n := range notEnforced {
			f.Say(f.Name, "warning: not enforced: "+vis.Text(n))
		}
	}
	return f.Print(func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}
