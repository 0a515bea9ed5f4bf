package execdeps

import (
	"slices"
	"strings"
	"testing"
)

// TestCandidates has the files that execvp(3) tries.
func TestCandidates(t *testing.T) {
	for _, c := range []struct{ word, path, want string }{
		{"p", "/a:/b", "/a/p /b/p"}, {"p", "/a/:b", "/a/p b/p"}, {"p", ":/a:", "./p /a/p ./p"}, {"p", "/", "/p"},
		{"p", "", "/bin/p /usr/bin/p"}, {"/x/p", "/a", "/x/p"}, {"./p", "/a", "./p"}, {"d/p", "", "d/p"},
	} {
		if got := Candidates(c.word, c.path); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("Candidates(%q, %q) = %q; want %q", c.word, c.path, got, strings.Fields(c.want))
		}
	}
}

// TestEnvironmentOf has variables that are there twice, and others.
func TestEnvironmentOf(t *testing.T) {
	for _, c := range []struct {
		vars string
		want Environment
	}{
		{"", Environment{}}, {"PATHS=/x XPATH=/y LD_LIBRARY_PATH", Environment{}},
		{"A=b PATH=/a:/b LD_LIBRARY_PATH=/l PATH=/c", Environment{Path: "/a:/b", LibraryPath: "/l"}}, {"PATH= PATH=/c", Environment{}},
	} {
		if got := EnvironmentOf(strings.Fields(c.vars)); got != c.want {
			t.Errorf("EnvironmentOf(%q) = %+v; want %+v", c.vars, got, c.want)
		}
	}
}
