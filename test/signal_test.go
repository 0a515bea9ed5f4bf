package test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shapes are chains in which the process that is started has a different relation to
// the payload each.
var shapes = []struct {
	name, line string
	root       bool
}{
	{name: "no supervisor", line: "hk-limit --core 0"},
	{name: "user namespace", line: "hk-unshare --user hk-idmap --root"},
	{name: "PID 1", line: "hk-unshare --user --pid hk-idmap --root"},
	{name: "init", line: "hk-unshare --user --pid --init hk-idmap --root"},
	{name: "session", line: "hk-unshare --setsid"},
	{name: "session of PID 1", line: "hk-unshare --user --pid --setsid hk-idmap --root"},
	{name: "session below init", line: "hk-unshare --user --pid --init --setsid hk-idmap --root"},
	{name: "not fused", line: "HK_FUSE=0 hk-unshare --user --pid hk-idmap --root hk-limit --core 0"},
	{name: "not fused, init", line: "HK_FUSE=0 hk-unshare --user --pid --init hk-idmap --root hk-limit --core 0"},
	{name: "PID 1 below PID 1", line: "hk-unshare --user --pid hk-idmap --root hk-unshare --pid"},
	{name: "init below init", line: "hk-unshare --user --pid --init hk-idmap --root hk-unshare --pid --init"},
	{name: "sessions below each other", line: "hk-unshare --user --pid --setsid hk-idmap --root hk-unshare --pid --setsid"},
	{name: "procfs of the PID namespace around", line: "HK_FUSE=0 hk-unshare --user --pid --mount hk-idmap --root hk-mount --rootfs / --proc --dev /dev hk-unshare --pid hk-limit --core 0"},
	{name: "full", line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-setuser --caps none hk-landlock --abi 1 --ro / --rx /usr --rw /tmp,/dev hk-seccomp"},
	{name: "PID 1 of root's", line: "hk-unshare --pid", root: true},
	{name: "another user's PID 1", line: "hk-unshare --pid --mount hk-setuser --user nobody --caps none", root: true},
}

// eachShape runs a test for each chain.
func eachShape(t *testing.T, test func(t *testing.T, line string)) {
	for _, s := range shapes {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			if !canRun(s.line, s.root) {
				t.Skip("the chain is root's, or this kernel has no Landlock")
			}
			t.Parallel()
			test(t, s.line)
		})
	}
}

// canRun reports whether one of shapes can be run here.
func canRun(line string, root bool) bool {
	return (!root || os.Getuid() == 0) && (!strings.Contains(line, "hk-landlock") || landlockABI() > 0)
}

// eachTraced runs a test for each chain in which the payload is traced.
func eachTraced(t *testing.T, test func(t *testing.T, line string)) {
	for _, line := range []string{
		"hk-seccomp --learn FILE",
		"hk-unshare --user --pid hk-idmap --root hk-seccomp --learn FILE",
		"hk-unshare --user --pid --init hk-idmap --root hk-seccomp --learn FILE",
		"hk-unshare --setsid hk-seccomp --learn FILE",
	} {
		t.Run(strings.ReplaceAll(line, " ", "_"), func(t *testing.T) {
			t.Parallel()
			test(t, strings.Replace(line, "FILE", filepath.Join(t.TempDir(), "learned.json"), 1))
		})
	}
}

// A job is a running chain.
type job struct {
	*exec.Cmd
	t      *testing.T
	out    *bufio.Reader
	stderr bytes.Buffer
}

// newJob returns a chain with a payload.
func newJob(t *testing.T, line string, payload ...string) *job {
	words := strings.Fields(line)
	env := append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1")
	for strings.Contains(words[0], "=") {
		env, words = append(env, words[0]), words[1:]
	}
	path := filepath.Join(bin, words[0])
	if _, err := os.Stat(path); err != nil {
		path = words[0]
	}
	j := &job{t: t, Cmd: exec.Command(path, append(words[1:], payload...)...)}
	j.Env = env
	j.Dir = "/"
	j.WaitDelay = time.Duration(slow) * 5 * time.Second
	j.Stderr = &j.stderr
	j.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return j
}

// begin starts the job.
func (j *job) begin() *job {
	j.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		j.t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(time.Duration(slow) * 30 * time.Second))
	j.Stdout = w
	j.out = bufio.NewReader(r)
	err = j.Start()
	w.Close()
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() {
		j.Process.Kill()
		r.Close()
	})
	return j
}

func start(t *testing.T, line string, payload ...string) *job {
	t.Helper()
	return newJob(t, line, payload...).begin()
}

// startCat starts a chain with a payload that does not handle signals, and waits until
// it runs.
func startCat(t *testing.T, line string) *job {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(t, line, "cat")
	j.Stdin = r
	j.begin()
	r.Close()
	t.Cleanup(func() { w.Close() })
	w.WriteString("ready\n")
	j.await("ready")
	return j
}

