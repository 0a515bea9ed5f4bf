package chain

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFindLinks has links to stages in another directory: they are found only for a chain that
// is looked at.
func TestFindLinks(t *testing.T) {
	top := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ours/hk-unshare", "ours/hk-limit", "ours/other", "theirs/hk-mount"} {
		write(name)
	}
	if err := os.Link(top+"/ours/hk-unshare", top+"/ours/hk-seccomp"); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"hk-limit": "hk-limit", "x": "hk-limit", "y": "hk-seccomp", "hk-mount": "hk-seccomp", "z": "other"} {
		if err := os.MkdirAll(top+"/links", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../ours/"+to, top+"/links/"+name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ word, want, looked string }{
		{"ours/hk-limit", "hk-limit", "hk-limit"}, {"theirs/hk-mount", "", ""}, {"ours/other", "", ""}, {"links/z", "", ""}, {"none", "", ""},
		{"links/hk-limit", "", "hk-limit"},
		{"links/x", "", "hk-limit"},
		{"links/y", "", "hk-unshare"},      // one program of several names
		{"links/hk-mount", "", "hk-mount"}, // it does what its name says
	} {
		for links, want := range map[bool]string{false: c.want, true: c.looked} {
			f := &Finder{Dir: top + "/ours", Links: links}
			got := ""
			if kind, _ := f.Find(filepath.Join(top, c.word)); kind != nil {
				got = kind.Name
			}
			if got != want {
				t.Errorf("Find(%s), with links %v, is %q; want %q", c.word, links, got, want)
			}
		}
	}
}
