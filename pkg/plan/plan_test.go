package plan

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

	"golang.org/x/sys/unix"
)

// start performs a plan in a clone without namespaces and waits for its end.
func start(t *testing.T, p *Plan) (unix.WaitStatus, *Process, error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := p.Start()
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

func newClone(between Actor, copies bool) *Plan {
	p := New()
	switch between {
	case Init:
		p.CloneInit("test", 0)
	case Joiner:
		p.CloneJoiner("test")
		p.Add("test", Dumpable(false))
		p.Alive("test")
		p.CloneChild("test", 0)
	default:
		p.Clone("test", 0, copies)
	}
	p.Alive("test")
	return p
}

func exec(p *Plan, argv ...string) {
	p.Add("test", Sigmask(0), Execve(argv[0], NewImage(argv, []string{"PATH=/usr/bin:/bin"})))
}

func eachClone(t *testing.T, f func(t *testing.T, p *Plan)) {
	t.Run("shared memory", func(t *testing.T) { f(t, newClone(Caller, false)) })
	t.Run("own memory", func(t *testing.T) { f(t, newClone(Caller, true)) })
	t.Run("init", func(t *testing.T) { f(t, newClone(Init, true)) })
	t.Run("joiner", func(t *testing.T) { f(t, newClone(Joiner, true)) })
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func TestFailureStops(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		p.Add("first", Mkdirat(AtCwd(), dir+"/one", 0o700))
		p.Add("second", Mkdirat(AtCwd(), dir+"/absent/two", 0o700).Hint(unix.ENOENT, "a hint"))
		p.Add("third", Mkdirat(AtCwd(), dir+"/three", 0o700))
		exec(p, "/usr/bin/touch", dir+"/ran")
		_, _, err := start(t, p)
		var e *Error
		if !errors.As(err, &e) || e.Stage != "second" || !errors.Is(err, unix.ENOENT) || e.Hint != "a hint" ||
			!strings.HasPrefix(e.Op, `mkdirat(AT_FDCWD, "`) || e.Exec {
			t.Errorf("error %#v", err)
		}
		if !exists(dir+"/one") || exists(dir+"/three") || exists(dir+"/ran") {
			t.Error("not stopped at the op that failed")
		}
	})
}

