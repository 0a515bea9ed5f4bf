package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// startPlan performs a plan in a clone without namespaces and waits for its end.
func startPlan(t *testing.T, p *plan.Plan) (unix.WaitStatus, *Process, error) {
	t.Helper()
	return startAttr(t, p, Attr{})
}

func startAttr(t *testing.T, p *plan.Plan, attr Attr) (unix.WaitStatus, *Process, error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := Start(p, attr)
	if err != nil {
		return 0, nil, err
	}
	if err := c.Setup(); err != nil {
		return 0, c, err
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(c.PID, &status, 0, nil); err != unix.EINTR {
			return status, c, err
		}
	}
}

func newClone(between plan.Actor, copies bool) *plan.Plan {
	p := plan.New()
	switch between {
	case plan.Init:
		p.CloneInit("test", 0, nil)
	case plan.Joiner:
		p.CloneJoiner("test")
		p.Add("test", plan.Dumpable(false))
		p.CloneChild("test", 0)
	default:
		p.Clone("test", 0, copies)
	}
	return p
}

func execute(p *plan.Plan, argv ...string) {
	p.Add("test", plan.Sigmask(0), plan.Execve(argv[0], plan.NewImage(argv, []string{"PATH=/usr/bin:/bin"}, plan.Changes{})))
}

func eachClone(t *testing.T, f func(t *testing.T, p *plan.Plan)) {
	t.Run("shared memory", func(t *testing.T) { f(t, newClone(plan.Caller, false)) })
	t.Run("own memory", func(t *testing.T) { f(t, newClone(plan.Caller, true)) })
	t.Run("init", func(t *testing.T) { f(t, newClone(plan.Init, true)) })
	t.Run("joiner", func(t *testing.T) { f(t, newClone(plan.Joiner, true)) })
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func TestFailureStops(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		p.Add("first", plan.Mkdirat(plan.AtCwd(), dir+"/one", 0o700))
		p.Add("second", plan.Mkdirat(plan.AtCwd(), dir+"/absent/two", 0o700).Hint(unix.ENOENT, "a hint"))
		p.Add("third", plan.Mkdirat(plan.AtCwd(), dir+"/three", 0o700))
		execute(p, "/usr/bin/touch", dir+"/ran")
		_, _, err := startPlan(t, p)
		var e *plan.Error
		if !errors.As(err, &e) || e.Stage != "second" || !errors.Is(err, unix.ENOENT) || e.Hint != "a hint" ||
			!strings.HasPrefix(e.Op, `mkdirat(AT_FDCWD, "`) || e.Exec {
			t.Errorf("start = %#v; want the mkdirat of second, ENOENT and its hint", err)
		}
		if !exists(dir+"/one") || exists(dir+"/three") || exists(dir+"/ran") {
			t.Error("not stopped at the op that failed")
		}
	})
}

