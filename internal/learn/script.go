package learn

import (
	"path/filepath"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
	"hk/pkg/chain"
)

const head = "#!/bin/sh\n# Written by hk-learn: the chain, and a domain and a filter for what its payload has used.\n"

// words are the chain that is written: with the changes, the domain and the filter. The domain
// comes before the filters at the end of the chain, which may deny the calls that make it.
func (s *session) words() ([]string, error) {
	c, err := s.narrowed()
	if err != nil {
		return nil, err
	}
	end := beforeFilters(c.Links)
	words := s.print(c.Links[:end])
	words = append(words, s.find.Word("hk-landlock"), "--rules="+s.files[rulesFile].Path)
	for _, change := range s.changes {
		words = append(words, s.print(change.then)...)
	}
	words = append(words, s.print(c.Links[end:])...)
	words = append(words, s.find.Word("hk-seccomp"), "--profile="+s.files[profileFile].Path, "--")
	return append(words, s.chain.Payload...), nil
}

// print are stages as words.
func (s *session) print(links []chain.Link) (words []string) {
	for _, l := range links {
		words = append(append(words, s.find.Word(l.Kind.Name)), l.Stage.Args()...)
		if l.Common.ForceOrder {
			words = append(words, "--force-order")
		}
	}
	return words
}

// script is the chain as a script for sh(1), with comments.
func (s *session) script(comments []string) ([]byte, error) {
	words, err := s.words()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(head)
	for _, c := range comments {
		b.WriteString("# " + vis.Text(c) + "\n")
	}
	b.WriteString("exec")
	for i, w := range words {
		if i < len(words)-len(s.chain.Payload) && chain.ByName(filepath.Base(w)) != nil {
			b.WriteString(" \\\n ")
		}
		b.WriteString(" " + cli.Quote(w))
	}
	b.WriteString("\n")
	return []byte(b.String()), nil
}

// check plans the chain that was written, which changes nothing.
func (s *session) check() error {
	words, err := s.words()
	if err != nil {
		return err
	}
	c, err := cli.ReadChain(s.find, words)
	if err != nil {
		return err
	}
	c.Links[len(c.Links)-1].Common.Explain = "text"
	_, err = c.Plan(s.front.Host)
	return err
}
