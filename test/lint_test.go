package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var (
	scriptLine = regexp.MustCompile(`^((?:\[[^]]*\] *)*)(! *)?(\S+)`)
	// byPattern looks for processes by their command line, which processes of others
	// may have too, unless RUN or a mark of OWN is in it.
	byPattern = regexp.MustCompile(`\bp(grep|kill) .*-[a-zA-Z]*[fx]\b|^(\[[^]]*\] *)*gone `)
	ofOurs    = regexp.MustCompile(`\$RUN|\$OWN|\$mark`)
	// Testscript expands no variable between single quotes, so such a pattern has no
	// mark and matches nothing. A shell that is executed expands it.
	literally = regexp.MustCompile(`^(\[[^]]*\] *)*(gone|(! *)?exec p(grep|kill)) `)
	quoted    = regexp.MustCompile(`'[^']*'`)
)

// foreign is whether a line, of a script or of a file in it, looks for processes that
// are not marked as this run's.
func foreign(line string) bool {
	found := byPattern.MatchString(line)
	if literally.MatchString(line) {
		line = quoted.ReplaceAllString(line, "''")
	}
	return found && !ofOurs.MatchString(line)
}

// TestScriptLint checks that each failure in a script is followed by a match of its
// reason, and that no script looks for, or kills, processes of others.
func TestScriptLint(t *testing.T) {
	files, err := filepath.Glob(scripts + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		for i, line := range strings.Split(string(b), "\n") {
			if foreign(line) {
				t.Errorf("%s:%d: matches processes of others: %s", name, i+1, line)
			}
		}
		for _, u := range unmatched(string(txtar.Parse(b).Comment)) {
			t.Errorf("%s:%d: no stdout, stderr or cmp says why it fails, and no status: %s", name, u.number, u.text)
		}
	}
}

// TestForeign tests what it calls such a line.
func TestForeign(t *testing.T) {
	for line, want := range map[string]bool{
		"gone 'sleep 1003\\.'$RUN":                false,
		"gone sleep.$OWN":                         false,
		"[root] gone 'sleep 1003'":                true,
		"gone 'sleep 1003\\.$RUN'":                true,
		"[root] [linux:6.9] gone 'x''$OWN.$RUN'":  true,
		"exec pgrep -f 'sleep 1003\\.'$RUN":       false,
		"! exec pgrep -f 'sleep 1003\\.$RUN'":     true,
		"exec pgrep -c sleep":                     false,
		"exec sh -c 'pgrep -f \"sleep 10.$RUN\"'": false,
		"exec sh -c 'pgrep -f sleep'":             true,
		"pkill -KILL -f \"$mark\"":                false,
		"pkill -x sleep":                          true,
		"# what is gone is seen":                  false,
	} {
		if got := foreign(line); got != want {
			t.Errorf("foreign(%q) = %v; want %v", line, got, want)
		}
	}
}

type numbered struct {
	number int
	text   string
}

// unmatched are the lines of a script with an exec that must fail, after which nothing
// is matched in its output. Matching that something is absent proves nothing.
func unmatched(script string) (list []numbered) {
	var open *numbered
	flush := func() {
		if open != nil {
			list = append(list, *open)
		}
		open = nil
	}
	for i, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		m := scriptLine.FindStringSubmatch(line)
		if m == nil || line[0] == '#' {
			continue
		}
		not, command := m[2] != "", m[3]
		switch {
		case !not && (command == "stdout" || command == "stderr" || command == "cmp" && strings.Contains(line, " std")):
			open = nil
		case command == "exec":
			flush()
			if not {
				open = &numbered{i + 1, line}
			}
		case command == "status" || command == "env" || command == "stdin":
			flush()
		}
	}
	flush()
	return list
}

// TestUnmatched tests that.
func TestUnmatched(t *testing.T) {
	for script, want := range map[string]int{
		"! exec a\nstderr x\n":                       0,
		"! exec a\n! stdout y\nstderr x\n":           0,
		"! exec a\ncmp stderr want\n":                0,
		"! exec a\nexec b\nstdout x\n":               1,
		"! exec a\n! stdout .\n! exists ran\n":       1,
		"[root] ! exec a\n# why\n\n[root] stderr x":  0,
		"[root] [file:/x] ! exec a\n":                1,
		"exec a\n# ! exec b\nstatus 1 a\nexec c":     0,
		"! exec a\nenv X=\nstderr x":                 1,
		"! exec a\nstdout a\n! exec b\n! exec c\n\n": 2,
	} {
		if got := unmatched(script); len(got) != want {
			t.Errorf("unmatched(%q) = %v; want %d", script, got, want)
		}
	}
}
