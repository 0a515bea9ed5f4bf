package run

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// isolated is a plan of a program that goes on, whose child begins with first.
func isolated(first ...*plan.Op) *plan.Plan {
	p := plan.New()
	p.Isolate(20, first, nil)
	return p
}

func takesCommand(p *plan.Plan) *Program {
	p.Clone("test", 0, true)
	p.Add("test", plan.ExecveGiven("$name", plan.GivenImage(nil)))
	return Lay(p)
}

// TestLaunchFiles has a child get fewer descriptors than its command has, which is then
// not executed.
func TestLaunchFiles(t *testing.T) {
	for _, c := range []struct {
		files, sent int
		want        error
	}{{0, 0, nil}, {1, 1, nil}, {20, 20, nil}, {20, 19, unix.EBADF}, {1, 0, unix.EBADF}} {
		ran := filepath.Join(t.TempDir(), "ran")
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		command := &Command{Paths: []string{"/usr/bin/touch"}, Args: []string{"touch", ran}}
		for range c.files {
			command.Files = append(command.Files, int(null.Fd()))
		}
		p := isolated()
		p.AddStep(plan.Step{Stage: "test", Text: "send some of them", Do: func(plan.Context) error {
			command.Files = command.Files[:c.sent]
			return nil
		}})
		child, err := takesCommand(p).Launch(Attr{Command: command})
		null.Close()
		if !errors.Is(err, c.want) {
			t.Errorf("Launch() with %d of %d files = %v; want %v", c.sent, c.files, err, c.want)
		}
		if err == nil {
			if end, err := child.Wait(); err != nil {
				t.Errorf("Wait() = %+v, %v", end, err)
			}
			child.Close()
		}
		if exists(ran) != (c.want == nil) {
			t.Errorf("with %d of %d files the payload ran: %v", c.sent, c.files, exists(ran))
		}
	}
	_, err := takesCommand(isolated()).Launch(Attr{Command: &Command{Paths: []string{"/bin/true"}, Files: make([]int, 21)}})
	if err == nil || !strings.Contains(err.Error(), "at most 20") {
		t.Errorf("Launch() with 21 files = %v; want that it is too many", err)
	}
}

// TestLaunchStopped has a child that does not come to close what it has inherited: the
// start fails, and does not keep this program from starting another process.
func TestLaunchStopped(t *testing.T) {
	defer func(d time.Duration) { patienceAtClone = d }(patienceAtClone)
	patienceAtClone = 300 * time.Millisecond
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r := takesCommand(isolated(plan.Openat(plan.AtCwd(), fifo, unix.O_RDONLY|unix.O_CLOEXEC, 0)))
	failed := make(chan error, 1)
	go func() {
		_, err := r.Launch(Attr{Command: &Command{Paths: []string{"/bin/true"}, Args: []string{"true"}}})
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil || !strings.Contains(err.Error(), "stopped or frozen") {
			t.Errorf("Launch() = %v; want that the child was stopped", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Launch() waits for the child")
	}
	if err := exec.Command("/bin/true").Run(); err != nil {
		t.Error(err)
	}
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("wait4(-1) = %d, %v; want no child", pid, err)
	}
}

// TestMarshalIsolated has a program that needs its process refuse to be stored.
func TestMarshalIsolated(t *testing.T) {
	given := plan.New()
	given.Add("test", plan.ExecveGiven("$name", plan.GivenImage(nil)))
	for _, r := range []*Program{takesCommand(isolated()), Lay(given)} {
		if b, err := r.MarshalBinary(); err == nil {
			t.Errorf("MarshalBinary() = %d bytes; want an error", len(b))
		}
	}
}
