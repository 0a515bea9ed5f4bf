package landlock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hk/pkg/execdeps"

	"golang.org/x/sys/unix"
)

// TestSwapped has other files take the place of one that was found: a rule for a
// directory would be one for all that lies in it.
func TestSwapped(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o755),
		os.Mkdir(filepath.Join(dir, "dir"), 0o755),
		os.Symlink("file", filepath.Join(dir, "link")),
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
	r := execdeps.NewRoot(fd)
	// There is no ruleset: the control is how far that comes.
	if err := addRule(-1, r, grant{path: "/file", access: execute}); err == nil || !isSyscallError(err) {
		t.Errorf("addRule(/file) = %v; want the error of the system call", err)
	}
	if err := addRule(-1, r, grant{path: "/dir", access: execute}); err == nil || isSyscallError(err) {
		t.Errorf("a rule for a directory: %v; want that it is not a regular file", err)
	}
	if err := addRule(-1, r, grant{path: "/link", access: execute}); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a rule for a link: %v; want %v", err, unix.ELOOP)
	}
}

func isSyscallError(err error) bool {
	var e unix.Errno
	return errors.As(err, &e)
}