func TestResults(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		d := p.Open("test", "dir", plan.Openat(plan.AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		p.Add("test", plan.Mkdirat(plan.Ref(d), "sub", 0o700))
		s := p.Open("test", "dir", plan.Openat(plan.Ref(d), "sub", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		f := p.Open("test", "file", plan.Openat(plan.Ref(s), "f", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600))
		p.Add("test", plan.Write(f, []byte("text")), plan.Close(f), plan.Mkdirat(plan.Ref(d), "sub", 0o700).Tolerate(unix.EEXIST))
		execute(p, "/usr/bin/true")
		status, c, err := startPlan(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Direct() {
			status, _ = c.PayloadStatus()
		}
		if status != 0 {
			t.Errorf("the payload ended with %v; want 0", status)
		}
		if b, _ := os.ReadFile(dir + "/sub/f"); string(b) != "text" {
			t.Errorf("the file holds %q; want %q", b, "text")
		}
		var trace bytes.Buffer
		c.Trace(&trace)
		if !strings.Contains(trace.String(), `mkdirat($dir, "sub", 0700) = -1 EEXIST (file exists)`) {
			t.Errorf("Trace() = %s; want the mkdirat that is tolerated", &trace)
		}
	})
}

func TestStruct(t *testing.T) {
	// A result in a struct that an argument points to: sendmsg-like calls take
	// one; here landlock_add_rule, which says EBADF for a wrong descriptor.
	text := func(uint64) string { return "X" }
	rights := plan.LandlockRights{FS: text, Net: text, Scope: text, Restrict: text}
	p := newClone(plan.Caller, false)
	set := p.Open("test", "ruleset", rights.CreateRuleset(1, 0, 0))
	d := p.Open("test", "dir", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
	p.Add("test", rights.AllowPath(set, d, 1))
	execute(p, "/usr/bin/true")
	if abi, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); int(abi) < 1 {
		t.Skip("missing: Landlock")
	}
	if _, _, err := startPlan(t, p); err != nil {
		t.Errorf("start = %v; want no error", err)
	}
}

func TestExactly(t *testing.T) {
	p := newClone(plan.Caller, false)
	f := p.Open("test", "file", plan.Openat(plan.AtCwd(), "/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	p.Add("test", plan.Read(f, 1).Exactly(1))
	execute(p, "/usr/bin/true")
	_, _, err := startPlan(t, p)
	var e *plan.Error
	if !errors.As(err, &e) || e.Errno != 0 || e.Got != 0 || !strings.HasSuffix(err.Error(), "returned 0") {
		t.Errorf("start = %v; want an error that read returned 0", err)
	}
}

func TestStep(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		mode := p.NewResult("mode")
		var pid int
		p.AddStep(plan.Step{Stage: "test", Text: "give a mode", Gives: []*plan.Result{mode}, Do: func(a plan.Context) error {
			pid = a.PID()
			a.Set(mode, 0o750)
			if !exists("/proc/self/root") {
				return errors.New("no procfs")
			}
			return nil
		}})
		op := plan.Mkdirat(plan.AtCwd(), dir+"/d", 0)
		op.Args[2] = plan.Ref(mode)
		p.Add("test", op)
		execute(p, "/usr/bin/true")
		_, c, err := startPlan(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != 0o750 {
			t.Errorf("%v, %v; want mode 750", fi, err)
		}
		if pid != c.Payload || c.Direct() != (c.Payload == c.PID) {
			t.Errorf("the step is at process %d, Direct() = %v; want process %d, %v", pid, c.Direct(), c.Payload, c.Payload == c.PID)
		}
	})
}

// TestResultMissing has a step that does not give what it is to give. An op that
// uses it is not done: it would use 0, which is root, or the standard input.
func TestResultMissing(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		mode := p.NewResult("mode")
		p.AddStep(plan.Step{Stage: "test", Text: "give nothing", Gives: []*plan.Result{mode}, Do: func(a plan.Context) error { return nil }})
		op := plan.Mkdirat(plan.AtCwd(), dir+"/d", 0)
		op.Args[2] = plan.Ref(mode)
		p.Add("test", op)
		execute(p, "/usr/bin/true")
		if _, _, err := startPlan(t, p); !errors.Is(err, unix.ENODATA) {
			t.Errorf("start = %v; want %v", err, unix.ENODATA)
		}
		if exists(dir + "/d") {
			t.Error("the op was done")
		}
	})
}

// TestStepTakes has a step write to a file that the child has opened, and
// look at what the child's ops have returned.
func TestStepTakes(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		file := t.TempDir() + "/f"
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		none := p.Open("test", "none", plan.Openat(plan.AtCwd(), file+"/none", unix.O_PATH|unix.O_CLOEXEC, 0).Tolerate(unix.ENOTDIR))
		dir := p.Open("test", "dir", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
		f := p.Open("test", "file", plan.Openat(plan.AtCwd(), file, unix.O_WRONLY|unix.O_CLOEXEC, 0))
		var left []string
		attr := Attr{Skipped: func(stage, what string) { left = append(left, stage+": "+what) }}
		for range 2 { // what was taken is closed in between
			p.AddStep(plan.Step{Stage: "step", Text: "write", Takes: []*plan.Result{dir, f}, Do: func(at plan.Context) error {
				if n := at.Result(none); n != -int64(unix.ENOTDIR) {
					t.Errorf("Result() = %d; want %d", n, -int64(unix.ENOTDIR))
				}
				at.Skip("x")
				var st unix.Stat_t
				if err := unix.Fstatat(at.FD(dir), "proc", &st, 0); err != nil {
					return err
				}
				if flags, err := unix.FcntlInt(uintptr(at.FD(f)), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("FD flags %#x, %v; want FD_CLOEXEC: a helper would inherit it", flags, err)
				}
				_, err := unix.Write(at.FD(f), []byte("text"))
				return err
			}})
		}
		execute(p, "/usr/bin/true")
		if _, _, err := startAttr(t, p, attr); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(file); string(b) != "texttext" {
			t.Errorf("the file holds %q; want %q", b, "texttext")
		}
		if !slices.Equal(left, []string{"step: x", "step: x"}) {
			t.Errorf("skipped %q; want step: x twice", left)
		}
	})
}

// TestStepReplaces has a step replace a descriptor of the child by one that the child could
// not open.
func TestStepReplaces(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		at := p.Open("test", "at", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
		p.AddStep(plan.Step{Stage: "step", Text: "open it", Takes: []*plan.Result{at}, Replaces: at, Do: func(c plan.Context) error {
			fd, err := unix.Openat(c.FD(at), strings.TrimPrefix(dir, "/"), unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return c.Replace(at, fd)
		}})
		p.Add("test", plan.Mkdirat(plan.Ref(at), "made", 0o755), plan.Close(at))
		execute(p, "/usr/bin/true")
		if _, _, err := startAttr(t, p, Attr{}); err != nil {
			t.Fatal(err)
		}
		if !exists(dir + "/made") {
			t.Error("nothing was created in the directory that the step has opened")
		}
	})
	p := plan.New()
	p.Clone("test", 0, true)
	at := p.Open("test", "at", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
	fails := errors.New("no")
	p.AddStep(plan.Step{Stage: "step", Text: "fail", Takes: []*plan.Result{at}, Replaces: at, Do: func(c plan.Context) error {
		if err := c.Replace(at, c.FD(at)); err != nil {
			return err
		}
		return fails
	}})
	execute(p, "/usr/bin/true")
	if _, _, err := startAttr(t, p, Attr{}); !errors.Is(err, fails) {
		t.Errorf("start = %v; want the error of the step", err)
	}
}

// TestStepBefore checks a step before the clone: it sees what the ops before
// it gave, and if it fails nothing is cloned.
func TestStepBefore(t *testing.T) {
	for _, fails := range []bool{false, true} {
		dir := t.TempDir()
		p := plan.New()
		a := p.Open("test", "a", plan.Openat(plan.AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		mode := p.NewResult("mode")
		p.AddStep(plan.Step{Stage: "test", Text: "look", Gives: []*plan.Result{mode}, Do: func(at plan.Context) error {
			name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", at.PID(), at.FD(a)))
			if fails || name != dir {
				return errors.New("no: " + name)
			}
			at.Set(mode, 0o710)
			return nil
		}})
		op := plan.Mkdirat(plan.Ref(a), "d", 0)
		op.Args[2] = plan.Ref(mode)
		p.Add("test", op)
		p.Clone("test", 0, false)
		execute(p, "/usr/bin/true")
		_, _, err := startPlan(t, p)
		var e *plan.StepError
		if fails != errors.As(err, &e) || fails == exists(dir+"/d") {
			t.Errorf("start = %v, the directory is there: %v; want an error: %v, and the other", err, exists(dir+"/d"), fails)
		}
	}
}

func TestStepFails(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		p.AddStep(plan.Step{Stage: "step", Text: "fail", Do: func(plan.Context) error { return errors.New("no") }})
		execute(p, "/usr/bin/touch", dir+"/ran")
		_, c, err := startPlan(t, p)
		var e *plan.StepError
		if !errors.As(err, &e) || e.Stage != "step" || err.Error() != "no" {
			t.Errorf("start = %#v; want the error of step", err)
		}
		if exists(dir+"/ran") || unix.Kill(c.PID, 0) == nil {
			t.Error("the child goes on")
		}
	})
}

// TestLog looks for the kernel's own words in the error of an op on a file
// system context: by the caller, and by each kind of child.
func TestLog(t *testing.T) {
	mount := func(p *plan.Plan, value string) {
		fs := p.Open("test", "fs", plan.Fsopen("tmpfs"))
		p.Add("test", plan.FsconfigString(fs, "size", value), plan.FsconfigString(fs, "mode", value), plan.FsconfigCreate(fs))
		execute(p, "/bin/true")
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		const want = `fsconfig($fs, FSCONFIG_SET_STRING, "size", "a\nb", 0): invalid argument: tmpfs: Bad value for 'size'`
		var e *plan.Error
		if !errors.As(err, &e) || e.Error() != want || e.Log != "tmpfs: Bad value for 'size'" {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	for name, clone := range map[string]func(p *plan.Plan){
		"shared memory": func(p *plan.Plan) { p.Clone("test", namespaces, false) },
		"own memory":    func(p *plan.Plan) { p.Clone("test", namespaces, true) },
		"init":          func(p *plan.Plan) { p.CloneInit("test", namespaces|unix.CLONE_NEWPID, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.New()
			clone(p)
			mount(p, "a\nb")
			_, _, err := startPlan(t, p)
			check(t, err)
			p = plan.New()
			clone(p)
			mount(p, "0")
			status, c, err := startPlan(t, p)
			if err == nil && !c.Direct() {
				status, _ = c.PayloadStatus()
			}
			if err != nil || status != 0 {
				t.Errorf("the control ended with %v, %v; want 0", status, err)
			}
		})
	}
	t.Run("caller", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("an ordinary user mounts in a user namespace only")
		}
		p := plan.New()
		mount(p, "a\nb")
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		check(t, Exec(p, Attr{}))
	})
}

// TestAtEnd checks that what a step has left running is ended once, when the
// payload has ended or the plan fails.
func TestAtEnd(t *testing.T) {
	for _, payload := range []string{"/usr/bin/true", "/absent"} {
		eachClone(t, func(t *testing.T, p *plan.Plan) {
			ends := 0
			p.AddStep(plan.Step{Stage: "test", Text: "start", Do: func(a plan.Context) error {
				a.AtEnd(func() { ends++ })
				return nil
			}})
			execute(p, payload)
			_, c, err := startPlan(t, p)
			if failed := payload == "/absent"; failed != (err != nil) || failed != (ends == 1) {
				t.Errorf("%s: start = %v, with %d calls at the end; want an error: %v", payload, err, ends, failed)
			}
			c.End()
			c.End()
			if ends != 1 {
				t.Errorf("%s: %d calls at the end; want 1", payload, ends)
			}
		})
	}
}

// TestNamespace checks that a namespace is the child's, and none that has ended
// since.
func TestKilled(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		kill := []plan.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // mkdirat is killed
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_MKDIRAT},
			{Code: unix.BPF_RET, K: unix.SECCOMP_RET_KILL_PROCESS}, {Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
		p.Add("test", plan.NoNewPrivs(), plan.SeccompFilter(kill, 0), plan.Mkdirat(plan.AtCwd(), dir+"/x", 0o700))
		execute(p, "/usr/bin/touch", dir+"/ran")
		_, _, err := startPlan(t, p)
		var k *plan.Killed
		var s *plan.StepError
		if !errors.As(err, &k) && !errors.As(err, &s) {
			t.Errorf("start = %#v; want *plan.Killed or *plan.StepError", err)
		}
		if errors.As(err, &k) && (k.Signal != unix.SIGSYS || !strings.HasPrefix(k.Op, "mkdirat")) {
			t.Errorf("start = %v; want SIGSYS at the mkdirat", err)
		}
		if exists(dir + "/ran") {
			t.Error("the payload ran")
		}
	})
}

