package test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A session is a shell that runs a script on its own terminal. What it writes to
// descriptor 9 is read line by line.
type session struct {
	*exec.Cmd
	t    *testing.T
	keys *os.File
	out  *bufio.Reader
	said strings.Builder
}

func newSession(t *testing.T, script string) *session {
	t.Helper()
	ptmx, tty := newTerminal(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	limit := time.Now().Add(time.Duration(slow) * 30 * time.Second)
	r.SetReadDeadline(limit)
	s := &session{t: t, keys: ptmx, out: bufio.NewReader(r)}
	s.Cmd = exec.Command("bash", "--norc", "-c", script)
	s.Env = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1", "PS1=")
	s.Dir = "/"
	s.Stdin, s.Stdout, s.Stderr = tty, tty, tty
	s.ExtraFiles = []*os.File{w, w, w, w, w, w, w} // 9 is the last one
	s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	err = s.Start()
	w.Close()
	tty.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // the screen
		buf := make([]byte, 4096)
		for {
			if _, err := ptmx.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.Process.Kill()
		s.Wait()
		r.Close()
	})
	return s
}

// await reads lines until one is want.
func (s *session) await(want string) {
	s.t.Helper()
	for {
		line, err := s.out.ReadString('\n')
		s.said.WriteString(line)
		if strings.TrimSpace(line) == want {
			return
		}
		if err != nil {
			s.t.Fatalf("%s:\ngot %q, %v; want %q", s.Args[3], s.said.String(), err, want)
		}
	}
}

func (s *session) types(keys string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// hasState reports whether a payload, sh -c SCRIPT WORD, has the wanted state.
func hasState(word, state string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		words := strings.Split(string(b), "\x00")
		if len(words) < 4 || words[0] != "sh" || words[3] != word {
			continue
		}
		stat, _ := os.ReadFile(filepath.Dir(f) + "/stat")
		if i := strings.LastIndexByte(string(stat), ')'); i > 0 && strings.HasPrefix(strings.ToUpper(string(stat[i:])), ") "+state) {
			return true
		}
	}
	return false
}

// TestKeys types the keys that end a job: it ends as the payload would without the
// chain.
func TestKeys(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		for _, c := range []struct{ keys, want string }{
			{"\x03", "status 130"}, // Ctrl-C
			{"\x1c", "status 131"}, // Ctrl-\
		} {
			s := newSession(t, "trap : INT QUIT; "+environment(line)+" sh -c 'echo up >&9; read x; echo on >&9'; echo status $? >&9")
			s.await("up")
			s.types(c.keys)
			s.await(c.want)
		}
		// The shell of a script waits for what it has started, and all of that receives
		// the key.
		s := newSession(t, "trap : INT; "+environment(line)+" sh -c 'cat >&9; echo on >&9'; echo status $? >&9")
		s.types("ready\n")
		s.await("ready")
		s.types("\x03")
		s.await("status 130")
		if strings.Contains(s.said.String(), "on\n") {
			t.Errorf("%s: the script went on", line)
		}
	})
}

