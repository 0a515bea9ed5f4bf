package inspect

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"

	"hk/pkg/getopt"
)

// A performer is a program of hk that performs the chain on its command line in its own way.
type performer struct {
	// flags are those before the chain that have a value, and switches those that have none.
	flags, switches []string
	// marks is set if it may load a filter of its own, or others in place of the chain's.
	marks bool
	// traces is set if it traces the payload, which needs a supervisor then.
	traces bool
	// does says what it does with the payload.
	does string
}

// performerCalled is the one that is called by a name, or ok is false. A map would be made at each
// start.
func performerCalled(name string) (p performer, ok bool) {
	switch name {
	case "hk-why":
		return performer{flags: []string{"output"}, switches: []string{"json"}, marks: true, traces: true, does: "follows"}, true
	case "hk-learn":
		return performer{flags: []string{"out", "keep"}, traces: true, does: "records the system calls of"}, true
	case "hk-bisect follows":
		return performer{marks: true, traces: true, does: "follows"}, true
	case "hk-bisect performs": // it performs what is left of its chain, and is called so by itself alone
		return performer{does: "runs"}, true
	}
	return performer{}, false
}

// performer is how the supervisor performs a chain on its command line; ok is false if it is a
// stage or a front door.
func (s *Supervisor) performer() (p performer, ok bool) {
	return performerCalled(cmp.Or(s.other, filepath.Base(s.Words[0])))
}

// chain are the words of the chain on the command line.
func (p performer) chain(words []string) ([]string, error) {
	rest := words[1:]
	if p.flags == nil { // it has a descriptor before the chain
		rest = rest[min(1, len(rest)):]
	} else {
		var fs getopt.Flags
		for _, name := range p.flags {
			fs.String(name, "", func(string) error { return nil })
		}
		for _, name := range p.switches {
			fs.Bool(name, "", new(bool))
		}
		var err error
		if rest, err = fs.Parse(rest); err != nil {
			return nil, err
		}
	}
	if len(rest) == 0 || !strings.HasPrefix(filepath.Base(rest[0]), "hk-") {
		return nil, errors.New("what follows does not begin with a stage")
	}
	return rest, nil
}

// onlyAbove reports whether a process is one of hk-bisect that does not perform a chain, and is
// above one that does.
func (s *Supervisor) onlyAbove() bool {
	_, performs := s.performer()
	return strings.HasPrefix(filepath.Base(s.Words[0]), "hk-bisect") && s.other == "" && !performs
}
