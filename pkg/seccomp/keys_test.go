package seccomp

import (
	"strings"
	"testing"
)

func TestCheckKeys(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"names":[],"args":[{"op":"op","index":1},{"op":"names"}],"action":"names"}`, ""},
		{`{"names" : ["a\"", "names:"], "includes": {"names": [], "caps": ["\\"]}, "excludes": {"caps": []}}`, ""},
		{`null`, ""},
		{`{"names":[],` + "\n" + `"action":1,"names":2}`, `line 2: "names" is there twice`},
		{`{"names":[],"na\u006des":2}`, `line 1: "names" is there twice`},
		{`{"args":[{"op":1},{"op":1,` + "\n\n" + `"op" :2}]}`, `line 3: "op" is there twice`},
		{`{"args":[{"caps":{"names":1}}],"Names":2}`, `line 1: "Names" differs in case from every key`},
		{`{"\u0041ction":2}`, `line 1: "Action" differs in case from every key`},
		{`{"nameſ":2}`, `line 1: "nameſ" differs in case from every key`},
	} {
		got := ""
		if err := checkKeys([]byte(c.text)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q; want %q", c.text, got, c.want)
		}
	}
	for _, name := range []string{"podman", "docker"} {
		b, _ := builtins(name)
		if err := checkKeys([]byte(b.json)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := checkKeys([]byte(strings.Replace(b.json, `"names"`, `"Names"`, 1))); err == nil {
			t.Errorf("%s with a key in another case is taken", name)
		}
	}
}
