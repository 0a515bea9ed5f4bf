package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestObserved compares what hk-inspect says between two stages, where a fused chain executes
// it beside the child, with what it says if each stage executes the next one.
func TestObserved(t *testing.T) {
	eachEqual(t, func(t *testing.T, line string) {
		stages := strings.Split(line, " hk-")
		for i := range stages[1:] {
			with := strings.Join(stages[:i+1], " hk-") + " hk-inspect --json --values --output fd:3 hk-" + strings.Join(stages[i+1:], " hk-")
			fused, apart := shown(t, with, "1"), shown(t, with, "0")
			for _, key := range slices.Sorted(maps.Keys(fused)) {
				if fused[key] != apart[key] {
					t.Errorf("%s\n%s is %s; with HK_FUSE=0 %s", with, key, fused[key], apart[key])
				}
			}
			if len(fused) != len(apart) || len(fused) < 100 {
				t.Errorf("%s\nit says %d things, with HK_FUSE=0 %d", with, len(fused), len(apart))
			}
		}
	})
}

// differ are the keys of what any two runs, or programs that execute one another, have others
// of. What the latter make ambient in one namespace is so until the end, also where user ID 0
// makes it unnecessary; and below an init not all of them ask for the signal.
var differ = regexp.MustCompile(`^(session\.p?pid|namespaces\..*\.id|keyrings\..*|mounts\..*\.(device|hides|propagation)|fds\..*\.target|env\.values\.HK_FUSE|caps\.(inheritable|ambient|held_for_the_chain).*|session\.pdeathsig)$`)

// shown is what the hk-inspect of a chain prints, by keys with dots between.
func shown(t *testing.T, line, fuse string) map[string]string {
	words := append(strings.Fields(landlockLine(strings.ReplaceAll(line, "$BIN", bin))), "--", "true")
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + fuse, "HOME=/", "TERM=dumb"}
	cmd.Dir = "/usr"
	var out bytes.Buffer
	cmd.Stderr = &out
	file, err := os.Create(filepath.Join(t.TempDir(), "report"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	err = cmd.Run()
	var report map[string]any
	if b, err2 := os.ReadFile(file.Name()); err == nil {
		err = errors.Join(err2, json.Unmarshal(b, &report))
	}
	if err != nil {
		if n := newer(out.Bytes()); n != "" {
			t.Skip("missing: ", n)
		}
		t.Fatalf("HK_FUSE=%s %s: %v\n%s", fuse, line, err, &out)
	}
	flat := map[string]string{}
	flatten(flat, "", report)
	maps.DeleteFunc(flat, func(key, _ string) bool { return differ.MatchString(key) })
	return flat
}

func flatten(to map[string]string, key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for k, e := range v {
			flatten(to, strings.TrimPrefix(key+"."+k, "."), e)
		}
	case []any:
		to[key+".length"] = fmt.Sprint(len(v))
		for i, e := range v {
			flatten(to, fmt.Sprintf("%s.%d", key, i), e)
		}
	default:
		to[key] = fmt.Sprint(v)
	}
}

// observed are chains in which hk-inspect is executed beside the child, in its relations to
// the process that was started.
var observed = []string{
	"hk-unshare --user hk-idmap --root",
	"hk-unshare --user --pid hk-idmap --root",
	"hk-unshare --user --pid --init hk-idmap --root",
	"hk-unshare --setsid",
	"hk-limit --wall 1h",
	"hk-unshare --force-order --join user,pid=$T",
}

// blocked starts a chain with an hk-inspect that waits for somebody to read what it prints,
// which r is for. mark is a word that its command line ends in, and that of the payload.
func blocked(t *testing.T, line string) (j *job, r *os.File, mark string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	mark = aSleep()
	if strings.Contains(line, "$T") {
		line = strings.ReplaceAll(line, "$T", strconv.Itoa(target(t)))
	}
	j = newJob(t, line+" hk-inspect --values --only env --output fd:3 --assert !env."+mark+" hk-setuser --umask 077", sleeping(mark)...)
	j.Env = append(j.Env, "LONG="+strings.Repeat("x", 8192))
	j.ExtraFiles = []*os.File{w}
	j.begin()
	w.Close()
	within(t, "hk-inspect waits: "+line, func() bool {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		return err == nil && n == 4096
	})
	return j, r, mark
}

