package run

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// TestProgramAtOnce starts one program from many threads at once: each run opens and
// makes its own, and ends well.
func TestProgramAtOnce(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		d := p.Open("test", "dir", plan.Openat(plan.AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		p.Add("test", plan.Mkdirat(plan.Ref(d), "sub", 0o700).Tolerate(unix.EEXIST), plan.Close(d))
		execute(p, "/usr/bin/sh", "-c", "exit 7")
		program := Lay(p)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				if status, err := once(program); err != nil || status.ExitStatus() != 7 {
					t.Errorf("status %v, %v; want 7", status.ExitStatus(), err)
				}
			})
		}
		all.Wait()
	})
}

// once starts a program, waits for the payload's end, and gives all back.
func once(program *Program) (unix.WaitStatus, error) {
	c, err := program.Start(Attr{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Setup(); err != nil {
		return 0, err
	}
	return c.waitPayload(), nil
}

// TestProgramGivesBack starts a program often, also one that fails: no descriptor and
// no mapping is left.
func TestProgramGivesBack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, fails := range []string{"", "child", "caller"} {
		p := plan.New()
		p.Open("test", "root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
		name := "/"
		if fails == "caller" {
			name = "/no/such"
		}
		p.Add("test", plan.Close(p.Open("test", "other", plan.Openat(plan.AtCwd(), name, unix.O_PATH|unix.O_CLOEXEC, 0))))
		p.Clone("test", 0, false)
		argv := "/usr/bin/true"
		if fails == "child" {
			argv = "/no/such"
		}
		execute(p, argv)
		program := Lay(p)
		var before, after [2]int
		for i := range 40 {
			if _, err := once(program); (err == nil) != (fails == "") {
				t.Fatalf("once() = %v, where %q fails; want an error only then", err, fails)
			}
			after = held(t)
			if i == 9 {
				before = after // the runtime has what it takes
			}
		}
		if after[0] != before[0] || after[1] > before[1]+5 {
			t.Errorf("%q: after 40 starts %d descriptors and %d mappings; after 10, %d and %d", fails, after[0], after[1], before[0], before[1])
		}
	}
}

// held counts descriptors and mappings of this process.
func held(t *testing.T) [2]int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return [2]int{len(fds), strings.Count(string(maps), "\n")}
}
