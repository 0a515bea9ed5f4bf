package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A mutant is one change of the source.
type mutant struct {
	name, file string
	// from is the text that is replaced by to.
	from, to string
	// why is what an attacker gains, or a user suffers, from it.
	why string
	// test is a regexp of the tests in ./test that can notice it, "unit" if those of
	// its package alone can, and "" if nobody has said.
	test string
	// equivalent is why no test can notice it, or "".
	equivalent string
}

// dir is the package's directory.
func (m mutant) dir() string { return filepath.Dir(m.file) }

// parse reads a list: entries with an empty line between, of lines "KEY: VALUE".
// A key that is there again goes on with its text on the next line; an empty value
// has no space after the colon.
func parse(text string) (list []mutant, err error) {
	names := map[string]bool{}
	for _, entry := range strings.Split(strings.TrimSpace(text), "\n\n") {
		var m mutant
		seen := map[string]bool{}
		for _, line := range strings.Split(entry, "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			key, value, _ := strings.Cut(line, ":")
			to := map[string]*string{"name": &m.name, "file": &m.file, "from": &m.from, "to": &m.to,
				"why": &m.why, "test": &m.test, "equivalent": &m.equivalent}[key]
			if to == nil {
				return nil, fmt.Errorf("%s: unknown line %q", m.name, line)
			}
			if value = strings.TrimPrefix(value, " "); seen[key] {
				value = *to + "\n" + value
			}
			seen[key], *to = true, value
		}
		switch {
		case m == mutant{}: // a comment
			continue
		case m.name == "" || m.file == "" || m.from == "" || !seen["to"] || m.why == "":
			return nil, fmt.Errorf("%q: an entry has name, file, from, to and why", m.name)
		case names[m.name]:
			return nil, fmt.Errorf("%s is there twice", m.name)
		case m.from == m.to:
			return nil, fmt.Errorf("%s changes nothing", m.name)
		}
		names[m.name] = true
		list = append(list, m)
	}
	return list, nil
}

// apply changes a source. The text must be there once.
func (m mutant) apply(source string) (string, error) {
	if n := strings.Count(source, m.from); n != 1 {
		return "", fmt.Errorf("%s: %s has %q %d times; want once", m.name, m.file, m.from, n)
	}
	return strings.Replace(source, m.from, m.to, 1), nil
}
