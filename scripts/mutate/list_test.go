package main

import (
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../"

// TestList checks that the list is true of the source: each mutant applies to one
// place, and what comes of it can be read; the test that it names is there.
func TestList(t *testing.T) {
	all, err := parse(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 150 {
		t.Errorf("%d mutants; want at most 150: nobody runs more", len(all))
	}
	tests := names(t)
	for _, m := range all {
		b, err := os.ReadFile(root + m.file)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		text, err := m.apply(string(b))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if m.test == "" || m.test == "unit" {
			continue
		}
		for _, alternative := range strings.Split(m.test, "|") {
			top, rest, _ := strings.Cut(strings.TrimPrefix(alternative, "TestAsUser/"), "/")
			if !matches(t, top, tests) {
				t.Errorf("%s: there is no test %s", m.name, alternative)
			}
			if top == "TestScripts" && !matches(t, rest, scripts(t)) {
				t.Errorf("%s: there is no script %s", m.name, alternative)
			}
		}
	}
	if chain, err := os.ReadFile(root + "pkg/chain/plan_test.go"); err != nil || !strings.Contains(string(chain), "func "+strings.Trim(golden, "^$")+"(") {
		t.Errorf("the tests of golden plans are not called %s any more: %v", golden, err)
	}
}

func matches(t *testing.T, pattern string, list []string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		t.Error(err)
		return true
	}
	return slices.ContainsFunc(list, re.MatchString)
}

// names lists the tests of behaviour.
func names(t *testing.T) (list []string) {
	files, _ := os.ReadDir(root + "test")
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(root + "test/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(string(b), -1) {
			list = append(list, m[1])
		}
	}
	return list
}

func scripts(t *testing.T) (list []string) {
	files, err := os.ReadDir(root + "test/testdata/script")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		list = append(list, strings.TrimSuffix(f.Name(), ".txtar"))
	}
	return list
}

func TestParse(t *testing.T) {
	const text = "# said before\n\nname: a\nfile: pkg/a/a.go\nfrom: x: \ty\nfrom: \tz\nto:\nwhy: w\ntest: TestX/y|TestZ\nequivalent: e\n"
	got, err := parse(text)
	want := mutant{"a", "pkg/a/a.go", "x: \ty\n\tz", "", "w", "TestX/y|TestZ", "e"}
	if err != nil || len(got) != 1 || got[0] != want || want.dir() != "pkg/a" {
		t.Fatalf("parse = %q, %v; want %q", got, err, want)
	}
	for _, c := range []struct{ text, want string }{
		{text + "\n" + text, "twice"},
		{"name: a\nfile: f\nfrom: x\nto: x\nwhy: w", "changes nothing"},
		{"name: a\nfile: f\nfrom: x\nwhy: w", "an entry has"},
		{"name: a\nform: x", "unknown line"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parse(%q): %v; want %s", c.text, err, c.want)
		}
	}
	for source, want := range map[string]string{"<x: \ty\n\tz>": "<>", "none": "", "x: \ty\n\tzx: \ty\n\tz": ""} {
		if text, err := got[0].apply(source); text != want || (err == nil) != (want != "") {
			t.Errorf("apply(%q) = %q, %v; want %q", source, text, err, want)
		}
	}
}