// prefix puts a program before a chain.
func prefix(program, line string) string {
	if env, rest, ok := strings.Cut(line, " "); ok && strings.Contains(env, "=") {
		return env + " " + program + " " + rest
	}
	return program + " " + line
}

// await reads the payload's next line, which must be want.
func (j *job) await(want string) {
	j.t.Helper()
	line, err := j.out.ReadString('\n')
	if strings.TrimSpace(line) != want {
		j.t.Fatalf("%v: got %q, %v, %s; want %q", j.Args, line, err, &j.stderr, want)
	}
}

// end waits for the end of the job, and kills a job that does not end.
func (j *job) end() string {
	j.t.Helper()
	timer := time.AfterFunc(time.Duration(slow)*20*time.Second, func() { j.Process.Kill() })
	j.Wait()
	if !timer.Stop() {
		return "no end"
	}
	return state(j.ProcessState) + j.stderr.String()
}

func state(s *os.ProcessState) string {
	if w := s.Sys().(syscall.WaitStatus); w.Signaled() {
		return signalName(w.Signal())
	}
	return fmt.Sprint(s.ExitCode())
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprint("signal ", int(s))
}

// ending are the signals whose default action is to terminate, except those that are
// ignored here and so in children: make(1) has its children ignore 32, which the C
// library reserves.
func ending() []syscall.Signal {
	var ignored uint64
	status, _ := os.ReadFile("/proc/self/status")
	if _, text, ok := strings.Cut(string(status), "\nSigIgn:"); ok {
		fmt.Sscanf(text, "%x", &ignored)
	}
	var list []syscall.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		if ignored>>(s-1)&1 != 0 {
			continue
		}
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
			unix.SIGCHLD, unix.SIGCONT, unix.SIGURG, unix.SIGWINCH:
		default:
			list = append(list, s)
		}
	}
	return list
}

// TestSignalEnds sends each signal to the process that was started, while the payload
// neither handles nor ignores it: the whole chain is terminated by it, as the payload
// would be without the chain. That is the control.
func TestSignalEnds(t *testing.T) {
	t.Parallel()
	list := ending()
	if testing.Short() { // one of each kind: a terminal's, a fault's, the C library's, a queued one
		list = slices.DeleteFunc(list, func(s syscall.Signal) bool {
			return !slices.Contains([]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGSEGV, unix.SIGUSR1, unix.SIGPIPE, unix.SIGTERM, unix.SIGSYS, 33, 64}, s)
		})
	}
	eachShape(t, func(t *testing.T, line string) {
		for _, sig := range list {
			want := signalName(sig)
			for _, l := range []string{"env", line} {
				if l == "env" && line != shapes[0].line {
					continue
				}
				j := startCat(t, l)
				j.Process.Signal(sig)
				if got := j.end(); got != want {
					t.Errorf("%s: %v: ended with %s; want %s", l, sig, got, want)
				}
			}
		}
	})
}

// TestSignalHandled sends signals that the payload handles or ignores: a PID 1 receives
// them too, once, and ignored ones have no effect.
func TestSignalHandled(t *testing.T) {
	t.Parallel()
	const script = `
n=0
trap 'n=$((n + 1)); echo usr1' USR1
for s in ILL TRAP ABRT BUS FPE SEGV STKFLT SYS VTALRM PROF USR2 ALRM IO PWR XCPU; do trap "echo $s" $s; done
trap '' HUP
trap 'echo term; exit 7$n' TERM
echo ready
while :; do sleep 0.02; done`
	eachShape(t, func(t *testing.T, line string) {
		j := start(t, line, "bash", "-c", script)
		j.await("ready")
		for _, name := range strings.Fields("ILL TRAP ABRT BUS FPE SEGV STKFLT SYS VTALRM PROF USR2 ALRM IO PWR XCPU") {
			sig := unix.SignalNum("SIG" + name)
			j.Process.Signal(unix.SIGHUP)
			j.Process.Signal(sig)
			j.await(name)
		}
		j.Process.Signal(unix.SIGUSR1)
		j.await("usr1")
		j.Process.Signal(unix.SIGTERM)
		j.await("term")
		if got := j.end(); got != "71" {
			t.Errorf("%s: ended with %s; want 71", line, got)
		}
	})
}

