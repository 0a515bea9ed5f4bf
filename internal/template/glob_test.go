package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGlob has patterns and what hakoniwa 1.6.0 finds for them.
func TestGlob(t *testing.T) {
	dir := filepath.Dir(write(t, map[string]string{"!bang": "", ".dot": "", ".h/w.k": "", "a/y.k": "", "a/b/z.k": "", "we[ird]": "", "x.k": "", `ba\ck`: "", "s*r": "", "q?": ""}))
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ pattern, want string }{
		{"[!.]*", `!bang a ba\ck link q? s*r we[ird] x.k`},
		{"[^.]*", ".dot .h"},
		{".*", ".dot .h"},
		{"**/*.k", ".h/w.k a/b/z.k a/y.k x.k"},
		{"**/b/**/*.k", "a/b/z.k"},
		{"**", ".h a a/b"},
		{"a/**/z.k", "a/b/z.k"},
		{"we[[]ird]", "we[ird]"},
		{"[!a-w!.]*", "x.k"},
		{"[]-a]", "a"},
		{`ba\ck`, `ba\ck`},
		{`\.dot`, ""},
		{"s[*]r", "s*r"},
		{"{a,x.k}", ""},
		{"nosuch*", ""},
		{"nosuch/**/x", ""},
	} {
		paths, err := expand(globEscaper.Replace(dir) + "/" + test.pattern)
		if err != nil {
			t.Errorf("fs_glob(%q): %v", test.pattern, err)
			continue
		}
		if got := strings.ReplaceAll(strings.Join(paths, " "), dir+"/", ""); got != test.want {
			t.Errorf("fs_glob(%q) = %s; want %s", test.pattern, got, test.want)
		}
	}
	for _, pattern := range []string{"[", "[!]", "a[]"} {
		if paths, err := expand(pattern); err == nil {
			t.Errorf("fs_glob(%q) = %v; want an error", pattern, paths)
		}
	}
}

// FuzzGlobEscape checks that an escaped name matches itself and nothing else.
func FuzzGlobEscape(f *testing.F) {
	f.Add("we[ird]*?", "we[ird]*?")
	f.Add(`a\b`, "ab")
	f.Fuzz(func(t *testing.T, name, other string) {
		if strings.ContainsRune(name+other, '/') {
			return
		}
		p, err := goPattern(globEscaper.Replace(name))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		for _, n := range []string{name, other} {
			if ok, err := filepath.Match(p, n); err != nil || ok != (n == name) {
				t.Errorf("%q as a pattern matches %q: %t, %v", name, n, ok, err)
			}
		}
	})
}
