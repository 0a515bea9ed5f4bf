package main

import (
	"os"
	"strings"
	"testing"
)

// TestHeadings checks that docs/hakoniwa.md says why the trials differ.
func TestHeadings(t *testing.T) {
	b, err := os.ReadFile("../../docs/hakoniwa.md")
	if err != nil {
		t.Fatal(err)
	}
	check := func(name, heading string) {
		if !strings.Contains(string(b), "\n### "+heading+"\n") {
			t.Errorf("%s: docs/hakoniwa.md has no heading %q", name, heading)
		}
	}
	for fact, e := range everywhere {
		check(fact, e.heading)
	}
	names := map[string]bool{}
	for _, trial := range trials {
		if names[trial.name] {
			t.Errorf("two trials are called %q", trial.name)
		}
		names[trial.name] = true
		for _, heading := range trial.differs {
			check(trial.name, heading)
		}
	}
}
