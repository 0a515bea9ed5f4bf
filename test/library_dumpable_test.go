package test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func setDumpable(t testing.TB, to int) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(to), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// TestLibraryDumpable has a program switch off that it is dumpable after it has prepared a
// sandbox: a start does not switch it on again, and no child is more open.
func TestLibraryDumpable(t *testing.T) {
	b := prepared(t, libraryBox)
	t.Cleanup(func() { setDumpable(t, 1) })
	for _, want := range []int{1, 0, 1} {
		setDumpable(t, want)
		err := b.Command("true").Run()
		switch {
		case want == 0 && os.Getuid() != 0:
			// Its child could not write its maps.
			if err == nil || !strings.Contains(err.Error(), "not dumpable") {
				t.Errorf("dumpable %d: Run() = %v; want that the program is not dumpable", want, err)
			}
		case err != nil:
			t.Errorf("dumpable %d: Run() = %v", want, err)
		}
		got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil || got != want {
			t.Errorf("PR_GET_DUMPABLE after a start = %d, %v; want %d", got, err, want)
		}
	}
	setDumpable(t, 0)
	if err := prepared(t, "hk-unshare --user --pid").Command("true").Run(); err != nil {
		t.Errorf("without maps: Run() = %v", err)
	}
}

// TestLibraryOwnFiles has a program open its files in procfs during starts: for an
// ordinary user's that would fail while it is not dumpable.
func TestLibraryOwnFiles(t *testing.T) {
	b := prepared(t, libraryBox)
	var over atomic.Bool
	failed := make(chan error)
	go func() {
		var first error
		for !over.Load() {
			f, err := os.Open("/proc/self/environ")
			if err == nil {
				f.Close()
			} else if first == nil {
				first = err
			}
		}
		failed <- first
	}()
	for range 50 {
		if err := b.Command("true").Run(); err != nil {
			t.Error(err)
			break
		}
	}
	over.Store(true)
	if err := <-failed; err != nil {
		t.Error(err)
	}
}