func TestExecTries(t *testing.T) {
	for _, c := range []struct {
		files []string
		errno unix.Errno
	}{
		{[]string{"/absent/a", "/usr/bin/true"}, 0},
		{[]string{"/absent/a", "/absent/b"}, unix.ENOENT},
		{[]string{"/etc/passwd", "/absent/b"}, unix.EACCES},
	} {
		p := newClone(plan.Caller, false)
		im := plan.NewImage([]string{"x"}, nil, plan.Changes{})
		for i, f := range c.files {
			op := plan.Execve(f, im)
			if i < len(c.files)-1 {
				op = op.Tolerate(unix.ENOENT, unix.EACCES)
			}
			p.Add("test", op)
		}
		_, _, err := startPlan(t, p)
		var e *plan.Error
		if c.errno == 0 {
			if err != nil {
				t.Errorf("start with %v = %v; want no error", c.files, err)
			}
		} else if !errors.As(err, &e) || e.Errno != c.errno || !e.Exec {
			t.Errorf("%v: %v; want %v", c.files, err, c.errno)
		}
	}
}

func TestHandlersAndMask(t *testing.T) {
	// What the Go runtime handles and what this test blocks is not the child's.
	out := filepath.Join(t.TempDir(), "status")
	p := newClone(plan.Caller, false)
	execute(p, "/bin/sh", "-c", "exec cat /proc/self/status >"+out)
	if _, _, err := startPlan(t, p); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(out)
	own, _ := os.ReadFile("/proc/self/status")
	ignored := regexp.MustCompile(`SigIgn:.*`)
	for _, line := range regexp.MustCompile(`(?m)^Sig(Blk|Cgt).*`).FindAllString(string(b), -1) {
		if !strings.HasSuffix(line, "0000000000000000") {
			t.Errorf("the payload has %s; want none", line)
		}
	}
	if got, want := ignored.FindString(string(b)), ignored.FindString(string(own)); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// TestNoHandlers has a child send itself a signal of which it must die, and which
// a handler of the Go runtime would swallow.
func TestNoHandlers(t *testing.T) {
	for _, copies := range []bool{true, false} {
		p := newClone(plan.Caller, copies)
		tid := p.NewResult("tid")
		p.Add("test", plan.Sigmask(0), (&plan.Op{Name: "gettid", Number: unix.SYS_GETTID}).Gives(tid),
			&plan.Op{Name: "tkill", Number: unix.SYS_TKILL, Args: []plan.Arg{plan.Ref(tid), plan.Int(int64(unix.SIGUSR1))}})
		execute(p, "/usr/bin/true")
		_, _, err := startPlan(t, p)
		var k *plan.Killed
		if !errors.As(err, &k) || k.Signal != unix.SIGUSR1 {
			t.Fatalf("copies %v: %v; want the child to be killed by SIGUSR1", copies, err)
		}
	}
}

// TestSealedCopy checks that a copy can be changed by nobody, and that one that is
// cut off is a failure.
func TestSealedCopy(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for size, whole := range map[int64]bool{7: true, 8: false} {
		p := plan.New()
		from := p.Open("test", "from", plan.Openat(plan.AtCwd(), file, unix.O_RDONLY|unix.O_CLOEXEC, 0))
		sealed := p.Open("test", "copy", plan.MemfdCreate("test", false))
		p.Add("test", plan.Sendfile(sealed, plan.Ref(from), size), plan.Seal(sealed))
		var looks []error
		p.AddStep(plan.Step{Stage: "test", Text: "look", Do: func(a plan.Context) error {
			fd := int(a.Result(sealed))
			b := []byte("x")
			_, err := unix.Pwrite(fd, b, 0)
			looks = append(looks, err, unix.Ftruncate(fd, 0), unix.Ftruncate(fd, 100))
			_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
			looks = append(looks, err)
			return nil
		}})
		p.CloseOpen("test", nil)
		err := Exec(p, Attr{})
		if whole != (err == nil) {
			t.Errorf("Exec() with a copy of %d bytes of 7 = %v; want no error: %v", size, err, whole)
		}
		for i, err := range looks {
			if err != unix.EPERM {
				t.Errorf("change %d of a sealed copy: %v; want EPERM", i, err)
			}
		}
		if whole && len(looks) != 4 {
			t.Errorf("%d changes were tried; want 4", len(looks))
		}
	}
}

// TestCapset has a thread give up the effective capabilities of either word of the
// sets, and looks at what it has then.
func TestCapset(t *testing.T) {
	sets := func() (effective, permitted, inheritable uint64) {
		b, _ := os.ReadFile("/proc/thread-self/status")
		for _, line := range strings.Split(string(b), "\n") {
			fmt.Sscanf(line, "CapEff: %x", &effective)
			fmt.Sscanf(line, "CapPrm: %x", &permitted)
			fmt.Sscanf(line, "CapInh: %x", &inheritable)
		}
		return effective, permitted, inheritable
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and so it ends with this goroutine
		_, all, _ := sets()
		// Words that differ in each set, as far as there is anything to differ.
		want := [3]uint64{all & 0x000000f0_0f0f0f0f, all & 0x000000ff_ff0fffff, all & 0x0000000f_00ff00ff}
		p := plan.New()
		p.Add("test", plan.Capset(want[0], want[1], want[2]))
		if err := Exec(p, Attr{}); err != nil {
			t.Error(err)
			return
		}
		if e, pr, i := sets(); [3]uint64{e, pr, i} != want {
			t.Errorf("Capset of %#x: %#x", want, [3]uint64{e, pr, i})
		}
	}()
	<-done
}

// TestSupervisorGone checks that a child whose supervisor has ended does not continue,
// wherever it is.
func TestSupervisorGone(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		dir := t.TempDir()
		if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		p.Add("test", plan.Openat(plan.AtCwd(), dir+"/fifo", unix.O_RDONLY, 0)) // waits for a writer
		p.CheckSupervisor()
		p.AskSupervisor("test")
		execute(p, "/usr/bin/touch", dir+"/ran")
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c, err := Start(p, Attr{})
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(c.sock)
		w, err := os.OpenFile(dir+"/fifo", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if status := c.waitPayload(); status.ExitStatus() != 125 {
			t.Errorf("status %#x; want 125", status)
		}
		if exists(dir + "/ran") {
			t.Error("the payload ran")
		}
	})
}

