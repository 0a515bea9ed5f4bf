package profile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// write writes files into a new directory and returns the path of main.toml.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "main.toml")
}

func noTemplates(string) ([]*Source, []Action, error) { panic("there are no templates") }

func TestErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"\n[[mounts]]\nsuorce = \"/etc\"\n", `main.toml:3: unknown key "suorce" in mounts; did you mean "source"?`},
		{"[[mount]]\nsource = \"/etc\"\n", `main.toml:1: unknown key "mount"; did you mean "mounts"?`},
		{"[cgroups]\n", `main.toml:1: unknown key "cgroups"; did you mean "cgroup"?`},
		{"hostname = \"x\"\n\n[landlock]\nrescources = []\nx = 1\n", `main.toml:4: unknown key "rescources" in landlock; did you mean "resources"?`},
		{"[landlock]\nfs = [\n  { path = \"/\", acess = \"r\" },\n]\n", `main.toml:3: unknown key "acess" in landlock.fs; did you mean "access"?`},
		{"[command]\nzzzzzz = 1\n", `main.toml:2: unknown key "zzzzzz" in command: there are cmdline and cwd`},
		{"[command]\nCwd = \"/\"\n", `main.toml:2: unknown key "Cwd" in command; did you mean "cwd"?`},
		{"mounts = [{ SOURCE = \"/\" }]\n", `main.toml:1: unknown key "SOURCE" in mounts; did you mean "source"?`},
		{"hostname = 1\n", `main.toml:1: hostname: is an integer, but must be a string`},
		{"[[mounts]]\nsource = \"/etc\"\nrw = \"yes\"\n", `main.toml:3: mounts.rw: is a string, but must be true or false`},
		{"[[landlock.net]]\nport = 65536\n", `main.toml:2: landlock.net.port: integer value 65536 cannot be stored in uint16`},
		{"[[uidmaps]]\ncontainer_id = -1\n", `main.toml:2: uidmaps.container_id: negative integer value -1 cannot be stored in uint32`},
		{"[command]\ncmdline = \"true\"\n", `main.toml:2: command.cmdline: is a string, but must be an array`},
		{"[[command]]\n", `main.toml:1: command: cannot store an array table in a struct`},
		{"x = \n", `main.toml:1: `},
		{"[mounts\n", `main.toml:1: `},
		{"hostname = \"a\"\nhostname = \"b\"\n", `main.toml:2: `},
		{"\"@include\" = [\"a.toml\"]\n", `main.toml:1: @include: `},
		{"\"@include\" = [\n\"ok.toml\",\n\"\"]\n", `main.toml:3: @include: "" is not the name of a file`},
		{"\"@include\" = [\"bad.toml\"]\n", `bad.toml:2: an included file may not have "hostname", only namespaces, mounts, filesystem, envs, network and landlock`},
		{"\"@include\" = [\"nested.toml\"]\n", `nested.toml:1: an included file may not have "@include", only namespaces, mounts, filesystem, envs, network and landlock`},
		{"\"@include\" = [\"typo.toml\"]\n", `typo.toml:1: unknown key "nam" in envs; did you mean "name"?`},
		{"\"@include\" = [\".\"]\n", `main.toml:1: @include: `},
		{"a\x00", `main.toml:1: a null byte`},
		{"\n\xff", `main.toml:2: `},
	} {
		path := write(t, map[string]string{"main.toml": test.text, "ok.toml": "", "bad.toml": "\nhostname = \"x\"\n",
			"nested.toml": "\"@include\" = []\n", "typo.toml": "envs = [{ nam = \"x\" }]\n"})
		_, err := Load(path, noTemplates)
		if err == nil {
			t.Errorf("Load(%q): no error; want %s", test.text, test.want)
			continue
		}
		got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
		if got != test.want && (!strings.HasSuffix(test.want, ": ") || !strings.HasPrefix(got, test.want)) || strings.Contains(got, "\n") {
			t.Errorf("Load(%q): %s; want %s", test.text, got, test.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	text := `# comment
[[mounts]]
source = "/a"
[[mounts]]
source = "/b"

rw = true
[landlock]
fs = [ # comment
  { path = "/", access = "r" },
  # comment
  { path = "/x",
  },
]
[[landlock.net]]
port = 1
[filesystem]
dirs = [{ destination = "/d" }, {
	destination = "/e",
  }]
[[filesystem.files]]
destination = "/f"
[user]
name = "x"
`
	p, err := Load(write(t, map[string]string{"main.toml": text}), noTemplates)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		place Place
		key   string
		want  string
	}{
		{p.Mounts[0].Place, "", ":2: mounts: x"},
		{p.Mounts[0].Place, "rw", ":2: mounts.rw: x"},
		{p.Mounts[1].Place, "source", ":5: mounts.source: x"},
		{p.Mounts[1].Place, "rw", ":7: mounts.rw: x"},
		{p.Landlock.Place, "", ":8: landlock: x"},
		{p.Landlock.FS[0].Place, "access", ":10: landlock.fs.access: x"},
		{p.Landlock.FS[1].Place, "path", ":12: landlock.fs.path: x"},
		{p.Landlock.Net[0].Place, "port", ":16: landlock.net.port: x"},
		{p.Filesystem.Dirs[1].Place, "destination", ":19: filesystem.dirs.destination: x"},
		{p.Filesystem.Files[0].Place, "destination", ":22: filesystem.files.destination: x"},
		{p.User.Place, "caps", ":23: user.caps: x"},
		{p.Place, "hostname", ":1: hostname: x"},
	} {
		err := test.place.Errorf(test.key, "x")
		if got := err.Error(); !strings.HasSuffix(got, "main.toml"+test.want) {
			t.Errorf("Errorf(%q) = %s; want %s", test.key, got, test.want)
		}
	}
}

// TestMerge has the rules by which included files and the file are one.
func TestMerge(t *testing.T) {
	p, err := Load(write(t, map[string]string{
		"main.toml": `"@include" = ["one.toml", "two.toml"]
hostname = "main"
[[namespaces]]
type = "ipc"
share = true
[[envs]]
name = "A"
value = "main"
[landlock]
best_effort = false
fs = [{ path = "/main", access = "r" }]
[[limits]]
type = "walltime"
value = 1
`,
		"one.toml": `[network]
mode = "host"
[[namespaces]]
type = "ipc"
[[envs]]
name = "A"
value = "one"
[landlock]
best_effort = true
ignore_missing = true
abi = 4
resources = [{ type = "fs" }]
fs = [{ path = "/one", access = "r" }]
[filesystem]
dirs = [{ destination = "/one" }]
`,
		"two.toml": `network = { mode = "pasta", options = ["-4"] }
mounts = [{ source = "/two" }]
filesystem.dirs = [{ destination = "/two" }]
`}), noTemplates)
	if err != nil {
		t.Fatal(err)
	}
	var envs, paths, dirs []string
	for _, e := range p.Envs {
		envs = append(envs, *e.Value)
	}
	for _, r := range p.Landlock.FS {
		paths = append(paths, r.Path)
	}
	for _, d := range p.Filesystem.Dirs {
		dirs = append(dirs, d.Destination)
	}
	got := []any{len(p.Namespaces), p.Namespaces[1].Share, envs, paths, dirs, p.Network.Mode, len(p.Mounts), len(p.Landlock.Resources), *p.Landlock.BestEffort, *p.Landlock.IgnoreMissing, *p.Landlock.ABI}
	want := []any{2, true, []string{"one", "main"}, []string{"/one", "/main"}, []string{"/one", "/two"}, "pasta", 1, 1, false, true, 4}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("merged: %v; want %v", got, want)
	}
	if err := p.Envs[0].Errorf("value", "x"); !strings.HasSuffix(err.Error(), "one.toml:7: envs.value: x") {
		t.Errorf("an entry of an included file is at %v", err)
	}
}

