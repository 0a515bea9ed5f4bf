package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestPrint has expressions and what minijinja prints for them, as seen in hakoniwa 1.6.0.
func TestPrint(t *testing.T) {
	t.Setenv("HK_TEST_ODD", `a#[b`)
	for _, test := range []struct{ expression, want string }{
		{`true`, `true`},
		{`1 == 2`, `false`},
		{`path_exists("/")`, `true`},
		{`none`, `none`},
		{`nosuch`, ``},
		{`[1, "a", true, none, 1.5]`, `[1, "a", true, none, 1.5]`},
		{`[[], ["x"]]`, `[[], ["x"]]`},
		{`("a", "b")`, `["a", "b"]`},
		{`["it's"]`, `["it's"]`},
		{`['a"b', "c\\d"]`, `["a\"b", "c\\d"]`},
		{`{"b": 1, "a": [true]}`, `{"a": [true], "b": 1}`},
		{`{"a": {"b": 1}}`, `{"a": {"b": 1}}`},
		{`range(3)`, `[0, 1, 2]`},
		{`1.0`, `1.0`},
		{`1e20`, `100000000000000000000.0`},
		{`"x" ~ true ~ none`, `xtruenone`},
		{`"x" ~ [1]`, `x[1]`},
		{`true | string`, `true`},
		{`true | int`, `1`},
		{`[true, none, 1] | join(",")`, `true,none,1`},
		{`{"b": 1, "a": 2} | items | list`, `[["a", 2], ["b", 1]]`},
		{`"a,b" | split(",") | list`, `["a", "b"]`},
		{`["a"] | tojson`, `["a"]`},
		{`"a" if path_exists("/") else "b"`, `a`},
		{`"a" if false`, ``},
		{`"a\\b" | replace("\\", "/")`, `a/b`},
		{`"{{ x }} %}"`, `{{ x }} %}`},
		// A value from outside is compared and changed as it is.
		{`"#" in os_env("HK_TEST_ODD")`, `true`},
		{`"]" in os_env("HK_TEST_ODD")`, `false`},
		{`os_env("HK_TEST_ODD") == "a#[b"`, `true`},
		{`os_env("HK_TEST_ODD") < "a$"`, `true`},
		{`os_env("HK_TEST_ODD") in ["a#[b"]`, `true`},
		{`{"a#[b": 5}[os_env("HK_TEST_ODD")]`, `5`},
		{`os_env("HK_TEST_ODD") is startingwith "a#"`, `true`},
		{`os_env("HK_TEST_ODD") is endingwith "[b"`, `true`},
		{`os_env("HK_TEST_ODD") | replace("#[", "-")`, `a-b`},
		{`os_env("HK_TEST_ODD") | split("#[") | join("-")`, `a-b`},
		{`os_env("HK_TEST_ODD") | length`, `4`},
		{`os_env("HK_TEST_ODD") | upper`, `A#[B`},
		{`os_env("HK_TEST_ODD") | trim("ab")`, `#[`},
		{`os_env("HK_TEST_ODD")[1:]`, `#[b`},
		{`["x", os_env("HK_TEST_ODD")]`, `["x", "a#[b"]`},
	} {
		// In ''' all of these are themselves.
		path := write(t, map[string]string{"main.toml": "a = '''{{ " + test.expression + " }}'''\n"})
		sources, _, err := Render(path)
		if err != nil {
			t.Errorf("{{ %s }}: %v", test.expression, err)
			continue
		}
		var got struct{ A string }
		if err := toml.Unmarshal(sources[0].Text, &got); err != nil || got.A != test.want {
			t.Errorf("{{ %s }} is %q, %v; want %q", test.expression, got.A, err, test.want)
		}
	}
}