// inspector is the hk-inspect that is executed beside a child.
func inspector(t *testing.T, mark string) process {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, n := range names {
		p := newProcess(atoi(filepath.Base(filepath.Dir(n))))
		if b, err := os.ReadFile(n); err == nil && strings.HasPrefix(string(b), "hk-inspect\x00") && strings.Contains(string(b), mark) {
			return p
		}
	}
	t.Fatal("there is no hk-inspect")
	return process{}
}

func eachObserved(t *testing.T, test func(t *testing.T, line string)) {
	for _, line := range observed {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			test(t, line)
		})
	}
}

// TestObserverWaits has somebody read in the end, which is the control of the tests below:
// the payload runs then, and has no child. All variables arrive.
func TestObserverWaits(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, line string) {
		j, r, mark := blocked(t, line)
		p := inspector(t, mark)
		text := make(chan string)
		go func() {
			b, _ := io.ReadAll(r)
			text <- string(b)
		}()
		j.await("up")
		if got := <-text; strings.Count(got, "x") < 8192 {
			t.Errorf("%s: %d bytes were read", line, len(got))
		}
		if stat(p.pid)[19] == p.start {
			t.Errorf("%s: hk-inspect is still there: %s", line, stat(p.pid)[0])
		}
		// Nor does the supervisor keep the copy of the program, in memory, as long as the payload runs.
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", j.Process.Pid))
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); strings.HasPrefix(to, "/memfd:") {
				t.Errorf("%s: the supervisor has %s", line, to)
			}
		}
		j.Process.Signal(unix.SIGTERM)
		if got := j.end(); got != "SIGTERM" {
			t.Errorf("%s: ended with %s; want SIGTERM", line, got)
		}
		gone(t, line, mark)
	})
}

// TestObserverHolds looks at what an hk-inspect holds that waits: neither a socket of the
// supervisor nor the program of the installation, but a copy that nobody can change.
func TestObserverHolds(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, line string) {
		j, _, mark := blocked(t, line)
		p := inspector(t, mark)
		dir := fmt.Sprintf("/proc/%d/", p.pid)
		fds, err := filepath.Glob(dir + "fd/*")
		if err != nil || len(fds) == 0 {
			t.Errorf("%s: its descriptors cannot be looked at: %v", line, err)
		}
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); strings.HasPrefix(to, "socket:") || strings.Contains(to, "/hk-") {
				t.Errorf("%s: it has %s", line, to)
			}
		}
		exe, err := os.Open(dir + "exe")
		if err != nil {
			t.Fatal(err)
		}
		defer exe.Close()
		const sealed = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
		if seals, err := unix.FcntlInt(exe.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&sealed != sealed {
			t.Errorf("%s: the seals of its program are %#x, %v; want %#x", line, seals, err, sealed)
		}
		j.Process.Kill()
		j.end()
		gone(t, line, mark)
	})
}

// TestObserverSignalled asks a chain to end while its hk-inspect waits: it ends by that
// signal, and nothing remains. The payload does not start.
func TestObserverSignalled(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, line string) {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
			for _, group := range []bool{false, true} {
				j, _, mark := blocked(t, line)
				to := j.Process.Pid // not waited for yet
				if group {
					to = -to
				}
				unix.Kill(to, sig)
				if got, want := j.end(), signalName(sig); got != want {
					t.Errorf("%s: to its group: %v: ended with %s; want %s", line, group, got, want)
				}
				if text, _ := j.out.ReadString('\n'); text != "" {
					t.Errorf("%s: the payload has started", line)
				}
				gone(t, line, mark)
			}
		}
	})
}

// TestObserverStopped stops a job by the key of its terminal while its hk-inspect waits: the
// shell sees that it has stopped, and it continues in the foreground.
func TestObserverStopped(t *testing.T) {
	t.Parallel()
	for _, line := range []string{observed[0], observed[1], observed[2], observed[4]} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			fifo := filepath.Join(openDir(t), "fifo")
			if err := unix.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			s := newSession(t, `set -m; export LONG=$(head -c 100000 /dev/zero | tr "\\0" x); exec 8>`+fifo+"; "+
				line+" hk-inspect --values --only env --output fd:8 hk-setuser --umask 077 -- sh -c 'echo up >&9'; "+
				"echo stopped $? >&9; exec 8>&-; cat "+fifo+" >/dev/null & fg %1; echo status $? >&9")
			within(t, "hk-inspect waits: "+line, func() bool {
				n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
				return err == nil && n == 65536
			})
			s.types("\x1a")
			s.await("stopped 147") // by SIGSTOP
			s.await("up")
			s.await("status 0")
		})
	}
}

