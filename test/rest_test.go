package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rests are chains of programs that execute one another. During most of their start,
// stages are the payload of a supervisor, some of them as PID 1.
var rests = []string{
	"HK_FUSE=0 hk-unshare --user --pid hk-idmap --root hk-limit --core 0 hk-limit --core 0 hk-setuser --no-new-privs",
	"HK_FUSE=0 hk-unshare --user --pid --init hk-idmap --root hk-limit --core 0 hk-setuser --no-new-privs",
	"hk-unshare --user --pid hk-idmap --root hk-unshare --pid hk-setuser --caps none",
	"hk-unshare --user --pid hk-inspect --assert env.PATH hk-idmap --root hk-inspect --assert env.PATH hk-limit --core 0",
	"hk-unshare --user --pid --setsid hk-idmap --root hk-unshare --pid --init hk-unshare --pid",
}

// TestSignalInRest ends chains at any moment of their start: by a signal to the process
// that was started, and, as from a terminal, to its whole process group. Each chain
// ends by that signal.
func TestSignalInRest(t *testing.T) {
	t.Parallel()
	rounds := 45
	if testing.Short() {
		rounds = 9
	}
	for _, line := range rests {
		for _, group := range []bool{false, true} {
			if group && strings.Contains(line, "--setsid") {
				continue
			}
			t.Run(fmt.Sprintf("%s, group: %v", line, group), func(t *testing.T) {
				t.Parallel()
				for i := range rounds {
					signalInRest(t, line, group, []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP}[i%3])
				}
			})
		}
	}
}

func signalInRest(t *testing.T, line string, group bool, sig unix.Signal) {
	j := start(t, line, "sleep", "1106")
	time.Sleep(time.Duration(slow) * time.Duration(2000+rand.IntN(14000)) * time.Microsecond)
	to := j.Process.Pid // not waited for yet
	if group {
		to = -to
	}
	unix.Kill(to, sig)
	if got, want := j.end(), signalName(sig); got != want {
		t.Errorf("%s: to its group: %v: ended with %s; want %s", line, group, got, want)
	}
}

// TestSignalInStage ends a chain while a later stage waits for a filter on its standard
// input, as PID 1 and below an init. The payload does not start.
func TestSignalInStage(t *testing.T) {
	t.Parallel()
	for _, init := range []string{"", " --init"} {
		for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
			line := "HK_FUSE=0 hk-unshare --user --pid" + init + " hk-idmap --root hk-limit --core 0 hk-seccomp --profile -"
			j := newJob(t, line, "echo", "started")
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			j.Stdin = r
			j.begin()
			r.Close()
			above := newProcess(j.Process.Pid)
			within(t, "a stage that reads: "+line, func() bool {
				for _, p := range append(above.children(), grandchildren(above)...) {
					if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.pid)); strings.HasPrefix(string(b), fmt.Sprintf("%d 0x0 ", unix.SYS_READ)) {
						return true
					}
				}
				return false
			})
			j.Process.Signal(sig)
			if got, want := j.end(), signalName(sig); got != want {
				t.Errorf("%s: ended with %s; want %s", line, got, want)
			}
			if text, _ := j.out.ReadString('\n'); text != "" {
				t.Errorf("%s: the payload started: %q", line, text)
			}
		}
	}
}

// TestSupervisorGoneInRest kills a supervisor while a later stage has just changed its
// user ID, which clears the parent-death signal. The payload, which would be PID 1 and
// so would have no parent to check, does not start. The control is a chain whose
// supervisor is not killed.
func TestSupervisorGoneInRest(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	if os.Getuid() != 0 {
		t.Skip("a chain of root's")
	}
	for _, init := range []string{"", " --init"} {
		for _, kill := range []bool{false, true} {
			dir := openDir(t)
			ran := filepath.Join(dir, "ran")
			line := "HK_FUSE=0 strace -D -f -qq -o /dev/null -e trace=setresuid -e inject=setresuid:delay_exit=" + fmt.Sprint(500000*slow) +
				" hk-unshare --pid" + init + " hk-setuser --user 65534 --caps none"
			j := start(t, line, "touch", ran)
			above := newProcess(j.Process.Pid)
			var child process
			within(t, line+": a child that has changed its user ID", func() bool {
				for _, p := range append(above.children(), grandchildren(above)...) {
					if strings.Contains(p.status("Uid"), "65534") && p.start != "" {
						child = p
					}
				}
				return child.pid != 0
			})
			if kill {
				above.signal(unix.SIGKILL)
			}
			within(t, fmt.Sprintf("%s: the end of process %d, killed: %v", line, child.pid, kill), func() bool {
				return stat(child.pid)[19] != child.start || stat(child.pid)[0] == "Z"
			})
			j.end()
			if _, err := os.Stat(ran); (err == nil) == kill {
				t.Errorf("%s: killed: %v; the payload ran: %v", line, kill, err == nil)
			}
		}
	}
}

func grandchildren(p process) (list []process) {
	for _, c := range p.children() {
		list = append(list, c.children()...)
	}
	return list
}

// TestSignalFiltered ends chains whose supervisor may not send signals with
// pidfd_send_signal(2), because a surrounding filter denies it. The control is that the
// filter is loaded.
func TestSignalFiltered(t *testing.T) {
	t.Parallel()
	const filter = "hk-seccomp --profile none --deny pidfd_send_signal env "
	for _, line := range []string{"hk-unshare --user --pid hk-idmap --root", "hk-unshare --user --pid --init hk-idmap --root", "hk-unshare --setsid"} {
		j := start(t, filter+line, "sh", "-c", "trap 'echo handled; exit 7' TERM; grep Seccomp_filters /proc/self/status; while :; do sleep 0.02; done")
		if text, err := j.out.ReadString('\n'); err != nil || strings.HasSuffix(text, "\t0\n") {
			t.Fatalf("%s: %q, %v; want a filter", line, text, err)
		}
		j.Process.Signal(unix.SIGTERM)
		j.await("handled")
		if got := j.end(); got != "7" {
			t.Errorf("%s: ended with %s; want 7", line, got)
		}
	}
}