// TestInjection renders templates with values from outside that would be TOML. None may
// change what the file has besides the value of "a", or it is an error; what is in a string
// in double quotes is never one, and is the value.
func TestInjection(t *testing.T) {
	hostile := []string{`x"`, "x\nevil = 1", "x\"\nevil = 1\n#", `x\`, `\u0022`, `'''`, `"""`, "x'\nevil = 1\n#", `]`, `x", "y`, `{{ 1 }}`, `{% set y = 1 %}`, "#", "1 # ", "\x7f\t",
		"\U0002C030\U000C0000"}
	templates := []struct {
		text   string
		quoted bool
	}{
		{`a = "{{ os_env("X") }}"`, true},
		{`a = """{{ os_env("X") }}"""`, true},
		{`a = '{{ os_env("X") }}'`, false},
		{`a = '''{{ os_env("X") }}'''`, false},
		{`a = {{ os_env("X") }}`, false},
		{`a = {{ [os_env("X")] }}`, true},
		{`a = {{ os_env("X") | tojson }}`, true},
		{`a = "" # {{ os_env("X") }}`, false},
		{`{% set x = os_env("X") %}a = "{{ x }}"`, true},
		{`{% set x %}{{ os_env("X") }}{% endset %}a = "{{ x }}"`, true},
		{`{% set x %}"{{ os_env("X") }}"{% endset %}a = {{ x }}`, true},
		{`{% macro m(v) %}a = "{{ v }}"{% endmacro %}{{ m(os_env("X")) }}`, true},
		{`{% macro m(v) %}a = "{{ v }}"{% endmacro %}{{ m(os_env("X")) | trim }}`, true},
		{`{% macro m() %}a = "{{ caller() }}"{% endmacro %}{% call m() %}{{ os_env("X") }}{% endcall %}`, true},
		{`{% filter trim %}a = "{{ os_env("X") }}"{% endfilter %}`, false},
		{`a = "{% for x in [os_env("X")] %}{{ x }}{% endfor %}"`, true},
		{`a = "{{ os_env("X") ~ "" }}"`, true},
		{`a = "{{ os_env("X") + "" }}"`, true},
		{`a = "{{ [os_env("X"), ""] | join }}"`, true},
		{`a = {{ {"k": os_env("X")} | items }}`, false},
		{`a = "{{ os_env("X") | reverse }}"`, false},
		{`a = "{% for c in os_env("X") %}{{ c }}{% endfor %}"`, false},
		{`a = "{{ os_env("X") | split("x") | join("y") }}"`, false},
		{`a = "{{ os_env("X") | safe }}"`, true},
		{`a = "{{ "%s" | format(os_env("X")) }}"`, true},
		{`a = "{{- os_env("X") -}}"`, true},
		{`{% block b %}a = "{{ os_env("X") }}"{% endblock %}`, true},
		{`{% autoescape false %}a = "{{ os_env("X") }}"{% endautoescape %}`, true},
		{`{% raw %}a = "{{ os_env('X') }}"{% endraw %} #{{ os_env("X") }}`, false},
	}
	for _, test := range templates {
		for _, value := range hostile {
			t.Setenv("X", value)
			path := write(t, map[string]string{"main.toml": test.text + "\nb = 1\n"})
			sources, _, err := Render(path)
			if err != nil {
				if test.quoted && !strings.Contains(err.Error(), "not text") {
					t.Errorf("%s with %q: %v", test.text, value, err)
				}
				continue
			}
			var got map[string]any
			if err := toml.Unmarshal(sources[0].Text, &got); err != nil {
				if test.quoted {
					t.Errorf("%s with %q: %q: %v", test.text, value, sources[0].Text, err)
				}
				continue
			}
			names := strings.Join(slices.Sorted(maps.Keys(got)), " ")
			if names != "a b" {
				t.Errorf("%s with %q: the keys are %s", test.text, value, names)
			}
			if test.quoted && strings.Trim(fmt.Sprint(got["a"]), "[]") != strings.Trim(value, "[]") {
				t.Errorf("%s with %q: a is %q", test.text, value, got["a"])
			}
		}
	}
}

// FuzzRender renders a template of which a value from outside is put in a string, and
// compares the parsed string with the value.
func FuzzRender(f *testing.F) {
	f.Add("a\"b", "x")
	f.Add("\\", "\\\\")
	f.Add("a\nb", "{{ 1 }}")
	f.Fuzz(func(t *testing.T, value, written string) {
		if strings.ContainsFunc(written, func(r rune) bool {
			return isMark(r) || r < ' ' || r == 0x7F || strings.ContainsRune(`"'\{`, r) || r == 0xFFFD
		}) {
			return
		}
		var o origin
		if _, err := o.value(value); err != nil {
			return
		}
		var rows []line
		scanned, ok := o.scan("x", "a = \"{{ v }}"+written+"\"", &rows)
		if !ok {
			t.Fatal("too many lines")
		}
		marked, err := o.mark(value)
		if err != nil {
			t.Fatal(err)
		}
		s, err := finish("x", strings.Replace(scanned, "{% "+printTag+"  v %}", marked, 1), rows)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ A string }
		if err := toml.Unmarshal(s.Text, &got); err != nil || got.A != value+written {
			t.Errorf("%q, %q: %q is %q, %v", value, written, s.Text, got.A, err)
		}
	})
}
