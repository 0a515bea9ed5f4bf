package filter

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCheckKeys(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"syscalls":[{"names":["names"],"args":[{"op":"op","index":1},{"op":"names"}],"action":"names"}]}`, ""},
		{`{"syscalls" : [{"names" : ["a\"", "names:"], "includes": {"arches": [], "caps": ["\\"]}, "excludes": {"caps": []}}]}`, ""},
		{`null`, ""},
		{`{"syscalls":[{"names":[],` + "\n" + `"action":1,"names":2}]}`, `line 2: "names" occurs twice`},
		{`{"syscalls":[],"sysc\u0061lls":2}`, `line 1: "syscalls" occurs twice`},
		{`{"syscalls":[{"args":[{"op":1},{"op":1,` + "\n\n" + `"op" :2}]}]}`, `line 3: "op" occurs twice`},
		{`{"syscalls":[{"args":[{"op":1}],"Names":2}]}`, `line 1: "Names" differs in case from every key`},
		{`{"default\u0041ction":2,"\u0044efaultAction":2}`, `line 1: "DefaultAction" differs in case from every key`},
		{`{"syscallſ":2}`, `line 1: "syscallſ" differs in case from every key`},
		{`{"comment":"x","description":"y","syscalls":[]}`, ""},
		{`{"comment":"x",` + "\n" + `"comments":"y"}`, `line 2: unknown field "comments"`},
		{`{` + "\n" + `"ociVersion":"1.2.0","linux":{}}`, `line 2: unknown field "ociVersion": in the configuration of a container the profile is .linux.seccomp`},
		{`{"process":{"linux":1},"linux":{}}`, `line 1: unknown field "process"`},
		// Known, but not there.
		{`{"syscalls":[],` + "\n" + `"names":[],` + "\n" + `"flags":[]}`, `line 2: unknown field "names"`},
		{`{"syscalls":[{"names":[],"includes":{` + "\n" + `"args":[]}}]}`, `line 2: unknown field "args"`},
		{`{"syscalls":[{"names":["coment"],` + "\n\n" + `"coment":"x"}],` + "\n" + `"flags":[]}`, `line 3: unknown field "coment"`},
	} {
		got := ""
		if err := checkKeys([]byte(c.text)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("checkKeys(%s) = %q; want %q", c.text, got, c.want)
		}
	}
	for _, name := range []string{"podman", "docker"} {
		b, _ := builtins(name)
		if err := checkKeys([]byte(b.json)); err != nil {
			t.Errorf("checkKeys() of %s = %v; want no error", name, err)
		}
		if err := checkKeys([]byte(strings.Replace(b.json, `"names"`, `"Names"`, 1))); err == nil {
			t.Errorf("%s with a key in another case is taken", name)
		}
	}
}

// TestKeysOfStructs compares the table of keys with what package json reads.
func TestKeysOfStructs(t *testing.T) {
	var tags func(typ reflect.Type) []string
	tags = func(typ reflect.Type) (list []string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Anonymous {
				list = append(list, tags(f.Type)...)
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			list = append(list, name)
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	for of, v := range map[string]any{"": profile{}, "archMap": profiles.Architecture{}, "args": specs.LinuxSeccompArg{},
		"excludes": profiles.Filter{}, "includes": profiles.Filter{}, "syscalls": syscall{}} {
		got := slices.Sorted(slices.Values(keysOf(of)))
		if want := tags(reflect.TypeOf(v)); !slices.Equal(got, want) {
			t.Errorf("the keys of %q are %q; want %q", of, got, want)
		}
	}
}