// TestNetworkOfMain checks that the network of the file is not merged with another.
func TestNetworkOfMain(t *testing.T) {
	p, err := Load(write(t, map[string]string{
		"main.toml": "\"@include\" = [\"one.toml\"]\n[network]\nmode = \"none\"\n",
		"one.toml":  "[network]\nmode = \"pasta\"\noptions = [\"-4\"]\n"}), noTemplates)
	if err != nil {
		t.Fatal(err)
	}
	if p.Network.Mode != "none" || p.Network.Options != nil {
		t.Errorf("the network is %+v", p.Network)
	}
}

func TestHasTemplates(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "{": false, "x = {}": false, "{ {": false, "{{ x }}": true, "{% x %}": true, "{# x #}": true, "{}{{": true,
	} {
		if got := HasTemplates([]byte(text)); got != want {
			t.Errorf("HasTemplates(%q) = %v; want %v", text, got, want)
		}
	}
}

// FuzzLoad checks that reading does not panic, that it is the same each time, and that each
// error is one line.
func FuzzLoad(f *testing.F) {
	f.Add("hostname = \"x\"\n[[mounts]]\nsource = \"/\"\nrw = 1\n", "[[envs]]\nname = \"A\"\n")
	f.Add("[landlock]\nfs = [{ path = \"/\", acess = \"r\" }]\n", "x")
	f.Add("a.b.c = { d = [[{ e = 1 }]] }\n[[a.b]]\n[a.b.c]\n", "")
	f.Fuzz(func(t *testing.T, main, included string) {
		sources := []*Source{{Name: "main.toml", Text: []byte(main)}, {Name: "one.toml", Text: []byte(included)}}
		load := func() (*Profile, string) {
			p, err := parse(sources[0])
			if err == nil {
				var s *Shared
				if s, err = parseIncluded(sources[1]); err == nil {
					p.merge([]*Shared{s})
				}
			}
			if err != nil {
				return nil, err.Error()
			}
			return p, ""
		}
		p, text := load()
		again, textAgain := load()
		if text != textAgain || !reflect.DeepEqual(p, again) {
			t.Errorf("read twice: %+v, %q and %+v, %q", p, text, again, textAgain)
		}
		if strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("the error %q is not a line", text)
		}
		if p != nil {
			for i := range p.Mounts {
				if got := p.Mounts[i].Errorf("source", "x").Error(); !strings.Contains(got, ".toml:") {
					t.Errorf("a mount is at %q", got)
				}
			}
		}
	})
}

func FuzzRendered(f *testing.F) {
	f.Add(AppendRendered(nil, []*Source{{Name: "a", Text: []byte("x\n"), Lines: []Line{{"a", 1}}}}, []Action{{"fs_mkdir", "/x", "a:1"}}))
	f.Add([]byte("3:end\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sources, actions, err := ParseRendered(b)
		if err != nil {
			return
		}
		if again := AppendRendered(nil, sources, actions); string(again) != string(b) {
			t.Errorf("ParseRendered(%q) prints as %q", b, again)
		}
	})
}