// TestSupervisorSilent checks that a child does not take an open socket for a supervisor:
// while a program is being killed, some of its threads have ended and others still have
// its files open.
func TestSupervisorSilent(t *testing.T) {
	eachClone(t, func(t *testing.T, p *plan.Plan) {
		ran := t.TempDir() + "/ran"
		p.CheckSupervisor()
		p.AskSupervisor("test")
		execute(p, "/usr/bin/touch", ran)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c, err := Start(p, Attr{})
		if err != nil {
			t.Fatal(err)
		}
		waits := []unix.PollFd{{Fd: int32(c.PidFD), Events: unix.POLLIN}}
		if n, err := poll(waits, 100); n != 0 || err != nil || exists(ran) {
			t.Errorf("poll() = %d, %v; the payload ran: %v; want a child that waits", n, err, exists(ran))
		}
		unix.Close(c.sock)
		if status := c.waitPayload(); status.ExitStatus() != 125 || exists(ran) {
			t.Errorf("status %#x; the payload ran: %v; want 125", status, exists(ran))
		}
	})
}

// poll is poll(2), which a signal of the Go runtime for a thread does not end.
func poll(fds []unix.PollFd, timeout int) (n int, err error) {
	for {
		if n, err = unix.Poll(fds, timeout); err != unix.EINTR {
			return n, err
		}
	}
}

