package chain

import (
	"fmt"
	"slices"

	"hk/pkg/getopt"
)

// checkSettings refuses settings that a program has made and that cannot be expressed
// as flags: stages were not designed for them. In this way everything that is checked
// for a flag, such as a word that is not in its list or a number that is out of range,
// is also checked for a field.
func (c *Chain) checkSettings() error {
	var fs getopt.Flags
	for _, l := range c.Links {
		if l.Kind.New == nil {
			continue // a stage from another package
		}
		args := l.Stage.Args()
		read := Link{Kind: l.Kind, Stage: l.Kind.New()}
		fs.Reset()
		rest, err := read.parse(&fs, args)
		if again := read.Stage.Args(); err == nil && (len(rest) > 0 || !slices.Equal(again, args)) {
			err = fmt.Errorf("the settings are %q as flags, which mean %q", args, again)
		}
		if err != nil {
			return &UsageError{l.Kind.Name, err}
		}
	}
	return nil
}
