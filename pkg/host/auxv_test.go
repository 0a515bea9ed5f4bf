package host

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFDOf has the descriptor by which this program was executed closed by execve(2),
// and its number reused since.
func TestFDOf(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	name := fmt.Sprintf("/dev/fd/%d", fds[0])
	if got := fdOf(name); got != -1 {
		t.Errorf("fdOf(%q) of a descriptor of our own = %d; want -1", name, got)
	}
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	if got := fdOf(name); got != fds[0] {
		t.Errorf("fdOf(%q) = %d; want %d", name, got, fds[0])
	}
	unix.Close(fds[0])
	for _, name := range []string{name, "/dev/fd/0", "/dev/fd/x", "/dev/fd/" + fmt.Sprint(fds[1]) + "/x", "/usr/bin/hk-unshare", ""} {
		if got := fdOf(name); got != -1 {
			t.Errorf("fdOf(%q) = %d; want -1", name, got)
		}
	}
}