func TestResults(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		d := p.Open("test", "dir", Openat(AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		p.Add("test", Mkdirat(Ref(d), "sub", 0o700))
		s := p.Open("test", "dir", Openat(Ref(d), "sub", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		f := p.Open("test", "file", Openat(Ref(s), "f", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600))
		p.Add("test", Write(f, []byte("text")), Close(f), Mkdirat(Ref(d), "sub", 0o700).Except(unix.EEXIST))
		exec(p, "/usr/bin/true")
		status, c, err := start(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Direct() {
			status, _ = c.PayloadStatus()
		}
		if status != 0 {
			t.Errorf("status %v", status)
		}
		if b, _ := os.ReadFile(dir + "/sub/f"); string(b) != "text" {
			t.Errorf("the file holds %q", b)
		}
		var trace bytes.Buffer
		c.Trace(&trace)
		if !strings.Contains(trace.String(), `mkdirat($dir, "sub", 0700) = -1 EEXIST (file exists)`) {
			t.Errorf("trace:\n%s", &trace)
		}
	})
}

func TestStruct(t *testing.T) {
	// A result in a struct that an argument points to: sendmsg-like calls take
	// one; here landlock_add_rule, which says EBADF for a wrong descriptor.
	text := func(uint64) string { return "X" }
	rights := LandlockRights{text, text, text, text}
	p := newClone(Caller, false)
	set := p.Open("test", "ruleset", rights.CreateRuleset(1, 0, 0))
	d := p.Open("test", "dir", Openat(AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
	p.Add("test", rights.AllowPath(set, d, 1))
	exec(p, "/usr/bin/true")
	if abi, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); int(abi) < 1 {
		t.Skip("missing: Landlock")
	}
	if _, _, err := start(t, p); err != nil {
		t.Error(err)
	}
}

func TestExactly(t *testing.T) {
	p := newClone(Caller, false)
	f := p.Open("test", "file", Openat(AtCwd(), "/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	p.Add("test", Read(f, 1).Exactly(1))
	exec(p, "/usr/bin/true")
	_, _, err := start(t, p)
	var e *Error
	if !errors.As(err, &e) || e.Errno != 0 || e.Got != 0 || !strings.HasSuffix(err.Error(), "returned 0") {
		t.Errorf("error %v", err)
	}
}

func TestOutside(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		mode := p.NewResult("mode")
		var at At
		p.Outside(Outside{Stage: "test", Text: "give a mode", Gives: []*Result{mode}, Do: func(a *At) error {
			at = *a
			a.Set(mode, 0o750)
			if !exists("/proc/self/root") {
				return errors.New("no procfs")
			}
			return nil
		}})
		op := Mkdirat(AtCwd(), dir+"/d", 0)
		op.Args[2] = Ref(mode)
		p.Add("test", op)
		exec(p, "/usr/bin/true")
		_, c, err := start(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(dir + "/d"); err != nil || fi.Mode().Perm() != 0o750 {
			t.Errorf("%v, %v; want mode 750", fi, err)
		}
		if at.PID != c.Payload || c.Direct() != (c.Payload == c.PID) {
			t.Errorf("at %d; process %d, payload %d", at.PID, c.PID, c.Payload)
		}
	})
}

// TestResultMissing has a step that does not give what it is to give. An op that
// uses it is not done: it would use 0, which is root, or the standard input.
func TestResultMissing(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		mode := p.NewResult("mode")
		p.Outside(Outside{Stage: "test", Text: "give nothing", Gives: []*Result{mode}, Do: func(a *At) error { return nil }})
		op := Mkdirat(AtCwd(), dir+"/d", 0)
		op.Args[2] = Ref(mode)
		p.Add("test", op)
		exec(p, "/usr/bin/true")
		if _, _, err := start(t, p); !errors.Is(err, unix.ENODATA) {
			t.Errorf("%v; want %v", err, unix.ENODATA)
		}
		if exists(dir + "/d") {
			t.Error("the op was done")
		}
	})
}

// TestOutsideTakes has a step write to a file that the child has opened, and
// look at what the child's ops have returned.
func TestOutsideTakes(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		file := t.TempDir() + "/f"
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		none := p.Open("test", "none", Openat(AtCwd(), file+"/none", unix.O_PATH|unix.O_CLOEXEC, 0).Except(unix.ENOTDIR))
		dir := p.Open("test", "dir", Openat(AtCwd(), "/", unix.O_PATH|unix.O_CLOEXEC, 0))
		f := p.Open("test", "file", Openat(AtCwd(), file, unix.O_WRONLY|unix.O_CLOEXEC, 0))
		var left []string
		p.LeftOut = func(stage, what string) { left = append(left, stage+": "+what) }
		for range 2 { // what was taken is closed in between
			p.Outside(Outside{Stage: "step", Text: "write", Takes: []*Result{dir, f}, Do: func(at *At) error {
				if n := at.Result(none); n != -int64(unix.ENOTDIR) {
					t.Errorf("Result = %d", n)
				}
				at.LeftOut("x")
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
		exec(p, "/usr/bin/true")
		if _, _, err := start(t, p); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(file); string(b) != "texttext" {
			t.Errorf("the file holds %q", b)
		}
		if !slices.Equal(left, []string{"step: x", "step: x"}) {
			t.Errorf("left out %q", left)
		}
	})
}

// TestOutsideBefore checks a step before the clone: it sees what the ops before
// it gave, and if it fails nothing is cloned.
func TestOutsideBefore(t *testing.T) {
	for _, fails := range []bool{false, true} {
		dir := t.TempDir()
		p := New()
		a := p.Open("test", "a", Openat(AtCwd(), dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		mode := p.NewResult("mode")
		p.Outside(Outside{Stage: "test", Text: "look", Gives: []*Result{mode}, Do: func(at *At) error {
			name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", at.PID, at.FD(a)))
			if fails || name != dir {
				return errors.New("no: " + name)
			}
			at.Set(mode, 0o710)
			return nil
		}})
		op := Mkdirat(Ref(a), "d", 0)
		op.Args[2] = Ref(mode)
		p.Add("test", op)
		p.Clone("test", 0, false)
		exec(p, "/usr/bin/true")
		_, _, err := start(t, p)
		var e *StepError
		if fails != errors.As(err, &e) || fails == exists(dir+"/d") {
			t.Errorf("fails %v: error %v", fails, err)
		}
	}
}

func TestOutsideFails(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		p.Outside(Outside{Stage: "step", Text: "fail", Do: func(*At) error { return errors.New("no") }})
		exec(p, "/usr/bin/touch", dir+"/ran")
		_, c, err := start(t, p)
		var e *StepError
		if !errors.As(err, &e) || e.Stage != "step" || err.Error() != "no" {
			t.Errorf("error %#v", err)
		}
		if exists(dir+"/ran") || unix.Kill(c.PID, 0) == nil {
			t.Error("the child goes on")
		}
	})
}

// TestLog looks for the kernel's own words in the error of an op on a file
// system context: by the caller, and by each kind of child.
func TestLog(t *testing.T) {
	mount := func(p *Plan, value string) {
		fs := p.Open("test", "fs", Fsopen("tmpfs"))
		p.Add("test", FsconfigString(fs, "size", value), FsconfigString(fs, "mode", value), FsconfigCreate(fs))
		exec(p, "/bin/true")
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		const want = `fsconfig($fs, FSCONFIG_SET_STRING, "size", "a\nb", 0): invalid argument: tmpfs: Bad value for 'size'`
		var e *Error
		if !errors.As(err, &e) || e.Error() != want || e.Log != "tmpfs: Bad value for 'size'" {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	for name, clone := range map[string]func(p *Plan){
		"shared memory": func(p *Plan) { p.Clone("test", namespaces, false) },
		"own memory":    func(p *Plan) { p.Clone("test", namespaces, true) },
		"init":          func(p *Plan) { p.CloneInit("test", namespaces|unix.CLONE_NEWPID) },
	} {
		t.Run(name, func(t *testing.T) {
			p := New()
			clone(p)
			mount(p, "a\nb")
			_, _, err := start(t, p)
			check(t, err)
			p = New()
			clone(p)
			mount(p, "0")
			status, c, err := start(t, p)
			if err == nil && !c.Direct() {
				status, _ = c.PayloadStatus()
			}
			if err != nil || status != 0 {
				t.Errorf("the control: status %v, %v", status, err)
			}
		})
	}
	t.Run("caller", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("an ordinary user mounts in a user namespace only")
		}
		p := New()
		mount(p, "a\nb")
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		check(t, p.Here(nil))
	})
}

// TestAtEnd checks that what a step has left running is ended once, when the
// payload has ended or the plan fails.
func TestAtEnd(t *testing.T) {
	for _, payload := range []string{"/usr/bin/true", "/absent"} {
		eachClone(t, func(t *testing.T, p *Plan) {
			ends := 0
			p.Outside(Outside{Stage: "test", Text: "start", Do: func(a *At) error {
				a.AtEnd(func() { ends++ })
				return nil
			}})
			exec(p, payload)
			_, c, err := start(t, p)
			if failed := payload == "/absent"; failed != (err != nil) || failed != (ends == 1) {
				t.Errorf("%s: %d ends, %v", payload, ends, err)
			}
			c.End()
			c.End()
			if ends != 1 {
				t.Errorf("%s: ended %d times", payload, ends)
			}
		})
	}
}

// TestNamespace checks that a namespace is the child's, and none that has ended
// since.
func TestKilled(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		kill := []SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // mkdirat is killed
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_MKDIRAT},
			{Code: unix.BPF_RET, K: unix.SECCOMP_RET_KILL_PROCESS}, {Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
		p.Add("test", NoNewPrivs(), SeccompFilter(kill, 0), Mkdirat(AtCwd(), dir+"/x", 0o700))
		exec(p, "/usr/bin/touch", dir+"/ran")
		_, _, err := start(t, p)
		var k *Killed
		var s *StepError
		if !errors.As(err, &k) && !errors.As(err, &s) {
			t.Errorf("error %#v", err)
		}
		if errors.As(err, &k) && (k.Signal != unix.SIGSYS || !strings.HasPrefix(k.Op, "mkdirat")) {
			t.Errorf("error %v", err)
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
		p := newClone(Caller, false)
		im := NewImage([]string{"x"}, nil)
		for i, f := range c.files {
			op := Execve(f, im)
			if i < len(c.files)-1 {
				op = op.Except(unix.ENOENT, unix.EACCES)
			}
			p.Add("test", op)
		}
		_, _, err := start(t, p)
		var e *Error
		if c.errno == 0 {
			if err != nil {
				t.Errorf("%v: %v", c.files, err)
			}
		} else if !errors.As(err, &e) || e.Errno != c.errno || !e.Exec {
			t.Errorf("%v: %v; want %v", c.files, err, c.errno)
		}
	}
}

func TestHandlersAndMask(t *testing.T) {
	// What the Go runtime handles and what this test blocks is not the child's.
	out := filepath.Join(t.TempDir(), "status")
	p := newClone(Caller, false)
	exec(p, "/bin/sh", "-c", "exec cat /proc/self/status >"+out)
	if _, _, err := start(t, p); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(out)
	own, _ := os.ReadFile("/proc/self/status")
	ignored := regexp.MustCompile(`SigIgn:.*`)
	for _, line := range regexp.MustCompile(`(?m)^Sig(Blk|Cgt).*`).FindAllString(string(b), -1) {
		if !strings.HasSuffix(line, "0000000000000000") {
			t.Error(line)
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
		p := newClone(Caller, copies)
		tid := p.NewResult("tid")
		p.Add("test", Sigmask(0), call("gettid", unix.SYS_GETTID).Gives(tid),
			call("tkill", unix.SYS_TKILL, Ref(tid), Int(int64(unix.SIGUSR1))))
		exec(p, "/usr/bin/true")
		_, _, err := start(t, p)
		var k *Killed
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
		p := New()
		from := p.Open("test", "from", Openat(AtCwd(), file, unix.O_RDONLY|unix.O_CLOEXEC, 0))
		sealed := p.Open("test", "copy", MemfdCreate("test", false))
		p.Add("test", Sendfile(sealed, Ref(from), size), Seal(sealed))
		var looks []error
		p.Outside(Outside{Stage: "test", Text: "look", Do: func(a *At) error {
			fd := int(a.Result(sealed))
			b := []byte("x")
			_, err := unix.Pwrite(fd, b, 0)
			looks = append(looks, err, unix.Ftruncate(fd, 0), unix.Ftruncate(fd, 100))
			_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
			looks = append(looks, err)
			return nil
		}})
		p.CloseOpen("test", nil)
		err := p.Here(nil)
		if whole != (err == nil) {
			t.Errorf("a copy of %d bytes of 7: %v", size, err)
		}
		for i, err := range looks {
			if err != unix.EPERM {
				t.Errorf("change %d of a sealed copy: %v; want EPERM", i, err)
			}
		}
		if whole && len(looks) != 4 {
			t.Errorf("%d looks", len(looks))
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
		p := New()
		p.Add("test", Capset(want[0], want[1], want[2]))
		if err := p.Here(nil); err != nil {
			t.Error(err)
			return
		}
		if e, pr, i := sets(); [3]uint64{e, pr, i} != want {
			t.Errorf("Capset of %#x: %#x", want, [3]uint64{e, pr, i})
		}
	}()
	<-done
}

// TestSupervisorGone checks that a child whose supervisor is gone does not go
// on, wherever it is.
func TestSupervisorGone(t *testing.T) {
	eachClone(t, func(t *testing.T, p *Plan) {
		dir := t.TempDir()
		if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		p.Add("test", Openat(AtCwd(), dir+"/fifo", unix.O_RDONLY, 0)) // waits for a writer
		p.Alive("test")
		exec(p, "/usr/bin/touch", dir+"/ran")
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c, err := p.Start()
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(c.sock)
		w, err := os.OpenFile(dir+"/fifo", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if status := c.wait(); status.ExitStatus() != 125 {
			t.Errorf("status %#x; want 125", status)
		}
		if exists(dir + "/ran") {
			t.Error("the payload ran")
		}
	})
}

// TestUnanswered checks that a child whose supervisor ends in the midst of a step
// does not take that for done.
func TestUnanswered(t *testing.T) {
	for _, between := range []Actor{Caller, Init, Joiner} {
		p := newClone(between, true)
		ran := t.TempDir() + "/ran"
		p.Outside(Outside{Stage: "test", Text: "nothing", Do: func(*At) error { return nil }})
		exec(p, "/usr/bin/touch", ran)
		runtime.LockOSThread()
		c, err := p.Start()
		if err != nil {
			t.Fatal(err)
		}
		messages := 1
		if between != Caller {
			messages = 2 // a first one tells who the child is
		}
		for range messages {
			if m, err := receive(c.sock); err != nil || !m.open {
				t.Errorf("%v: %+v, %v", between, m, err)
			}
		}
		unix.Close(c.sock)
		if status := c.wait(); status.ExitStatus() != 125 || exists(ran) {
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
		p := newClone([]Actor{Init, Joiner, Caller}[i%3], i%2 == 0)
		if i%5 == 0 {
			p.Add("test", Chdir("/absent"))
		}
		exec(p, "/usr/bin/true")
		_, c, _ := start(t, p)
		unix.Close(c.PidFD)
	}
	if after := fds(); after > before+1 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain": `"plain"`, "a\"b\\": `"a\"b\\"`, "\n\t\r\v\f": `"\n\t\r\v\f"`,
		"\x01": `"\1"`, "\x017": `"\0017"`, "\x00a": `"\0a"`, "\x7f\xff": `"\177\377"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s; want %s", in, got, want)
		}
	}
}

func TestFlagText(t *testing.T) {
	for v, want := range map[uint64]string{
		0: "0", unix.CLONE_NEWNS: "CLONE_NEWNS", unix.CLONE_NEWNS | 1: "CLONE_NEWNS|0x1",
	} {
		if got := flagText(v, cloneFlags); got != want {
			t.Errorf("flagText(%#x) = %s; want %s", v, got, want)
		}
	}
	if got := maskText(1<<(unix.SIGTERM-1) | 1<<33); got != "[TERM RT_2]" {
		t.Errorf("maskText = %s", got)
	}
	if got := Octal(0).String() + Octal(0o22).String() + Octal(0o1777).String(); got != "00002201777" {
		t.Errorf("octal %s", got)
	}
}

func TestAddTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one op is in a plan twice: what changes it there changes it here")
		}
	}()
	p, op := New(), Setsid()
	p.Add("hk-x", op)
	p.Add("hk-x", op)
}

func TestSizes(t *testing.T) {
	// What the kernel has for these structs.
	op := (&Plan{args: nil}).cloneOp(0)
	if n := len(op.Args[0].mem().bytes); n != 88 {
		t.Errorf("struct clone_args has %d bytes; want 88", n)
	}
	if n := unsafe.Sizeof(record{}) % 8; n != 0 {
		t.Errorf("a record is %d bytes off", n)
	}
}
