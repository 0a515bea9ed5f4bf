package cli

import (
	"fmt"

	"hk/pkg/chain"
)

// ReadChain parses the chain in the words that follow the flags of a program that runs, asks
// about or changes chains. It starts with a stage of this installation, by its name if PATH
// leads to it, or by its path, and executes something.
func ReadChain(find *chain.Finder, words []string) (*chain.Chain, error) {
	kind, _ := find.Find(words[0])
	switch {
	case kind != nil:
	case find.Beside(words[0]):
		return nil, errBeside(find, words[0])
	default:
		return nil, fmt.Errorf("%q is not a stage of this installation: a chain starts with one (with hk-run and hk-bwrap, --why does the same, and --print writes theirs)", words[0])
	}
	c, err := chain.Read(kind, words, find)
	if err != nil {
		return nil, err
	}
	last := c.Links[len(c.Links)-1]
	if last.Common.Help || last.Common.Version || c.Printer() != nil {
		return nil, fmt.Errorf("%s is to print something and executes nothing", last.Kind.Name)
	}
	if len(c.Payload) > 0 && !c.Rest && find.Beside(c.Payload[0]) {
		return nil, errBeside(find, c.Payload[0])
	}
	return c, nil
}

func errBeside(find *chain.Finder, word string) error {
	return fmt.Errorf("%s is not in PATH, but is beside this program in %s: set PATH", word, find.Dir)
}
