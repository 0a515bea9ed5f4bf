package run

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// addObserver adds a process beside the child that executes a program, after other ops.
func addObserver(p *plan.Plan, ops []*plan.Op, argv ...string) {
	self := p.NewResult("self")
	p.Add("test", plan.Getpid().Gives(self))
	im := plan.NewImage(argv, []string{"PATH=/usr/bin:/bin"}, plan.Changes{Set: []plan.Var{{Name: "SELF", Result: self}}})
	p.Observe("beside", false, self, func() {
		p.Add("beside", ops...)
		p.Add("beside", plan.Sigmask(0), plan.Beside(plan.Execve(argv[0], im)))
	})
}

// TestObserve executes programs beside a child, which are its children, and changes nothing
// for it. What one of them was told in its environment is the number of the child.
func TestObserve(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		d := p.Open("test", "dir", plan.Openat(plan.AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		addObserver(p, []*plan.Op{plan.Fchdir(d), plan.Umask(plan.Octal(0o077)), plan.Beside(plan.Close(d))},
			"/bin/sh", "-c", `test "$SELF" = $PPID && touch first`)
		p.Add("test", plan.Mkdirat(plan.Ref(d), "between", 0o755))
		addObserver(p, nil, "/bin/sh", "-c", "test -d "+dir+"/between && touch "+dir+"/second")
		execute(p, "/bin/sh", "-c", "test -e "+dir+"/second && touch "+dir+"/ran")
		status, c, err := startPlan(t, p)
		if err != nil || c.Direct() && status != 0 {
			t.Fatalf("start = %v, %v; want no error", status, err)
		}
		for _, name := range []string{"first", "second", "ran"} {
			if !exists(dir + "/" + name) {
				t.Errorf("%s was not created", name)
			}
		}
		for name, want := range map[string]os.FileMode{"first": 0o600, "between": 0o755} {
			if fi, err := os.Stat(dir + "/" + name); err == nil && fi.Mode().Perm() != want {
				t.Errorf("the mode of %s is %v; want %v", name, fi.Mode(), want)
			}
		}
		var trace bytes.Buffer
		c.Trace(&trace)
		if got := strings.Count(trace.String(), "beside: observer: execve("); got != 2 {
			t.Errorf("Trace() = %s; want two observers", &trace)
		}
	})
}

// TestObserveFails has a program beside the child end otherwise, and an op of its process
// fail: the payload is not executed.
func TestObserveFails(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []*plan.Op
		argv []string
		want string
	}{
		"status": {nil, []string{"/bin/sh", "-c", "exit 3"}, "exit status 3: it has said why"},
		"signal": {nil, []string{"/bin/sh", "-c", "kill -KILL $$"}, "killed by SIGKILL"},
		"op":     {[]*plan.Op{plan.Chdir("/nonexistent")}, []string{"/usr/bin/true"}, `chdir("/nonexistent"): no such file or directory`},
		"exec":   {nil, []string{"/nonexistent"}, "execve(\"/nonexistent\", "},
		"parent": {[]*plan.Op{plan.Getppid(1 << 30)}, []string{"/usr/bin/true"}, "getppid(): returned "},
	} {
		t.Run(name, func(t *testing.T) {
			eachClone(t, func(t *testing.T, p *plan.Plan) {
				ran := t.TempDir() + "/ran"
				var ops []*plan.Op
				for _, op := range c.ops {
					ops = append(ops, op.Again())
				}
				addObserver(p, ops, c.argv...)
				execute(p, "/usr/bin/touch", ran)
				_, _, err := startPlan(t, p)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("start = %v; want %q", err, c.want)
				}
				var failed *plan.Error
				if errors.As(err, &failed) && (failed.Exec || failed.Stage != "beside") {
					t.Errorf("the failure is of %s, Exec %v; want that of the observer", failed.Stage, failed.Exec)
				}
				if exists(ran) {
					t.Error("the payload was executed")
				}
			})
		})
	}
}

// TestObserveOrphan has an observer find another parent than its child: it ends.
func TestObserveOrphan(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		ran, other := t.TempDir()+"/ran", p.NewResult("other")
		p.Add("test", plan.Parent().Gives(other))
		p.Observe("beside", false, other, func() {
			p.Add("beside", plan.Beside(plan.Execve("/usr/bin/touch", plan.NewImage([]string{"touch", ran}, nil, plan.Changes{}))))
		})
		execute(p, "/usr/bin/touch", ran)
		if _, _, err := startPlan(t, p); err == nil || !strings.Contains(err.Error(), "getppid(): returned ") || exists(ran) {
			t.Errorf("start = %v, ran: %v; want an error of getppid", err, exists(ran))
		}
	})
}

// TestObserveSignal has no signal of the end of an observer reach the payload.
func TestObserveSignal(t *testing.T) {
	p := newClone(plan.Caller, false)
	addObserver(p, nil, "/usr/bin/true")
	p.Add("test", plan.Sigmask(1<<(unix.SIGCHLD-1)), plan.Execve("/bin/grep",
		plan.NewImage([]string{"grep", "-q", "^ShdPnd:\t0*$", "/proc/self/status"}, nil, plan.Changes{})))
	if status, _, err := startPlan(t, p); err != nil || status != 0 {
		t.Errorf("start = %v, %v; want no pending signal", status, err)
	}
}

// TestObserveFile has a plan with an observer not be kept in a file.
func TestObserveFile(t *testing.T) {
	p := newClone(plan.Caller, false)
	addObserver(p, nil, "/usr/bin/true")
	execute(p, "/usr/bin/true")
	if _, err := Lay(p).MarshalBinary(); err == nil || !strings.Contains(err.Error(), "cannot be kept in a file") {
		t.Errorf("MarshalBinary() = %v; want an error", err)
	}
}
