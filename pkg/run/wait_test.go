package run

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"testing"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// begin starts a shell in each kind of clone, with what watch adds.
func begin(t *testing.T, p *plan.Plan, script string, watch ...*plan.Watcher) *Process {
	t.Helper()
	p.AddStep(plan.Step{Stage: "test", Text: "watch", Do: func(at plan.Context) error {
		for _, w := range watch {
			at.Watch(w)
		}
		return nil
	}})
	execute(p, "/bin/sh", "-c", script)
	c, err := Start(p, Attr{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Setup(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestWait(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		var told plan.End
		w := &plan.Watcher{Stage: "test", Ended: func(end *plan.End, _ plan.Payload) ([]string, error) {
			told = *end
			return nil, os.ErrClosed
		}}
		c := begin(t, p, "i=0; while test $i -lt 20000; do i=$((i+1)); done; exit 7", w)
		end, err := c.Wait()
		if end.Status.ExitStatus() != 7 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("Wait() = status %d, %v; want 7, and the error of the watcher", end.Status.ExitStatus(), err)
		}
		if told != end || end.Rusage.Utime.Nano()+end.Rusage.Stime.Nano() == 0 {
			t.Errorf("Ended was given %+v; Wait() = %+v; want the same, and some time", told, end)
		}
		if err := c.Signal(unix.SIGTERM); err != os.ErrProcessDone {
			t.Errorf("Signal() of a payload that has ended = %v; want %v", err, os.ErrProcessDone)
		}
	})
}

func TestSignal(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		c := begin(t, p, "trap 'exit 3' USR1; kill -STOP $$; while :; do sleep 0.01; done")
		// The handler is there once it has stopped, which Wait does not mind.
		for {
			if b, err := readProc(pidfdOf(t, c), "stat"); err == nil && isStopped(b) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGCONT} {
			if err := c.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		if end, err := c.Wait(); err != nil || end.Status.ExitStatus() != 3 {
			t.Errorf("Wait() = status %#x, %v; want exit 3", end.Status, err)
		}
	})
}

func pidfdOf(t *testing.T, c *Process) int {
	fd, err := unix.PidfdOpen(c.Payload, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestDeadlines has two watchers with deadlines: the earlier one is told first, and
// once.
func TestDeadlines(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The payload inherits it: a shell might not have executed its trap in time.
	signal.Ignore(unix.SIGTERM)
	defer signal.Reset(unix.SIGTERM)
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		var order []string
		late := &plan.Watcher{Stage: "test", Deadline: time.Now().Add(120 * time.Millisecond), Due: func(p plan.Payload) {
			order = append(order, "late")
			p.KillTree()
		}}
		soon := &plan.Watcher{Stage: "test", Deadline: time.Now().Add(50 * time.Millisecond), Due: func(p plan.Payload) {
			order = append(order, "soon")
			p.SignalTree(unix.SIGTERM)
		}}
		c := begin(t, p, "exec sleep 1000", late, soon)
		end, err := c.Wait()
		if err != nil || !end.Status.Signaled() || end.Status.Signal() != unix.SIGKILL {
			t.Errorf("Wait() = status %#x, %v; want SIGKILL", end.Status, err)
		}
		if len(order) != 2 || order[0] != "soon" {
			t.Errorf("deadlines %q; want soon, late", order)
		}
	})
}

// TestShed gives back the memory of a plan while its payload runs.
func TestShed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, copies := range []bool{false, true} {
		p := plan.New()
		dir := p.Open("test", "dir", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
		p.Clone("test", 0, copies)
		c := begin(t, p, "sleep 0.1; exit 7")
		fd := int((&stepContext{layout: c.layout}).Result(dir))
		if c.shed(); slices.ContainsFunc(c.layout.arena, func(b byte) bool { return b != 0 }) {
			t.Errorf("own memory %v: something is left", copies)
		}
		end, err := c.Wait()
		if end.Status.ExitStatus() != 7 || err != nil {
			t.Errorf("own memory %v: Wait() = status %d, %v; want 7", copies, end.Status.ExitStatus(), err)
		}
		if c.Close(); unix.Fstat(fd, &unix.Stat_t{}) != unix.EBADF {
			t.Errorf("own memory %v: descriptor %d is left open", copies, fd)
		}
	}
}
