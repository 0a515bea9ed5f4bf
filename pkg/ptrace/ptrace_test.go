package ptrace

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func alive() error { return nil }

// TestAttach attaches to a process that is traced already, and to one that says it is not
// the one that was meant.
func TestAttach(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := func() int {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pid, err := syscall.ForkExec("/bin/cat", []string{"cat"}, &syscall.ProcAttr{Files: []uintptr{r.Fd(), 1, 2}})
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			syscall.Kill(pid, syscall.SIGKILL)
			w.Close()
			syscall.Wait4(pid, nil, unix.WALL, nil)
		})
		return pid
	}
	pid := begin()
	if err := (&Tracer{}).Attach(pid, false, alive); err != nil {
		t.Fatal(err)
	}
	err := (&Tracer{}).Attach(pid, false, alive)
	if !errors.Is(err, unix.EPERM) || !strings.HasSuffix(err.Error(), "(is this traced already, or is kernel.yama.ptrace_scope above 1?)") {
		t.Errorf("attached twice: %v", err)
	}
	other := errors.New("another process")
	var tr Tracer
	if err := tr.Attach(begin(), true, func() error { return other }); !errors.Is(err, other) || tr.between != 0 {
		t.Errorf("attached to another process: %v, between %d", err, tr.between)
	}
}

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
	if err := tr.Attach(pid, false, alive); err != nil {
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
