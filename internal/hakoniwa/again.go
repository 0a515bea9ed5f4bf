package hakoniwa

import (
	"fmt"
	"strings"

	"hk/internal/cli"
	"hk/internal/profile"
	"hk/internal/vis"
	"hk/pkg/host"
)

// again prints the chain of the command line of another process.
func again(f *cli.Front, l *line, words []string) int {
	fail := func(err error) int { return f.Fail(exitSettings, -1, err) }
	if l.Unit != "" || l.Common.Explain != "" {
		return fail(cli.ErrPrints)
	}
	h, err := l.Again.As(f.Host)
	if err != nil {
		return fail(err)
	}
	f.Host = h
	if strings.ContainsAny(l.Config, "/.") {
		if err := l.Again.File(l.Config); err != nil {
			return fail(fmt.Errorf("--config: %w", err))
		}
	}
	_, _, c, err := compile(f, l, words)
	if err != nil {
		return fail(err)
	}
	return f.Again(c)
}

// dontRender is for a process of which the working directory is not known: templates look for
// files there.
func dontRender(_ *host.Host, file string) ([]*profile.Source, []profile.Action, error) {
	return nil, nil, fmt.Errorf("%s: what templates say depends on a working directory that cannot be looked at", vis.Text(file))
}
