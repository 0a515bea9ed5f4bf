package execdeps

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSwapped has other files replace those that were found.
func TestSwapped(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o755),
		os.Mkdir(filepath.Join(dir, "dir"), 0o755),
		os.Symlink("file", filepath.Join(dir, "link")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r := &Root{fd: fd}
	if f, err := r.open("/file"); err != nil {
		t.Errorf("open(/file) = %v; want no error", err)
	} else {
		f.close()
	}
	for _, name := range []string{"/dir", "/fifo"} {
		if _, err := r.open(name); err == nil {
			t.Errorf("open(%q): want an error", name)
		}
	}
	if _, err := r.open("/link"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("open of a link: %v; want %v", err, unix.ELOOP)
	}

	// Names come from resolve, which returns no such name; nor would it lead outside.
	if _, _, err := r.openat("/..", unix.O_PATH); !errors.Is(err, unix.EXDEV) {
		t.Errorf("openat(/..) = %v; want %v", err, unix.EXDEV)
	}

	if fd, err := r.OpenPath("/file"); err != nil {
		t.Errorf("OpenPath(/file) = %v; want no error", err)
	} else {
		unix.Close(fd)
	}
	for _, name := range []string{"/dir", "/fifo"} {
		if _, err := r.OpenPath(name); err == nil {
			t.Errorf("OpenPath(%q): want an error", name)
		}
	}
	if _, err := r.OpenPath("/link"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("OpenPath of a link: %v; want %v", err, unix.ELOOP)
	}
}

// TestResolve has names with symbolic links in them, which do not lead outside the
// root.
func TestResolve(t *testing.T) {
	r := tree(t, map[string][]byte{
		"/usr/bin/sh": []byte("x"), "/bin": []byte("->usr/bin"), "/up": []byte("->../../../usr"), "/abs": []byte("->/bin/sh"),
		"/loop": []byte("->loop"), "/gone": []byte("->nosuch"), "/usr/back": []byte("->../bin/../bin"),
	})
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"/", "/", nil}, {"/usr//bin/./sh", "/usr/bin/sh", nil}, {"/bin/sh", "/usr/bin/sh", nil}, {"/up/bin/sh", "/usr/bin/sh", nil},
		{"/abs", "/usr/bin/sh", nil}, {"/usr/back", "/usr/bin", nil}, {"/../../usr", "/usr", nil}, {"/bin/..", "/usr", nil},
		{"/loop", "", unix.ELOOP}, {"/gone", "", unix.ENOENT}, {"/usr/bin/sh/x", "", unix.ENOTDIR}, {"/usr/bin/sh/", "", unix.ENOTDIR},
		{"/" + strings.Repeat("x", unix.PathMax), "", unix.ENAMETOOLONG},
	} {
		got, _, err := r.resolve(c.name)
		if got != c.want || err != c.err {
			t.Errorf("resolve(%.40q) = %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}
