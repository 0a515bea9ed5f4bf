package learn

import (
	"path/filepath"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
	"hk/pkg/chain"
)

const head = "#!/bin/sh\n# Written by hk-learn: the chain, and a domain and a filter for what its payload has used.\n"

// words are the chain with the domain and the filter. The domain comes before the filters at
// the end of the chain, which may deny the calls that make it.
func (s *session) words() []string {
	links := s.chain.Links
	end := len(links)
	for end > 0 && links[end-1].Kind.Name == "hk-seccomp" {
		end--
	}
	var words []string
	add := func(list []chain.Link) {
		for _, l := range list {
			words = append(append(words, s.find.Word(l.Kind.Name)), l.Stage.Args()...)
			if l.Common.ForceOrder {
				words = append(words, "--force-order")
			}
		}
	}
	add(links[:end])
	words = append(words, s.find.Word("hk-landlock"), "--rules="+s.files[rulesFile].Path)
	add(links[end:])
	words = append(words, s.find.Word("hk-seccomp"), "--profile="+s.files[profileFile].Path, "--")
	return append(words, s.chain.Payload...)
}

// script is the chain as a script for sh(1), with comments.
func (s *session) script(comments []string) []byte {
	var b strings.Builder
	b.WriteString(head)
	for _, c := range comments {
		b.WriteString("# " + vis.Text(c) + "\n")
	}
	b.WriteString("exec")
	words := s.words()
	for i, w := range words {
		if i < len(words)-len(s.chain.Payload) && chain.ByName(filepath.Base(w)) != nil {
			b.WriteString(" \\\n ")
		}
		b.WriteString(" " + cli.Quote(w))
	}
	b.WriteString("\n")
	return []byte(b.String())
}

// check plans the chain that was written, which changes nothing.
func (s *session) check() error {
	c, err := cli.ReadChain(s.find, s.words())
	if err != nil {
		return err
	}
	c.Links[len(c.Links)-1].Common.Explain = "text"
	_, err = c.Plan(s.front.Host)
	return err
}