// TestSignalAwaited has the payload wait for a signal instead of handling it, as an
// init does.
func TestSignalAwaited(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		probe := filepath.Join(bin, "probe")
		if strings.Contains(line, "--rootfs") {
			line = strings.NewReplacer("--rootfs /", "--rootfs / --ro "+bin+":/b", "--rx /usr", "--rx /usr,/b").Replace(line)
			probe = "/b/probe"
		}
		wait := func(sig string) *job {
			j := start(t, line, probe, "inherit", "none", sig, "none", probe, "sigwait", sig)
			j.await("ready")
			return j
		}
		for _, sig := range []string{"10", "14", "40"} {
			j := wait(sig)
			j.Process.Signal(syscall.Signal(atoi(sig)))
			j.await("got " + sig)
			if got := j.end(); got != "7" {
				t.Errorf("%s: signal %s: ended with %s; want 7", line, sig, got)
			}
		}
		// One with a value, see sigqueue(3).
		j := wait("40")
		info := [32]int32{40, 0, -1, 0, int32(os.Getpid()), int32(os.Getuid()), 4321}
		if _, _, e := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(j.Process.Pid), 40, uintptr(unsafe.Pointer(&info))); e != 0 {
			t.Fatal(e)
		}
		j.await("value 4321")
		j.await("got 40")
		j.end()
		// One that it does not wait for.
		j = wait("10")
		j.Process.Signal(unix.SIGALRM)
		if got := j.end(); got != "SIGALRM" {
			t.Errorf("%s: ended with %s; want SIGALRM", line, got)
		}
		// One that the caller already blocks.
		j = start(t, prefix("probe inherit none 10 none", line), probe, "sigwait", "10")
		j.await("ready")
		j.Process.Signal(unix.SIGUSR1)
		j.await("got 10")
		if got := j.end(); got != "7" {
			t.Errorf("%s: blocked by the caller: ended with %s; want 7", line, got)
		}
	})
}

// TestSignalAwaitedTwice sends two signals at once to a payload that gets the CPU only
// when its supervisor gives it up: the second one arrives while the payload is being
// woken by the first, and has the signal neither blocked nor, at that moment, waited
// for.
func TestSignalAwaitedTwice(t *testing.T) {
	require(t, "taskset (package util-linux)", have("taskset"))
	cpu := strings.FieldsFunc(run(t, "taskset", "-cp", fmt.Sprint(os.Getpid())), func(r rune) bool { return r < '0' || r > '9' })
	line := "probe inherit none 40 none taskset -c " + cpu[len(cpu)-1] + " hk-unshare --user --pid hk-idmap --root"
	for range max(20/slow, 5) {
		j := start(t, line, "nice", "-n", "19", filepath.Join(bin, "probe"), "sigwait", "40")
		j.await("ready")
		within(t, "the payload waits", func() bool {
			b, _ := os.ReadFile("/proc/" + strings.TrimSpace(children(j.Process.Pid)) + "/syscall")
			return strings.HasPrefix(string(b), fmt.Sprint(unix.SYS_RT_SIGTIMEDWAIT, " "))
		})
		j.Process.Signal(syscall.Signal(40))
		j.Process.Signal(syscall.Signal(40))
		j.await("got 40")
		if got := j.end(); got != "7" {
			t.Errorf("ended with %s; want 7", got)
		}
	}
}

// TestSignalAtStart sends a signal as soon as the payload reports that it handles it,
// with the supervisor on the same CPU: it has not run since.
func TestSignalAtStart(t *testing.T) {
	t.Parallel()
	require(t, "taskset (package util-linux)", have("taskset"))
	cpu := strings.FieldsFunc(run(t, "taskset", "-cp", fmt.Sprint(os.Getpid())), func(r rune) bool { return r < '0' || r > '9' })
	eachShape(t, func(t *testing.T, line string) {
		for range 10 {
			hangUp(t, prefix("taskset -c "+cpu[len(cpu)-1], line))
		}
	})
}

// hangUp sends SIGHUP to a chain as soon as the payload reports that it handles it.
func hangUp(t *testing.T, line string) {
	t.Helper()
	j := start(t, line, "sh", "-c", "trap 'exit 7' HUP; echo ready; while :; do sleep 0.02; done")
	j.await("ready")
	j.Process.Signal(unix.SIGHUP)
	if got := j.end(); got != "7" {
		t.Errorf("%s: ended with %s; want 7", line, got)
	}
}

// TestSignalAtStartOfInit is the same while an init is slow to close the descriptors of
// the start.
func TestSignalAtStartOfInit(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	for _, line := range []string{"hk-unshare --user --pid --init hk-idmap --root", "hk-unshare --user --pid --init --setsid hk-idmap --root"} {
		log := filepath.Join(t.TempDir(), "log")
		hangUp(t, "strace -D -f -qq -o "+log+" -e trace=close_range -e inject=close_range:delay_enter=300000 "+line)
	}
}