// TestHangup closes the terminal of a job: of one in a session led by a shell, and of
// one that leads the session.
func TestHangup(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		for i, end := range []string{"%s; true", "exec %s"} {
			word := fmt.Sprintf("hk-test-marker-%d-%d-%p", os.Getpid(), i, t)
			s := newSession(t, fmt.Sprintf(end, environment(line)+" sh -c 'echo up >&9; sleep 1105' "+word))
			s.await("up")
			s.keys.Close()
			if text, err := s.out.ReadString('\n'); err != io.EOF || text != "" {
				t.Errorf("%s: %q, %v; want the end", s.Args[3], text, err)
			}
			s.Wait()
			for n := 0; running(word); n++ {
				if n == slow*500 {
					t.Fatalf("%s: still runs", s.Args[3])
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
}

// running reports whether the command line of any process contains the word.
func running(word string) bool {
	return anyProcess(func(words string) bool { return strings.Contains(words, word) })
}

// anyProcess reports whether a function is true for the command line of any process,
// with spaces between its words.
func anyProcess(is func(words string) bool) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	return slices.ContainsFunc(files, func(f string) bool {
		b, _ := os.ReadFile(f)
		return is(strings.ReplaceAll(string(b), "\x00", " "))
	})
}

// environment is a chain for a shell.
func environment(line string) string { return "env " + line }

// TestJobControl stops a job with Ctrl-Z, and continues it in the foreground. The shell
// notices both, and the payload stops, whatever the chain.
func TestJobControl(t *testing.T) {
	eachShape(t, jobControl)
	eachTraced(t, jobControl)
}

// TestStopsAgain has a supervisor that has stopped together with the processes it
// traces check whether there is something to do, because of a SIGCHLD. It stops again,
// otherwise the shell would wait for it forever.
func TestStopsAgain(t *testing.T) {
	t.Parallel()
	eachTraced(t, func(t *testing.T, line string) {
		s := newSession(t, "set -m; "+environment(line)+` sh -c 'echo up >&9; read x; echo got $x >&9; exit 5'; echo status $? >&9
			read x; `+fgTwice)
		s.await("up")
		s.types("\x1a")
		s.await("status 147")
		supervisor := newProcess(s.Process.Pid).children()[0]
		for range 3 {
			supervisor.signal(unix.SIGCHLD)
			time.Sleep(time.Duration(slow) * 200 * time.Millisecond)
			within(t, line+": a supervisor that has stopped again", func() bool { return stat(supervisor.pid)[0] == "T" })
		}
		// A shell that has just seen it continue sends no SIGCONT for fg.
		for i := range 40 {
			supervisor.signal(unix.SIGCHLD)
			time.Sleep(time.Duration(slow) * 5 * time.Millisecond)
			if i == 20 {
				s.types("on\n")
			}
		}
		time.Sleep(time.Duration(slow) * 100 * time.Millisecond)
		s.types("hello\n")
		s.await("got hello")
		s.await("status 5")
		s.onceMore()
	})
}

// fgTwice is a script that tells the status of a job which goes on in the foreground. If
// the job stops again it says so, and has it go on once more.
const fgTwice = "fg; s=$?; case $s in 147|149) echo again >&9; fg; s=$?;; esac; echo status $s >&9"

var stoppedAgain atomic.Int32

// onceMore counts the jobs that have stopped again after fg, which one in a thousand may
// (hk-chain(7)).
func (s *session) onceMore() {
	s.t.Helper()
	if strings.Contains(s.said.String(), "again\n") {
		s.t.Log("the job has stopped again after fg")
		if n := stoppedAgain.Add(1); n > 1 {
			s.t.Errorf("%s: %d jobs have stopped again after fg; want 1 at the most", s.Args[3], n)
		}
	}
}

func jobControl(t *testing.T, line string) {
	word := fmt.Sprintf("hk-test-marker-%d-%p", os.Getpid(), t)
	s := newSession(t, "set -m; "+environment(line)+` sh -c 'echo up >&9; read x; echo got $x >&9; exit 5' `+word+`; echo status $? >&9
		read x; `+fgTwice)
	s.await("up")
	for range 2 {
		if !hasState(word, "S") {
			time.Sleep(time.Duration(slow) * 100 * time.Millisecond)
		}
	}
	s.types("\x1a")
	line, err := s.out.ReadString('\n')
	if line = strings.TrimSpace(line); line != "status 147" && line != "status 148" {
		t.Fatalf("%s: %q, %v; want status 147 or 148", s.Args[3], line, err)
	}
	if !hasState(word, "T") {
		t.Errorf("%s: the payload has not stopped", s.Args[3])
	}
	s.types("on\n")
	for range slow * 250 {
		if hasState(word, "S") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.types("hello\n")
	s.await("got hello")
	s.await("status 5")
	s.onceMore()
}

// TestBackgroundRead has a background job read from the terminal, which stops it.
func TestBackgroundRead(t *testing.T) {
	eachShape(t, func(t *testing.T, line string) {
		if strings.Contains(line, "--setsid") {
			t.Skip("a terminal stops nobody in another session")
		}
		s := newSession(t, "set -m; "+environment(line)+` sh -c 'echo up >&9; read x; echo got $x >&9; exit 5' &
			until jobs | grep -q Stopped; do sleep 0.05; done; echo stopped >&9; `+fgTwice)
		s.await("stopped")
		time.Sleep(time.Duration(slow) * 100 * time.Millisecond)
		s.types("hello\n")
		s.await("got hello")
		s.await("status 5")
		s.onceMore()
	})
}

// TestForeground has the payload be an interactive shell, which takes the terminal's
// foreground. The script that has run it can read afterwards.
func TestForeground(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		s := newSession(t, environment(line)+" bash --norc --noediting -i; echo status $? >&9; read x; echo read $x >&9")
		s.types("echo up >&9\n")
		s.await("up")
		s.types("exit 4\n")
		s.await("status 4")
		s.types("hello\n")
		s.await("read hello")
	})
}

// TestKeyBeforeBlocked types Ctrl-C while the supervisor is stopped. The payload is PID
// 1 and so is not terminated; then it blocks the signal for a moment, during which the
// supervisor checks it: the supervisor ends the payload when the signal is no longer
// blocked.
func TestKeyBeforeBlocked(t *testing.T) {
	t.Parallel()
	require(t, "perl (package perl-base)", have("perl"))
	program := fmt.Sprintf(`use POSIX; open(O, ">&=9"); sub say { syswrite(O, "$_[0]\n") } my $set = POSIX::SigSet->new(SIGINT);
		say("up"); select(undef, undef, undef, %d); sigprocmask(SIG_BLOCK, $set); say("blocked");
		select(undef, undef, undef, 0.4); sigprocmask(SIG_UNBLOCK, $set); sleep 1109`, slow)
	for _, line := range []string{"hk-unshare --user --pid hk-idmap --root", "hk-unshare --user --pid hk-idmap --root hk-unshare --pid"} {
		s := newSession(t, "trap : INT; "+environment(line)+" perl -e '"+program+"'; echo status $? >&9")
		s.await("up")
		var above []process
		for p := newProcess(s.Process.Pid); ; {
			next := slices.DeleteFunc(p.children(), func(c process) bool { return !strings.Contains(c.program(), "hk-unshare") }) // or a copy of it in memory
			if len(next) == 0 {
				break
			}
			p = next[0]
			above = append(above, p)
			p.signal(unix.SIGSTOP)
			within(t, "a supervisor that is stopped", func() bool { return stat(p.pid)[0] == "T" })
		}
		s.types("\x03")
		s.await("blocked")
		for _, p := range above {
			p.signal(unix.SIGCONT)
		}
		s.await("status 130")
	}
}