// TestObserverKilled kills the supervisor, or hk-inspect, while that waits. Nothing remains,
// and the payload does not start.
func TestObserverKilled(t *testing.T) {
	t.Parallel()
	eachObserved(t, func(t *testing.T, line string) {
		j, _, mark := blocked(t, line)
		j.Process.Kill()
		j.end()
		gone(t, line, mark)
		if text, _ := j.out.ReadString('\n'); text != "" {
			t.Errorf("%s: the payload has started", line)
		}

		j, _, mark = blocked(t, line)
		inspector(t, mark).signal(unix.SIGKILL)
		if got, want := j.end(), "125hk-inspect: "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, ": killed by SIGKILL\n") {
			t.Errorf("%s: ended with %s; want %s and why", line, got, want)
		}
		if text, _ := j.out.ReadString('\n'); text != "" {
			t.Errorf("%s: the payload has started", line)
		}
		gone(t, line, mark)
	})
}

// TestObserverOutlives kills the supervisor of a payload that is to outlive it: hk-inspect
// is waited for, and the payload runs.
func TestObserverOutlives(t *testing.T) {
	t.Parallel()
	j, r, mark := blocked(t, "hk-unshare --setsid --outlive")
	j.Process.Kill()
	j.Process.Wait()
	io.Copy(io.Discard, r)
	j.await("up")
	killWith(mark)
	gone(t, "--outlive", mark)
}

// TestObserverOrphaned kills a child before the process beside it has asked for its
// parent-death signal, which it then never gets: strace(1) holds it there. It ends all the
// same, and shows nothing. The control is a child that is not killed.
func TestObserverOrphaned(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	if os.Getuid() != 0 {
		t.Skip("an ordinary user's strace cannot look at a process that is not dumpable")
	}
	for _, kill := range []bool{false, true} {
		shown := filepath.Join(openDir(t), "shown")
		j := start(t, "strace -D -f -qq -o /dev/null -e trace=prctl -e inject=prctl:delay_enter=500000:when=1 hk-unshare --setsid hk-inspect --output "+shown+" hk-setuser --umask 077", "true")
		above := newProcess(j.Process.Pid)
		var child, observer process
		within(t, "a process beside the child", func() bool {
			for _, child = range above.children() {
				for _, observer = range child.children() {
					if child.program() == "hk-unshare" && observer.start != "" {
						return true
					}
				}
			}
			return stat(above.pid)[0] == "Z" || stat(above.pid)[0] == ""
		})
		if observer.pid == 0 {
			t.Fatalf("there was none; %s", &j.stderr)
		}
		if kill {
			child.signal(unix.SIGKILL)
		}
		within(t, "its end", func() bool {
			return stat(observer.pid)[19] != observer.start || stat(observer.pid)[0] == "Z"
		})
		j.end()
		if _, err := os.Stat(shown); (err == nil) == kill {
			t.Errorf("killed: %v; it has shown something: %v", kill, err == nil)
		}
	}
}

// TestObserverJoined reads a file that a sandbox does not have, through the root directory of an
// hk-inspect that was executed in its user namespace before the chain went on. Such a chain is
// refused; the control is one whose caller says that it is to be performed.
func TestObserverJoined(t *testing.T) {
	t.Parallel()
	pid := target(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	j, _, _ := blocked(t, fmt.Sprintf("hk-unshare --force-order --join user,pid=%d", pid))
	read := start(t, fmt.Sprintf("hk-unshare --join user,mnt,pid=%d", pid), "sh", "-c", "cd /; test ! -e "+secret+"; echo hidden $?; cat /proc/[1-9]*/root"+secret+" 2>/dev/null; echo")
	read.await("hidden 0")
	read.await("secret")
	read.end()
	j.Process.Kill()
	j.end()

	for _, next := range []string{"hk-setuser --umask 077", "hk-mount --rootfs /", "hk-seccomp"} {
		j := start(t, fmt.Sprintf("hk-unshare --join user,pid=%d hk-inspect ", pid)+next, "true")
		if got, want := j.end(), "125hk-inspect: processes of the user namespace that hk-unshare joins could trace it before "; !strings.HasPrefix(got, want) {
			t.Errorf("%s: ended with %s; want %s...", next, got, want)
		}
	}
}
