package chain

import (
	"fmt"
	"slices"

	"hk/pkg/getopt"
)

// checkSettings refuses settings that a program has made and that no flags say: what a
// stage does with them was never thought of. What is checked of a flag, a word that is
// not one of its list, a number that is out of range, is so checked of a field.
func (c *Chain) checkSettings() error {
	var fs getopt.Flags
	for _, l := range c.Links {
		if l.Kind.New == nil {
			continue // a stage from elsewhere
		}
		args := l.Stage.Args()
		read := Link{Kind: l.Kind, Stage: l.Kind.New()}
		fs.Reset()
		rest, err := read.parse(&fs, args)
		if again := read.Stage.Args(); err == nil && (len(rest) > 0 || !slices.Equal(again, args)) {
			err = fmt.Errorf("the settings say %q, which means %q", args, again)
		}
		if err != nil {
			return &UsageError{l.Kind.Name, err}
		}
	}
	return nil
}