// TestSignalBeforeStart ends a chain whose child is stopped in the middle of its
// set-up.
func TestSignalBeforeStart(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	for _, c := range []struct{ name, line string }{
		{"child", "hk-unshare --user --uts --hostname h hk-idmap --root"},
		{"PID 1", "hk-unshare --user --pid --uts --hostname h hk-idmap --root"},
		{"init", "hk-unshare --user --pid --init --uts --hostname h hk-idmap --root"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
				log := filepath.Join(t.TempDir(), "log")
				j := start(t, "strace -D -f -qq -o "+log+" -e trace=sethostname -e inject=sethostname:signal=STOP "+c.line, "sh", "-c", "echo ready; sleep 1102")
				for range slow * 500 {
					if b, _ := os.ReadFile(log); bytes.Contains(b, []byte("stopped by")) {
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				j.Process.Signal(sig)
				if got, want := j.end(), signalName(sig); got != want {
					t.Errorf("%s: ended with %s; want %s", c.line, got, want)
				}
				if line, _ := j.out.ReadString('\n'); line != "" {
					t.Errorf("%s: the payload started: %q", c.line, line)
				}
			}
		})
	}
}

// TestSignalWhilePlanning sends signals to a chain that has not done anything yet.
func TestSignalWhilePlanning(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	for _, line := range []string{"hk-limit --core 0", "hk-unshare --user hk-idmap --root", "hk-unshare --user --pid hk-idmap --root"} {
		t.Run(strings.ReplaceAll(line, " ", "_"), func(t *testing.T) {
			t.Parallel()
			signalWhilePlanning(t, line)
		})
	}
}

func signalWhilePlanning(t *testing.T, line string) {
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM,
		unix.SIGSTKFLT, unix.SIGVTALRM, unix.SIGPROF, unix.SIGIO, unix.SIGPWR, unix.SIGXCPU,
		unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS} {
		log := filepath.Join(t.TempDir(), "log")
		j := start(t, "strace -D -f -qq -o "+log+" -e trace=capget -e inject=capget:signal=STOP "+line, "echo", "started")
		within(t, "it has stopped", func() bool {
			b, _ := os.ReadFile(log)
			return bytes.Contains(b, []byte("stopped by"))
		})
		j.Process.Signal(sig)
		j.Process.Signal(unix.SIGCONT)
		if got, want := j.end(), signalName(sig); got != want {
			t.Errorf("%s: ended with %s; want %s", line, got, want)
		}
	}
}

// TestStops has the payload stop, and continue by itself: the supervisor continues too.
// It can also be killed while it is stopped.
func TestStops(t *testing.T) {
	t.Parallel()
	eachShape(t, stops)
	eachTraced(t, stops)
}

func stops(t *testing.T, line string) {
	j := start(t, line, "sh", "-c", "(sleep 0.3; kill -CONT $$) & kill -STOP $$; wait; exit 7")
	if got := j.end(); got != "7" {
		t.Errorf("%s: stopped by itself: %s; want 7", line, got)
	}
	// A PID 1 is neither stopped nor terminated by signals from its own children,
	// unless it is traced: then it does stop.
	want := "SIGKILL"
	if (strings.Contains(line, "--pid") || strings.Contains(line, "--all")) && !strings.Contains(line, "--init") {
		want = "7"
	}
	if want == "7" && strings.Contains(line, "--learn") {
		return
	}
	j = start(t, line, "sh", "-c", "sh -c 'sleep 0.3; kill -KILL $PPID' & echo ready; kill -STOP $$; wait; exit 7")
	j.await("ready")
	if got := j.end(); got != want {
		t.Errorf("%s: killed when stopped: %s; want %s", line, got, want)
	}
}

// TestTimeout has timeout(1) end a job.
func TestTimeout(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		j := start(t, prefix("timeout 0.5", line), "sleep", "1103")
		if got := j.end(); got != "124" {
			t.Errorf("%s: timeout ended with %s; want 124", line, got)
		}
	})
}

// TestKilledAtStop kills a traced payload about when it stops: the supervisor must not stop
// for one that has ended.
func TestKilledAtStop(t *testing.T) {
	t.Parallel()
	line := "hk-seccomp --learn " + filepath.Join(t.TempDir(), "learned.json")
	for i := range 100 {
		j := start(t, line, "sh", "-c", "(while kill -0 $$; do :; done) 2>/dev/null & echo $$; kill -STOP $$; exit 7")
		said, err := j.out.ReadString('\n')
		pid, _ := strconv.Atoi(strings.TrimSpace(said))
		// Nothing but this test ends the payload, so this is its PID.
		fd, openErr := unix.PidfdOpen(pid, 0)
		if err != nil || openErr != nil {
			t.Fatalf("%q %v %v %s", said, err, openErr, &j.stderr)
		}
		time.Sleep(time.Duration(i) * 20 * time.Microsecond)
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		unix.Close(fd)
		if got := j.end(); got != "SIGKILL" {
			t.Fatalf("%s: killed at its stop, in run %d: %s; want SIGKILL", line, i, got)
		}
	}
}
