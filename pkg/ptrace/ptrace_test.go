package ptrace

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGone follows many short processes: nothing is kept of those that have ended.
func TestGone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "read x; exec sh -c 'for i in 1 2 3 4 5; do (cd /none); (exit 3); done 2>/dev/null; kill -9 $$'"},
		&syscall.ProcAttr{Files: []uintptr{r.Fd(), 1, 2}, Env: []string{"PATH=/usr/bin:/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	tr := Tracer{Left: func(_ int, _ Call, _ int64, errno unix.Errno) { seen = seen || errno != 0 }}
	if err := tr.Seize(pid); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("\n"))
	w.Close()
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			t.Fatal(err)
		case status.Stopped():
			tr.Stopped(tid, status)
		default:
			if tr.Gone(tid); tid == pid {
				if !seen || len(tr.calls) != 0 {
					t.Errorf("seen: %v; left: %v", seen, tr.calls)
				}
				return
			}
		}
	}
}
