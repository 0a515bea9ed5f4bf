package mount

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsPlaceholder(t *testing.T) {
	for mode, want := range map[uint32]bool{
		unix.S_IFDIR | 0o1555: true,
		unix.S_IFDIR | 0o1500: true, // a umask of 077
		unix.S_IFDIR | 0o3555: true, // in a directory with set-group-ID
		unix.S_IFDIR | 0o1755: false,
		unix.S_IFDIR | 0o1557: false,
		unix.S_IFDIR | 0o555:  false,
		unix.S_IFDIR | 0o1455: false,
		unix.S_IFREG | 0o1555: false,
	} {
		if got := isPlaceholder(mode); got != want {
			t.Errorf("isPlaceholder(%o) = %v; want %v", mode, got, want)
		}
	}
}

// TestHold holds placeholders at the same name, and has the user change what is there
// before they are released: only the last one removes it, and nothing of the user's.
func TestHold(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p string) error
		left   bool
	}{
		{"unchanged", func(string) error { return nil }, false},
		{"another mode", func(p string) error { return os.Chmod(p, 0o755) }, true},
		{"replaced", func(p string) error {
			if err := os.Rename(p, p+"-old"); err != nil {
				return err
			}
			return os.Mkdir(p, 0o755)
		}, true},
		{"replaced by a file", func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.WriteFile(p, nil, 0o644)
		}, true},
		{"removed", os.Remove, false},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "name")
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		first, err := hold(fd, "name")
		if err != nil {
			t.Fatal(err)
		}
		second, err := hold(fd, "name")
		if err != nil {
			t.Fatal(err)
		}
		if err := first.release(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: the first has removed it: %v", c.name, err)
		}
		if err := c.change(path); err != nil {
			t.Fatal(err)
		}
		if err := second.release(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := os.Lstat(path); err == nil != c.left {
			t.Errorf("%s: Lstat after the last release: %v; want it left: %v", c.name, err, c.left)
		}
		unix.Close(fd)
	}
}

// TestMountAt looks for the mount that a path is in, after mounts on top of others.
func TestMountAt(t *testing.T) {
	root, a, ab, again := newForeign("root"), newForeign("a"), newForeign("ab"), newForeign("again")
	b := &builder{tree: root, mounts: []mounted{{at: "a", on: a}, {at: "a/b", on: ab}, {at: "c/d", on: a}, {at: "c", on: again}}}
	for _, c := range []struct {
		path string
		on   *node
		rest string
	}{
		{"x", root, "x"}, {"a", a, ""}, {"a/x", a, "x"}, {"ab", root, "ab"},
		{"a/b", ab, ""}, {"a/b/c/d", ab, "c/d"}, {"c/d/e", again, "d/e"},
	} {
		if on, rest := b.mountAt(c.path, len(b.mounts)); on != c.on || rest != c.rest {
			t.Errorf("mountAt(%q) = %s, %q; want %s, %q", c.path, on.what, rest, c.on.what, c.rest)
		}
	}
}
