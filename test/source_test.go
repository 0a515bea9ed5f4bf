package test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSource gives scripts/bwrap/source an archive on a mirror: it is taken if apt knows
// its hash, and not if it has another, or apt knows none, or none that is strong.
func TestSource(t *testing.T) {
	if asUser {
		t.Skip("the scripts of the tree are not there")
	}
	if _, err := os.Stat("/usr/lib/apt/apt-helper"); err != nil || !have("apt-get") {
		t.Skip("apt is not installed")
	}
	mirror := t.TempDir()
	archive := filepath.Join(mirror, "bubblewrap_9.orig.tar.gz")
	if err := os.Mkdir(filepath.Join(mirror, "release"), 0o755); err != nil {
		t.Fatal(err)
	}
	place(t, filepath.Join(mirror, "release/meson.build"), "x", 0o644)
	run(t, "tar", "-czf", archive, "-C", mirror, "release")
	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sum  string
		want bool
	}{
		{fmt.Sprintf("SHA256:%x", sha256.Sum256(b)), true},
		{fmt.Sprintf("SHA256:%x", sha256.Sum256(nil)), false},
		{"MD5Sum:" + strings.Fields(run(t, "md5sum", archive))[0], false},
		{"", false},
	} {
		t.Run(c.sum, func(t *testing.T) {
			tree := t.TempDir()
			for _, dir := range []string{"scripts/bwrap", "scripts/kernels", "bin"} {
				if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			copyFile(t, "../scripts/bwrap/source", filepath.Join(tree, "scripts/bwrap/source"), 0o755)
			place(t, filepath.Join(tree, "bin/git"), "#!/bin/sh\nexit 1\n", 0o755)
			place(t, filepath.Join(tree, "scripts/kernels/debian"), fmt.Sprintf("#!/bin/sh\nshift 2\ntest $1 = apt-get || exec \"$@\"\necho \"'file://%s' bubblewrap_9.orig.tar.gz %d %s\"\n", archive, len(b), c.sum), 0o755)
			cmd := exec.Command(filepath.Join(tree, "scripts/bwrap/source"), "trixie")
			cmd.Env = append(os.Environ(), "PATH="+tree+"/bin:"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			_, there := os.Stat(filepath.Join(tree, "build/bwrap/9/meson.build"))
			if (err == nil) != c.want || (there == nil) != c.want {
				t.Errorf("%v, %v; want taken: %v\n%s", err, there, c.want, out)
			}
			if !c.want && !strings.Contains(string(out), "neither in Debian's suites trixie") {
				t.Errorf("it fails for another reason: %s", out)
			}
		})
	}
}

// place makes a file that is a source of this test.
func place(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
