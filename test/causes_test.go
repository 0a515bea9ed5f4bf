package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hk/pkg/cause"
)

// TestCausesTable compares the causes in hk-chain(7) with those of the code.
func TestCausesTable(t *testing.T) {
	sources(t)
	var b strings.Builder
	b.WriteString(".Bl -tag -width Ds\n")
	for _, c := range cause.All() {
		fmt.Fprintf(&b, ".It Cm %s\n%s.\n%s.\n", c.Name, sentence(c.What), sentence(c.Remedy))
	}
	b.WriteString(".El\n")
	writtenTable(t, "TestCausesTable", b.String())
}

// writtenTable compares what a test writes into hk-chain(7) with what is there.
func writtenTable(t *testing.T, by, want string) {
	const page, end = "../docs/man/hk-chain.7", `.\" End of what is written.` + "\n"
	begin := `.\" Written by go test ./test -run ` + by + " -update:\n"
	before, rest, ok := strings.Cut(readFile(t, page), begin)
	got, after, ends := strings.Cut(rest, end)
	switch {
	case !ok || !ends:
		t.Errorf("%s has no place for the table of %s", page, by)
	case got == want:
	case !*update:
		t.Errorf("%s: the table is\n%swant\n%s", page, got, want)
	default:
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sentence begins a sentence, in mdoc(7), with a capital letter, unless its first word is
// that of a program or file.
func sentence(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	if first, _, _ := strings.Cut(s, " "); regexp.MustCompile(`^[a-z]+$`).MatchString(first) && !strings.HasPrefix(s, "hk-") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}

// TestCausesReached checks that a test brings about each cause: a script that matches the name in
// brackets or in JSON, or a table test that names the constant.
func TestCausesReached(t *testing.T) {
	var texts strings.Builder
	list, err := filepath.Glob(scripts + "/*.txtar")
	if err != nil || len(list) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range sources(t) {
		if strings.HasSuffix(f, "_test.go") && !strings.HasSuffix(f, "/causes_test.go") && !strings.HasSuffix(f, "pkg/cause/cause_test.go") {
			list = append(list, filepath.Join("..", f))
		}
	}
	for _, f := range list {
		texts.WriteString(readFile(t, f))
	}
	constant := regexp.MustCompile(`(?m)^\t(\w+) +Name = "([a-z0-9-]+)"$`)
	for _, m := range constant.FindAllStringSubmatch(readFile(t, "../pkg/cause/cause.go"), -1) {
		reached := regexp.MustCompile(`\[(\([a-z|-]*)?` + m[2] + `([a-z|-]*\))?\\?\]|"cause": "` + m[2] + `"|cause\.` + m[1] + `\b`)
		if !reached.MatchString(texts.String()) {
			t.Errorf("no test brings about %s", m[2])
		}
	}
}

// TestCausesUsed checks that the code gives each cause, and writes each name only once: as a
// constant.
func TestCausesUsed(t *testing.T) {
	used := map[string]bool{}
	name := regexp.MustCompile(`\bcause\.([A-Z]\w+)`)
	for _, f := range sources(t) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(readFile(t, filepath.Join("..", f)), -1) {
			used[m[1]] = true
		}
	}
	constant := regexp.MustCompile(`(?m)^\t(\w+) +Name = "([a-z0-9-]+)"$`)
	list := constant.FindAllStringSubmatch(readFile(t, "../pkg/cause/cause.go"), -1)
	if len(list) != len(cause.All()) {
		t.Errorf("%d constants, %d causes", len(list), len(cause.All()))
	}
	for _, m := range list {
		if !used[m[1]] {
			t.Errorf("nothing has the cause %s", m[2])
		}
		if cause.Name(m[2]).Of().Name == "" {
			t.Errorf("the table has no cause %s", m[2])
		}
	}
}
