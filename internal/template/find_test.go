package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	path := write(t, map[string]string{"main.toml": `a = {{ fs_find(__dir__ + "/p", [".env", "*.key"], [".git"]) | map("replace", __dir__, "") | list }}`,
		"p/.env": "", "p/a/b/c/.env": "", "p/a/x.key": "", "p/a/envs": "", "p/.git/.env": "", "p/y.key/.env": "", "elsewhere/.env": ""})
	dir := filepath.Dir(path)
	if err := os.Symlink("../elsewhere", filepath.Join(dir, "p/link")); err != nil {
		t.Fatal(err)
	}
	sources, _, err := Render(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `a = ["/p/.env", "/p/a/b/c/.env", "/p/a/x.key", "/p/y.key"]`
	if got := string(sources[0].Text); got != want {
		t.Errorf("fs_find: %s; want %s", got, want)
	}
	for _, test := range []struct{ call, want string }{
		{`fs_find("/nosuch", ["x"])`, "no such file or directory"},
		{`fs_find("/", ["["])`, "a [ without its ]"},
		{`fs_find("/", "x")`, "fs_find takes lists of names"},
		{`fs_find("/", [1])`, "fs_find takes lists of names"},
		{`fs_find("/")`, "fs_find takes a directory"},
	} {
		path := write(t, map[string]string{"main.toml": "a = {{ " + test.call + " }}"})
		if _, _, err := Render(path); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", test.call, err, test.want)
		}
	}
}

// TestFindUnreadable has a directory that its owner cannot read: a payload of that user
// could make it readable.
func TestFindUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read every directory")
	}
	path := write(t, map[string]string{"main.toml": `a = {{ fs_find(__dir__, [".env"]) }}`, "closed/.env": ""})
	closed := filepath.Join(filepath.Dir(path), "closed")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(closed, 0o700)
	if _, _, err := Render(path); err == nil || !strings.Contains(err.Error(), "closed: permission denied") {
		t.Errorf("fs_find: %v; want an error", err)
	}
}
