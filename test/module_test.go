package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModule gives a copy of this module another name, as it may get later, and uses it
// from a second module, as a user of the library does: it is built, vetted and tested
// there, without a network.
func TestModule(t *testing.T) {
	t.Parallel()
	sources(t)
	const name = "example.org/a-home/hk"
	dir := t.TempDir()
	library, user := filepath.Join(dir, "hk"), filepath.Join(dir, "user")
	copyModule(t, "..", library)
	command := func(in string, words ...string) {
		t.Helper()
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir = in
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false -trimpath", "GOPROXY=off", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	before := readFile(t, filepath.Join(library, "go.mod"))
	command(library, "scripts/rename-module", name)
	command(library, "go", "list", "-export", "./...") // compiles all, and links nothing
	for file, text := range map[string]string{
		"go.mod": "module user\n\ngo 1.26.0\n\nrequire " + name + " v0.0.0\n\nreplace " + name + " => ../hk\n",
		"go.sum": readFile(t, filepath.Join(library, "go.sum")),
		"user_test.go": `package user

import (
	"context"
	"strings"
	"testing"

	"` + name + `/pkg/chain"
	"` + name + `/pkg/idmap"
	"` + name + `/pkg/unshare"

	"golang.org/x/sys/unix"
)

func Test(t *testing.T) {
	box, err := chain.New(&unshare.Namespaces{New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}, &idmap.Maps{Root: true}).Prepare(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out, err := box.Command("sh", "-c", "echo $$").Output()
	if err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Errorf("%q, %v; want PID 1", out, err)
	}
}
`} {
		if err := os.MkdirAll(user, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(user, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(user, "go", "vet", ".")
	command(user, "go", "test", "-count=1", ".")
	command(library, "scripts/rename-module", "hk")
	if after := readFile(t, filepath.Join(library, "go.mod")); after != before {
		t.Errorf("renamed there and back, go.mod is\n%s\nwant\n%s", after, before)
	}
	cmd := exec.Command("diff", "-r", "-x", ".git", "-x", "build", "..", library)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("renamed there and back, it is another: %v\n%s", err, out)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// copyModule copies the files of a module.
func copyModule(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(from, p)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || name == "build"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(link, filepath.Join(to, name))
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}
