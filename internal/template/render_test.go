package template

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hk/internal/profile"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
)

// write writes files into a new directory and returns the path of main.toml.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "main.toml")
}

// squeeze removes empty lines and blanks at the ends of lines.
func squeeze(text string) string {
	var rows []string
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			rows = append(rows, l)
		}
	}
	return strings.Join(rows, "\n")
}

func TestRender(t *testing.T) {
	t.Setenv("HK_TEST_PLAIN", "/run/user/1000")
	t.Setenv("HK_TEST_ODD", "a\"b\\c'd\n[x]")
	t.Setenv("HK_TEST_HEX", "0041")
	t.Setenv("HK_TEST_LIST", "http://proxy:8080")
	t.Setenv("HK_TEST_EMPTY", "")
	t.Setenv("HK_TEST_KEY", ", c = 1")
	t.Setenv("HK_TEST_LINK", `a"b\]`)
	for _, test := range []struct{ text, want string }{
		{`a = 1`, `a = 1`},
		// A text that was set, or of a macro, is a string as a whole.
		{`{% set x %}a"b\t{{ '"' }}{% endset %}a = {{ x | tojson }}`, `a = "a\"b\\t\""`},
		{`{% macro m(d) %}/s"{{ d }}"{% endmacro %}a = { b = {{ m(os_env("HK_TEST_KEY")) | tojson }} }`, `a = { b = "/s\", c \u003D 1\"" }`},
		{`a = "{{ "aé" | reverse }}{% for x in [1, 2] | reverse %}{{ x }}{% endfor %}"`, `a = "éa21"`},
		{`a = "{{ os_env("HK_TEST_KEY") }}"`, `a = ", c \u003D 1"`},
		{`a = "{{ os_env("HK_TEST_PLAIN") }}"`, `a = "/run/user/1000"`},
		{`a = "{{ HOME }}"`, `a = ""`},
		{`a = "{{ os_env("HK_TEST_UNSET") }}"`, `a = ""`},
		{`a = "{{ os_env("HK_TEST_ODD") }}" # {{ os_env("HK_TEST_ODD") }}`, `a = "a\u0022b\u005Cc\u0027d\u000A\u005Bx\u005D" # a?b?c?d??x?`},
		{`a = """{{ os_env("HK_TEST_ODD") }}"""`, `a = """a\u0022b\u005Cc\u0027d\u000A\u005Bx\u005D"""`},
		{`{% set x = os_env("HK_TEST_PLAIN") + "/bus" %}a = "{{ x }}"`, `a = "/run/user/1000/bus"`},
		{"{% for x in [\n\"a\",\n\"b\",\n] %}\n{{ x }} = 1\n{% endfor %}", "a = 1\nb = 1"},
		{`{% if os_env("HK_TEST_EMPTY") is ne "" %}a = 1{% else %}b = 1{% endif %}`, `b = 1`},
		{`{% set p = os_env("HK_TEST_LIST") | split(":") | list | last %}a = {{ p | int }}`, `a = 8080`},
		{`{% set p = os_env("HK_TEST_EMPTY") | split(":") | list | last %}{% if p is ne "" %}a = 1{% endif %}`, ``},
		{`{# a comment #}a = 1`, `a = 1`},
		{`{% include "t/none.toml" ignore missing %}a = 1`, `a = 1`},
		{`{% include ("t/" + "one" + ".toml") %}`, `one = 1`},
		{`{% set name = "x" %}{% include "t/uses.toml" %}`, `name = "x"`},
		{`{% include "t/sets.toml" %}a = "{{ y }}"`, `a = "leak"`},
		{`{% set y = "x" %}{% include "t/sets.toml" %}a = "{{ y }}"`, `a = "leak"`},
		{`{% for i in [1] %}{% include "t/sets.toml" %}{% endfor %}a = "{{ y }}"`, `a = ""`},
		{`{% include ["t/none.toml", "t/sets.toml"] %}a = "{{ y }}"`, `a = "leak"`},
		{`{% include ["t/none.toml"] ignore missing %}a = 1`, `a = 1`},
		{`{% include "t/extends.toml" %}a = "{{ y }}{{ z }}{{ w }}"`, "begin = \"\"\nm = 1\nend = 1\na = \"leakchild\""},
		{"{% set name = \"x\" %}\n{% extends \"t/base.toml\" %}\n{% block main %}\na = 1\n{% endblock %}\n{% include \"t/one.toml\" %}\nb = 2\n", "begin = \"x\"\na = 1\nend = 1"},
		{"{% set name = \"y\" %}{% extends \"t/middle.toml\" %}", "begin = \"y\"\nm = 1\nend = 1"},
		{`{% macro m(x) %}{{ x }} = 1{% endmacro %}{{ m("a") }}`, `a = 1`},
		{`{% raw %}a = "{{ x }}"{% endraw %}`, `a = "{{ x }}"`},
		{`a = "{{ __dir__ }}"`, `a = "DIR"`},
		{`{% if path_exists("/nosuch") %}a = 1{% endif %}{% if path_is_dir("/") %}b = 1{% endif %}`, `b = 1`},
		{`{% set _ = fs_mkdir("/nosuch/dir") %}{% if path_is_dir("/nosuch") and path_exists("/nosuch/dir") %}b = 1{% endif %}`, `b = 1`},
		{`{% if path_is_symlink(__dir__ + "/link") %}a = "{{ fs_read_link(__dir__ + "/link") }}"{% endif %}`, `a = "tar\u0022get"`},
		{`{% for p in fs_glob(__dir__ + "/t/o*.toml") %}a = "{{ p }}"{% endfor %}`, `a = "DIR/t/one.toml"`},
		{`a = "{{ fs_findup("nosuch-anywhere") }}"`, `a = ""`},
		{`{% if "/run/user" is startingwith "/run" %}a = 1{% endif %}`, `a = 1`},
		{`{% set x = "a" -%}   b = 1 {%- if x %} # {{ x }}{% endif %}`, `b = 1 # a`},
		{"{% for (k, v) in [(\"a\", 1), (\"b\", 2)] %}\n{{ k }} = {{ v }}{% endfor %}", "a = 1\nb = 2"},
		{"{%- for ( k , v ) in [\n( \"a\", 1 ),\n] -%}{{ k }} = {{ v }}{% endfor %}", `a = 1`},
		{`a = {% for x in (1, 2) %}{{ x }}{% endfor %}`, `a = 12`},
		{`a = '{{ os_env("HK_TEST_LINK") }}'`, `a = 'a"b\]'`},
		{`{%- set x %}"{% endset %}a = {{ x }}b{{- x -}}`, `a = "b"`},
		// A backslash is text in single quotes; an escape is one in what was written at once.
		{`a = '\{{ os_env("HK_TEST_PLAIN") }}' # \{{ os_env("HK_TEST_PLAIN") }}`, `a = '\/run/user/1000' # \/run/user/1000`},
		{`a = "\\{{ os_env("HK_TEST_PLAIN") }}\n\u0041"`, `a = "\\/run/user/1000\n\u0041"`},
		{`a = "\u0041{{ os_env("HK_TEST_HEX") }}"`, `a = "\u00410041"`},
		{"a = \"\"\"\\\n  {{ os_env(\"HK_TEST_PLAIN\") }}\"\"\"", "a = \"\"\"\\\n/run/user/1000\"\"\""},
		{`{% macro m(v) %}\t{{ v }}{% endmacro %}a = "{{ m("n") }}"`, `a = "\tn"`},
		{`a = {{ "x\ty" | tojson }}`, `a = "x\u0009y"`},
	} {
		path := write(t, map[string]string{"main.toml": test.text, "t/one.toml": "one = 1\n", "t/uses.toml": `name = "{{ name }}"`,
			"t/sets.toml": `{% set y = "leak" %}`, "t/extends.toml": `{% extends "t/middle2.toml" %}{% set z = "child" %}{% block main %}m = 1{% set w = "block" %}{% endblock %}`,
			"t/middle2.toml": `{% include "t/sets.toml" %}` + "begin = \"{{ name }}\"\n{% block main %}m = 0{% endblock %}\nend = 1\n", "t/base.toml": "begin = \"{{ name }}\"\n{% block main %}m = 0{% endblock %}\nend = 1\n",
			"t/middle.toml": "{% extends \"t/base.toml\" %}{% block main %}m = 1{% endblock %}"})
		if err := os.Symlink("tar\"get", filepath.Join(filepath.Dir(path), "link")); err != nil {
			t.Fatal(err)
		}
		sources, _, err := Render(path)
		if err != nil {
			t.Errorf("Render(%q): %v", test.text, err)
			continue
		}
		got := strings.ReplaceAll(squeeze(string(sources[0].Text)), filepath.Dir(path), "DIR")
		if got != test.want {
			t.Errorf("Render(%q) = %q; want %q", test.text, got, test.want)
		}
	}
}

