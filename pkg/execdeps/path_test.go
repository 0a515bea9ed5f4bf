package execdeps

import (
	"os"
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

// TestWord has programs before that of dir in PATH, and a directory under two names.
func TestWord(t *testing.T) {
	top := t.TempDir()
	t.Chdir(top)
	for _, dir := range []string{"ours", "theirs", "none"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == "none" {
			continue
		}
		if err := os.WriteFile(dir+"/p", nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("ours", "link"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"T/ours": "p", "T/none:T/ours:T/theirs": "p", "T/link": "p", "T/none": "T/ours/p", "": "T/ours/p",
		"T/theirs:T/ours": "T/ours/p", "ours": "T/ours/p", ".:T/ours": "T/ours/p", ":T/ours": "T/ours/p",
	} {
		got := Word("p", top+"/ours", strings.ReplaceAll(path, "T", top))
		if want := strings.ReplaceAll(want, "T", top); got != want {
			t.Errorf("Word(p, T/ours, %q) = %q; want %q", path, got, want)
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
