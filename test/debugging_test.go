package test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDebugging has the failures of docs/debugging.md, and what mends them, as they are printed
// there. A block of "sh user" is for an ordinary user.
func TestDebugging(t *testing.T) {
	t.Parallel()
	file := filepath.Join(bin, "debugging.md")
	if !asUser {
		sources(t)
		file = "../docs/debugging.md"
	}
	for _, p := range []string{"bash", "hostname"} {
		require(t, p, have(p))
	}
	sections := strings.Split(readFile(t, file), "\n## ")
	titles := map[string]bool{}
	for i, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		anchor := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(title, "# ")), "/", ""), " ", "-")
		if i > 0 {
			titles[anchor] = true
		}
		t.Run(anchor, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			for _, e := range fenced(body) {
				switch e.language {
				case "sh user":
					if !asUser {
						continue
					}
				case "sh":
				default:
					t.Fatalf("a block of %q", e.language)
				}
				out, err := paste(dir, landlockLine(e.text))
				if n := newer([]byte(out)); n != "" {
					t.Logf("missing: %s\n%s", n, e.text)
				} else if e.output == "" || !printed(e.output).MatchString(out) {
					t.Errorf("%s%v\n%swant\n%s", e.text, err, out, e.output)
				}
			}
		})
	}
	linked := map[string]bool{}
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(sections[0], -1) {
		linked[m[1]] = true
		if !titles[m[1]] {
			t.Errorf("the table leads to #%s, which is nowhere", m[1])
		}
	}
	for title := range titles {
		if !linked[title] {
			t.Errorf("the table does not lead to #%s", title)
		}
	}
}