// TestRenderErrors has what a template must not do, with its line.
func TestRenderErrors(t *testing.T) {
	t.Setenv("HK_TEST_ODD", "a\"b")
	t.Setenv("HK_TEST_APOSTROPHE", "a'b")
	t.Setenv("HK_TEST_KEY", ", c = 1")
	t.Setenv("HK_TEST_BYTES", "\xff")
	t.Setenv("HK_TEST_LETTER", "nx")
	t.Setenv("HK_TEST_HEX", "22")
	joined := `main.toml:2: a backslash would make an escape with what is printed after it: write "\\" for a backslash`
	outside := filepath.Join(t.TempDir(), "secret.toml")
	if err := os.WriteFile(outside, []byte("secret = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, want string }{
		{"\na = '{{ os_env(\"HK_TEST_APOSTROPHE\") }}'", `main.toml:2: a value from outside with '\'' in '...': put it in "..."`},
		{"\na = [\"{{ [\"x\", os_env(\"HK_TEST_ODD\")] | join('\", \"') }}\"]", `main.toml:2: '"' is in a value from outside and in a string of the templates: which of them is printed here is not known`},
		{"\na = \"\\{{ os_env(\"HK_TEST_LETTER\") }}\"", joined},
		{"\na = \"\"\"\\ {{- os_env(\"HK_TEST_LETTER\") }}\"\"\"", `main.toml:2: `},
		{"\na = \"\\\\\\{{ os_env(\"HK_TEST_LETTER\") }}\"", joined},
		{"\na = \"\\u00{{ os_env(\"HK_TEST_HEX\") }}\"", joined},
		{"\na = \"\\{% if true %}{{ os_env(\"HK_TEST_LETTER\") }}{% endif %}\"", joined},
		{"{% macro m(v) %}\\{{ v }}{% endmacro %}\na = \"{{ m(os_env(\"HK_TEST_LETTER\")) }}\"", joined},
		{"{% set b = \"\\\\\" %}\na = \"{{ b }}{{ os_env(\"HK_TEST_LETTER\") }}\"", joined},
		{"\na = { b = false{{ os_env(\"HK_TEST_KEY\") }} }", `main.toml:2: a value from outside with '=' outside of a string: put it in "..."`},
		{"\na = {{ range(10000000) }}", "main.toml:2: a range of more than 100000 numbers"},
		{"\n\na = {{ os_env(\"HK_TEST_ODD\") }}", `main.toml:3: a value from outside with '"' outside of a string: put it in "..."`},
		{"a = \"{{ os_env(\"HK_TEST_BYTES\") }}\"", `main.toml:1: os_env("HK_TEST_BYTES"): not text that can be in a configuration`},
		{"\n{% include \"../secret.toml\" %}", `main.toml:2: template "../secret.toml": path escapes from parent`},
		{"{% include \"" + outside + "\" %}", `template "` + outside + `": the name must be relative to the directory of the configuration`},
		{"{% include \"link.toml\" %}", `template "link.toml": path escapes from parent`},
		{"{% include \"link.toml\" ignore missing %}", `template "link.toml": path escapes from parent`},
		{"{% extends \"link.toml\" %}", `template "link.toml": path escapes from parent`},
		{"{% include \"none.toml\" %}", `template "none.toml": no such file or directory`},
		{"{% include \"fifo\" ignore missing %}", `template "fifo": not a regular file`},
		{"{% include \"dir\" ignore missing %}", `template "dir": not a regular file`},
		{"{% include \"bad.toml\" ignore missing %}", `bad.toml:2: `},
		{"{% include \"loop.toml\" %}", `more than 1000 templates are loaded`},
		{"{% extends \"self.toml\" %}", `more than 1000 templates are loaded`},
		{"\n{% if %}", "main.toml"},
		{"\n\n{% nosuch %}", "main.toml:3: ControlStructure 'nosuch' not found"},
		{"\n{{ nosuch(1) }}", "main.toml:2: "},
		{"{{ os_env() }}", "main.toml:1: os_env takes one argument"},
		{"{{ os_env(1) }}", "main.toml:1: os_env takes a string"},
		{"{{ fs_read_link(\"/nosuch\") }}", `main.toml:1: fs_read_link("/nosuch"): no such file or directory`},
		{"{{ fs_mkdir(\"x\") }}", `main.toml:1: fs_mkdir("x"): not an absolute path`},
		{"{% for i in range(100000) %}xxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}", "larger than 1024 KiB"},
		{"{% for i in range(3) %}\nx\U000F0022\n{% endfor %}", "line 2 of "},
	} {
		path := write(t, map[string]string{"main.toml": test.text, "dir/x": "", "bad.toml": "\n{% nosuch %}", "loop.toml": "{% include \"loop.toml\" %}",
			"self.toml": "{% extends \"self.toml\" %}"})
		if err := unix.Mkfifo(filepath.Join(filepath.Dir(path), "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(filepath.Dir(path), "link.toml")); err != nil {
			t.Fatal(err)
		}
		_, _, err := Render(path)
		if err == nil {
			t.Errorf("Render(%q): no error; want %s", test.text, test.want)
			continue
		}
		got := err.Error()
		if !strings.Contains(got, test.want) || strings.Contains(got, "\n") || strings.Contains(got, "secret = ") || !strings.HasPrefix(got, "/") {
			t.Errorf("Render(%q): %q; want %s", test.text, got, test.want)
		}
	}
}

func TestActions(t *testing.T) {
	path := write(t, map[string]string{"main.toml": `{% set _ = fs_mkdir("/a/b/") %}
{% set _ = fs_touch("/a/c") %}{% set _ = fs_mkdir("/a/b") %}`})
	_, actions, err := Render(path)
	want := fmt.Sprint([]profile.Action{{Func: "fs_mkdir", Path: "/a/b", At: path}, {Func: "fs_touch", Path: "/a/c", At: path}})
	if got := fmt.Sprint(actions); err != nil || got != want {
		t.Errorf("Render: %v, %v; want %v", got, err, want)
	}
}

func TestXDGUserDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	os.Mkdir(filepath.Join(home, ".config"), 0o755)
	text := "# comment\nXDG_MUSIC_DIR=\"$HOME/My Music\"\nXDG_VIDEOS_DIR=\"/srv/videos\"\nXDG_DESKTOP_DIR=\"$HOME\"\n"
	if err := os.WriteFile(filepath.Join(home, ".config/user-dirs.dirs"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"MUSIC": home + "/My Music", "VIDEOS": "/srv/videos", "DESKTOP": home, "DOWNLOAD": home + "/Downloads", "NONE": ""} {
		if got, err := (&renderer{}).xdgUserDir(name); got != want || err != nil {
			t.Errorf("fs_xdg_user_dir(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestLines checks where the lines of a rendered text were written.
func TestLines(t *testing.T) {
	path := write(t, map[string]string{"main.toml": `# one
{% for x in [
  1,
  2,
] %}
a{{ x }} = 1
{% endfor %}
{% include "t.toml" %}
b = """
{{ 1 }}
"""
`, "t.toml": "\nt = 1\n"})
	sources, _, err := Render(path)
	if err != nil {
		t.Fatal(err)
	}
	s := sources[0]
	for word, want := range map[string]string{"# one": "main.toml:1", "a1 = 1": "main.toml:6", "a2 = 1": "main.toml:6", "t = 1": "t.toml:2", "b = ": "main.toml:9"} {
		i := strings.Index(string(s.Text), word)
		if i < 0 {
			t.Fatalf("%q has no %q", s.Text, word)
		}
		at := s.At(1 + strings.Count(string(s.Text[:i]), "\n"))
		if got := strings.TrimPrefix(at, filepath.Dir(path)+"/"); got != want {
			t.Errorf("%q is at %s; want %s", word, got, want)
		}
	}
}

// FuzzForeign checks that a value from outside is what it was in the parsed file, or that
// there is an error: it never becomes a part of the structure.
func FuzzForeign(f *testing.F) {
	f.Add("x", "a = \"", "\"")
	f.Add("\"\nb = 1", "a = \"", "\" # c")
	f.Add("\\", "a = \"\"\"x", "\"\"\"")
	f.Add("'", "a = '", "'")
	f.Add("]", "a = [\"", "\"]\nc = \"\\\"\"")
	f.Add("#", "# ", "\na = 1")
	f.Fuzz(func(t *testing.T, value, before, after string) {
		var o origin
		if _, err := o.value(value); err != nil || strings.ContainsFunc(before+after, isMark) {
			return
		}
		marked, err := o.mark(value)
		if err != nil {
			return
		}
		s, err := finish("x", before+marked+after, nil)
		if err != nil {
			return
		}
		var with, without map[string]any
		if toml.Unmarshal(s.Text, &with) != nil {
			return
		}
		// The same with a harmless value has the same keys.
		harmless := strings.Map(func(r rune) rune {
			if isMark(r) {
				return 'x'
			}
			return r
		}, marked)
		if toml.Unmarshal([]byte(before+harmless+after), &without) != nil {
			return
		}
		if a, b := keys(with), keys(without); a != b {
			t.Errorf("%q in %q, %q: the keys are %s instead of %s", value, before, after, a, b)
		}
	})
}

// keys lists the keys of a table that have the same structure whatever the strings are.
func keys(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return fmt.Sprint(len(v))
	case []any:
		text := "["
		for _, e := range v {
			text += keys(e)
		}
		return text + "]"
	}
	return fmt.Sprintf("%T", v)
}
