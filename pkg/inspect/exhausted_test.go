package inspect

import (
	"errors"
	"os"
	"strings"
	"testing"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// TestExhausted has fewer and fewer descriptors left: what is said of another process is the
// same, or an error that says so.
func TestExhausted(t *testing.T) {
	h := host.This()
	pid := os.Getppid()
	want, notes, err := Supervisors(h, pid)
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	failed := 0
	for n := uint64(64); n > 2; n-- {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		got, more, err := Supervisors(h, pid)
		_, _, errRead := readForChain(h, pid)
		switch {
		case err != nil && !errors.Is(err, unix.EMFILE), errRead != nil && !errors.Is(errRead, unix.EMFILE):
			t.Errorf("with %d descriptors: %v, %v", n, err, errRead)
		case err == nil && (len(got) != len(want) || strings.Join(more, "\n") != strings.Join(notes, "\n")):
			t.Errorf("with %d descriptors: %d supervisors, %q; want %d, %q", n, len(got), more, len(want), notes)
		case err != nil:
			failed++
		}
	}
	if failed == 0 {
		t.Error("descriptors never ran out")
	}
}