// TestUnanswered checks that a child whose supervisor ends during a step does not take
// the step for done.
func TestUnanswered(t *testing.T) {
	for _, between := range []plan.Actor{plan.Caller, plan.Init, plan.Joiner} {
		p := newClone(between, true)
		ran := t.TempDir() + "/ran"
		p.AddStep(plan.Step{Stage: "test", Text: "nothing", Do: func(plan.Context) error { return nil }})
		execute(p, "/usr/bin/touch", ran)
		runtime.LockOSThread()
		c, err := Start(p, Attr{})
		if err != nil {
			t.Fatal(err)
		}
		messages := 1
		if between != plan.Caller {
			messages = 2 // a first one tells who the child is
		}
		for range messages {
			if m, err := receive(c.sock); err != nil || !m.open {
				t.Errorf("receive() = %+v, %v, for %v; want an open message", m, err, between)
			}
		}
		unix.Close(c.sock)
		if status := c.waitPayload(); status.ExitStatus() != 125 || exists(ran) {
			t.Errorf("%v: status %#x; the payload ran: %v; want 125", between, status, exists(ran))
		}
		runtime.UnlockOSThread()
	}
}

func TestMany(t *testing.T) {
	// Many processes, some of which fail, leave no process and no descriptor.
	fds := func() int { l, _ := os.ReadDir("/proc/self/fd"); return len(l) }
	before := fds()
	for i := range 50 {
		p := newClone([]plan.Actor{plan.Init, plan.Joiner, plan.Caller}[i%3], i%2 == 0)
		if i%5 == 0 {
			p.Add("test", plan.Chdir("/absent"))
		}
		execute(p, "/usr/bin/true")
		_, c, _ := startPlan(t, p)
		c.Close()
	}
	if after := fds(); after > before+1 {
		t.Errorf("%d descriptors after the starts; want %d, as before", after, before)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("wait4(-1) = %d, %v; want %v", pid, err, unix.ECHILD)
	}
}

func TestRecord(t *testing.T) {
	if n := unsafe.Sizeof(record{}) % 8; n != 0 {
		t.Errorf("a record is %d bytes longer than words of 8; want 0", n)
	}
}
