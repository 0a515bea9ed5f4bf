package inspect

import (
	"slices"
	"strings"
	"testing"

	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// TestPerformers checks which words are a chain, and of which processes.
func TestPerformers(t *testing.T) {
	for _, c := range []struct {
		line, other, chain string
		above              bool
	}{
		{line: "hk-why -- hk-limit true", chain: "hk-limit true"},
		{line: "/x/hk-why --json --output=x hk-limit true", chain: "hk-limit true"},
		{line: "x --output x hk-limit true", other: "hk-why", chain: "hk-limit true"},
		{line: "hk-why --ask read:/x hk-limit true"},
		{line: "hk-why true"},
		{line: "hk-why"},
		{line: "hk-learn --out x --keep caps hk-limit true", chain: "hk-limit true"},
		{line: "hk-bisect|performs 200 hk-limit true", chain: "hk-limit true"},
		{line: "hk-bisect|follows 200 hk-limit true", chain: "hk-limit true"},
		{line: "hk-bisect|performs 200"},
		{line: "hk-bisect|performs 200 -- true"},
		{line: "hk-bisect|guards 200 7 hk-bisect|performs 200 hk-limit true", above: true},
		{line: "/x/hk-bisect --keep caps hk-limit true", above: true},
		{line: "hk-limit true"},
	} {
		s := &Supervisor{Words: strings.Fields(c.line), other: c.other}
		for i, w := range s.Words {
			s.Words[i] = strings.ReplaceAll(w, "|", " ")
		}
		if s.onlyAbove() != c.above {
			t.Errorf("%s: only above a chain: %v", c.line, !c.above)
		}
		p, ok := s.performer()
		if !ok {
			if c.chain != "" {
				t.Errorf("%s: no performer", c.line)
			}
			continue
		}
		got, err := p.chain(s.Words)
		if !slices.Equal(got, strings.Fields(c.chain)) || (err == nil) != (c.chain != "") {
			t.Errorf("%s: %q, %v; want %q", c.line, got, err, c.chain)
		}
	}
}

// TestMarks checks what is taken for a filter of hk-why.
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		marks       bool
		plan, above int
		below       int
		agrees      bool
	}{
		{true, 0, 0, 1, true}, {true, 0, 2, 3, true}, {true, 0, 0, 0, true}, {true, 1, 0, 1, true},
		{true, 0, 0, 2, false}, {true, 1, 0, 2, false}, {false, 0, 0, 1, false}, {true, 1, 0, 0, false},
	} {
		s := planned(c.plan)
		l := comparison{plan: s, marks: c.marks, above: &Report{Seccomp: &Seccomp{Filters: &c.above}}, below: &Report{Seccomp: &Seccomp{Filters: &c.below}}}
		l.seccomp()
		if (len(l.differs) == 0) != c.agrees {
			t.Errorf("%+v: %q", c, l.differs)
		}
	}
}

// planned is a plan with so many filters.
func planned(filters int) *stage.State {
	return &stage.State{Filters: make([][]unix.SockFilter, filters)}
}
