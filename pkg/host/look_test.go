package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReach has directories on the way that some users may search.
func TestReach(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.MkdirAll(dir+"/a/b/c", 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	ours := &Host{UID: uint32(os.Geteuid()), HostRoot: hostRoot}
	theirs := &Host{UID: 77, HostRoot: hostRoot}
	t.Chdir(dir + "/a")
	for _, c := range []struct {
		mode     os.FileMode
		us, them Reach
	}{
		{0o755, ReachAll, ReachAll},
		{0o711, ReachAll, ReachAll},
		{0o700, ReachOwner, ReachOther},
		{0o710, ReachOwner, ReachOther},
		{0o701, ReachOwner, ReachOther},
	} {
		if err := os.Chmod(dir+"/a/b", c.mode); err != nil {
			t.Fatal(err)
		}
		for _, look := range []func(*Host, string) (Found, error){(*Host).look, (*Host).walk} {
			us, err := look(ours, "b/c")
			them, err2 := look(theirs, "b/c")
			if err != nil || err2 != nil || us.Reach != c.us || them.Reach != c.them {
				t.Errorf("mode %o: %v, %v, %v, %v; want %v, %v", c.mode, us.Reach, err, them.Reach, err2, c.us, c.them)
			}
		}
		if f, err := ours.look("b"); err != nil || f.Reach != ReachAll {
			t.Errorf("mode %o: look(b) = %v, %v; want %v: it need not be searched", c.mode, f.Reach, err, ReachAll)
		}
	}
}

func openPath(t *testing.T, path string) int {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestLook compares what is found with what the kernel finds.
func TestLook(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"a/b/c", "d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "d/f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"l": "a/b", "a/up": "..", "a/abs": dir + "/d", "chain": "l/../up/l/c", "loop": "loop", "gone": "absent/x", "file": "d/f/", "f": "d/f",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	ours := &Host{UID: uint32(os.Geteuid()), HostRoot: hostRoot}
	theirs := &Host{UID: 77, HostRoot: func() (uint32, bool) { return 77, true }}
	for _, p := range []string{"", "/", "/.", "/a/", "/a/b/c/..", "/l", "/l/..", "/l/../abs/f", "/a/up/a/up/d", "/chain", "/chain/..", "/loop", "/gone",
		"/absent", "/absent/..", "/d/f", "/d/f/", "/d/f/.", "/d/f/..", "/file", "/f", "/f/", "/a/../../" + filepath.Base(dir) + "/d", "//d//f"} {
		path := dir + p
		fi, statErr := os.Stat(path)
		f, err := ours.look(path)
		if (err == nil) != (statErr == nil) || err != nil && !errors.Is(statErr, err) {
			t.Errorf("look(%q) = %v; want %v, as stat", p, err, statErr)
			continue
		}
		if err == nil && f.IsDir != fi.IsDir() {
			t.Errorf("look(%q).IsDir = %v; want %v", p, f.IsDir, fi.IsDir())
		}
		if slow, err := ours.walk(path); err == nil && slow != f {
			t.Errorf("look(%q) = %+v; want %+v, as walk", p, f, slow)
		}
		if err == nil {
			// EvalSymlinks resolves .. without links.
			want, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", openPath(t, path)))
			if err != nil || f.Straight != want {
				t.Errorf("look(%q).Straight = %q; want %q, %v", p, f.Straight, want, err)
			}
		}
		f, err = theirs.look(path)
		var link *StrangerLink
		switch {
		case errors.As(err, &link):
			if fi, err := os.Lstat(link.Link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
				t.Errorf("look(%q) in a stranger's = %v; want a link", p, link)
			}
		case (err == nil) != (statErr == nil) || !f.Loose:
			t.Errorf("look(%q) in a stranger's = %v, loose %v; want %v, true", p, err, f.Loose, statErr)
		case err == nil && !strings.Contains(p, ".."):
			if real, _ := filepath.EvalSymlinks(path); f.Path != real || real != filepath.Clean(path) {
				t.Errorf("look(%q) in a stranger's: %s; want %s", p, f.Path, real)
			}
		}
	}
	t.Chdir(dir)
	for p, want := range map[string]string{".": ".", "a/b/c": "a/b/c", "./a//b/..": "a", "l/c": "a/b/c", "../" + filepath.Base(dir) + "/d": "../" + filepath.Base(dir) + "/d",
		"a/../..": "..", "a/abs/f": dir + "/d/f", "absent": "", "d/f/x": ""} {
		fi, statErr := os.Stat(p)
		f, err := ours.look(p)
		if (err == nil) != (statErr == nil) || err == nil && f.IsDir != fi.IsDir() {
			t.Errorf("look(%q) = %+v, %v; want %v, as stat", p, f, err, statErr)
		}
		// From a stranger's directory on, the path is one without links.
		if f, err := theirs.walk(p); err == nil && f.Path != want {
			t.Errorf("look(%q) in a stranger's: %s; want %s", p, f.Path, want)
		}
	}
	if f, err := theirs.look("/proc/self/exe"); err != nil || f.Loose {
		// If root is not 77, everything belongs to a stranger.
		if err != errProcLink {
			t.Errorf("look(/proc/self/exe) = %+v, %v; want it, not loose, or %v", f, err, errProcLink)
		}
	}
	if f, err := ours.look("/proc/self/cwd"); err != nil || !f.IsDir || f.Loose || f.Straight != "" {
		t.Errorf("look(/proc/self/cwd) = %+v, %v; want a directory, not loose", f, err)
	}
	// What is mounted over the root directory later must not be entered.
	for _, p := range []string{"/..", "/../.", "/" + strings.Repeat("../", 9), dir + strings.Repeat("/..", strings.Count(dir, "/"))} {
		if f, err := ours.look(p + dir); err != nil || !f.Loose || f.Path != dir {
			t.Errorf("look(%s) = %+v, %v; want %s, loose", p+dir, f, err, dir)
		}
		if f, err := ours.look("/proc/self/root" + p); err != errUp {
			t.Errorf("look(/proc/self/root%s) = %+v, %v; want %v", p, f, err, errUp)
		}
	}
	if _, err := ours.look(dir + "/" + strings.Repeat("x", 300)); err != unix.ENAMETOOLONG {
		t.Errorf("look() of a long name = %v; want %v", err, unix.ENAMETOOLONG)
	}
}
