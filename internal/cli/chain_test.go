package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hk/pkg/chain"
)

// TestReadChain has stages by name and by path, in and outside of PATH.
func TestReadChain(t *testing.T) {
	dir := t.TempDir()
	for _, k := range chain.Kinds {
		if err := os.WriteFile(filepath.Join(dir, k.Name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ path, words, want, err string }{
		{"D", "hk-limit --core 0 hk-setuser -- true", "hk-limit hk-setuser", ""},
		{"D", "D/hk-limit hk-setuser -- true", "hk-limit hk-setuser", ""},
		{"/nonexistent", "D/hk-limit D/hk-setuser -- true", "hk-limit hk-setuser", ""},
		{"/nonexistent", "D/hk-limit hk-setuser -- true", "", "hk-setuser is not in PATH, but is beside this program in D: set PATH"},
		{"/nonexistent", "hk-limit -- true", "", "hk-limit is not in PATH, but is beside this program in D: set PATH"},
		{"D", "true", "", `"true" is not a stage of this installation: `},
		{"D", "hk-run -- true", "", `"hk-run" is not a stage of this installation: `},
		{"D", "hk-limit --help", "", "hk-limit is to print something and executes nothing"},
		{"D", "hk-limit hk-seccomp --dump json", "", "hk-seccomp is to print something and executes nothing"},
		{"D", "hk-limit --core 0", "", "nothing to run: "},
	} {
		at := func(text string) string { return strings.ReplaceAll(text, "D", dir) }
		find := &chain.Finder{Dir: dir, Path: at(c.path), Fuse: true}
		got, err := ReadChain(find, strings.Fields(at(c.words)))
		var names []string
		if err == nil {
			for _, l := range got.Links {
				names = append(names, l.Kind.Name)
			}
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), at(c.err)) || !slices.Equal(names, strings.Fields(c.want)) {
			t.Errorf("PATH=%s: ReadChain(%s) = %q, %v; want %q, %q", c.path, c.words, names, err, c.want, c.err)
		}
	}
}
