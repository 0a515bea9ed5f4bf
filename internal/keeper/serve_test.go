package keeper

import (
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %s has no %q", what, text, w)
		}
	}
}

// TestExit runs a payload that ends, and leaves processes in the group.
func TestExit(t *testing.T) {
	f := start(t, "--memory=64M", "--pids=20")
	cmd, err := f.run("sleep 1000 & (setsid sleep 1000 &) ; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if f.file("cgroup.procs") == "" {
		t.Error("no process is left in the group, so that nothing is tested")
	}
	figures, report := f.end(t, "exited", cmd)
	contains(t, "figures", figures, "reason=exited", "peak_memory=", "oom_kills=0", "peak_pids=")
	contains(t, "report", report, `"reason":"exited","exit_code":3,"wall_us":1000,`, `"memory_source":"cgroup"`, `"oom_kills":0`)
}

// TestOOM tells a kill for want of memory from others.
func TestOOM(t *testing.T) {
	const bomb = "head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null"
	for _, c := range []struct{ name, script, reason string }{
		{"payload", "exec sh -c 'x=1; while :; do x=$x$x; done'", "oom"},
		{"child", "sh -c 'x=1; while :; do x=$x$x; done'; exit $?", "oom"},
		{"child, and the payload copes", "(" + bomb + "); exit 0", "exited"},
		{"plain kill", "kill -9 $$", "signalled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, "--memory=32M", "--swap=0", "--pids=20")
			cmd, err := f.run(c.script)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			reason := "exited"
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
				reason = "signalled"
			}
			figures, report := f.end(t, reason, cmd)
			contains(t, "report", report, `"reason":"`+c.reason+`"`)
			if killed := !strings.Contains(figures, "oom_kills=0"); killed != (c.name != "plain kill") {
				t.Errorf("figures %s", figures)
			}
		})
	}
}

// TestSignal sends a signal to each process of the group, and then ends it.
func TestSignal(t *testing.T) {
	f := start(t, "--pids=20")
	cmd, err := f.run("trap 'exit 7' TERM; (trap 'exit 0' TERM; while :; do sleep 0.1; done) & wait; sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the child runs", func() bool { return len(strings.Fields(f.file("cgroup.procs"))) >= 3 })
	f.send("signal 15")
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("the payload ends with %v; want status 7", cmd.ProcessState)
	}
	_, report := f.end(t, "timeout", cmd)
	contains(t, "report", report, `"reason":"timeout","exit_code":7`)
}

// TestKill ends what ignores every other signal.
func TestKill(t *testing.T) {
	f := start(t, "--pids=20")
	cmd, err := f.run("trap '' TERM; (setsid sh -c 'sleep 1000 & sleep 1000' &); sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "some run", func() bool { return len(strings.Fields(f.file("cgroup.procs"))) >= 3 })
	f.send("kill")
	cmd.Wait()
	soon(t, "the group is empty", func() bool { return f.file("cgroup.procs") == "" })
	_, report := f.end(t, "timeout", cmd)
	contains(t, "report", report, `"reason":"timeout","signal":9`)
}

// TestLate has no supervisor end the payload in time. The keeper does, and if it is not
// told how the payload has ended, it knows that itself.
func TestLate(t *testing.T) {
	for _, hears := range []bool{true, false} {
		t.Run(fmt.Sprint(hears), func(t *testing.T) {
			t.Parallel()
			f := start(t, "--pids=20")
			cmd, err := f.run("trap '' TERM; setsid sleep 1000 & sleep 1000")
			if err != nil {
				t.Fatal(err)
			}
			soon(t, "all run", func() bool { return len(strings.Fields(f.file("cgroup.procs"))) == 3 })
			f.send("executed 1000")
			if word, _, _, err := f.reply(); err != nil || word != "late" {
				t.Fatalf("%s, %v; want late", word, err)
			}
			cmd.Wait()
			if got := cmd.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != unix.SIGKILL {
				t.Errorf("the payload ends with %v; want SIGKILL", cmd.ProcessState)
			}
			if hears {
				_, report := f.end(t, "timeout", cmd)
				contains(t, "report", report, `{"reason":"timeout","signal":9,"wall_us":1000,`)
				return
			}
			if word, text, _, err := f.reply(); err != nil || word != "empty" {
				t.Errorf("%s %s, %v; want empty", word, text, err)
			}
			f.wait(t)
			contains(t, "report", f.read(t), `{"reason":"timeout","wall_us":`, `"oom_kills":`)
		})
	}
}

// TestInTime tells the keeper that the payload has ended: what it has left ends at once,
// and the time is not over later.
func TestInTime(t *testing.T) {
	t.Parallel()
	f := start(t, "--pids=20")
	cmd, err := f.run("sleep 1000 & exit 3")
	if err != nil {
		t.Fatal(err)
	}
	f.send("executed 1")
	cmd.Wait()
	f.send("ended")
	soon(t, "the group is empty", func() bool { return f.file("cgroup.procs") == "" })
	time.Sleep(lateTime + lateTime/4)
	_, report := f.end(t, "exited", cmd)
	contains(t, "report", report, `"reason":"exited","exit_code":3`)
}

func openFiles() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// TestNested removes groups that the payload has made in its own.
func TestNested(t *testing.T) {
	f := start(t, "--memory=64M")
	const deep = 100
	for _, p := range f.paths {
		if err := os.MkdirAll(p+"/other"+strings.Repeat("/a", deep), 0o755); err != nil {
			t.Fatal(err)
		}
		d, err := openDir(p)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		var names []string
		before, most := openFiles(), 0
		err = d.walk(func(at *dir) error {
			names, most = append(names, path.Base(at.path)), max(most, openFiles()-before)
			if at.has("a") != (len(names) > 1 && len(names) <= deep+1) {
				t.Errorf("%s is visited as number %d", at.path, len(names))
			}
			return nil
		})
		if err != nil || len(names) != deep+2 || most > 1 {
			t.Errorf("walk: %v, %d cgroups, %d open at a time; want %d, 1", err, len(names), most, deep+2)
		}
	}
	cmd, err := f.run("sleep 1000 & exit 0")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	f.end(t, "exited", cmd)
}

// TestNotStarted ends the supervisor's connection before there is a payload.
func TestNotStarted(t *testing.T) {
	f := start(t, "--memory=64M")
	f.control.Close()
	f.wait(t)
	if report := f.read(t); report != "" {
		t.Errorf("report %s; want none", report)
	}
}

// TestSupervisorKilled kills the supervisor: the keeper ends the payload, writes the
// report and removes the group.
func TestSupervisorKilled(t *testing.T) {
	v := startVictim(t, "--memory=64M", "--pids=20")
	soon(t, "some processes run", func() bool { return len(v.processes()) > 2*len(v.paths) })
	v.cmd.Process.Kill()
	v.cmd.Wait()
	soon(t, "the group is removed", v.gone)
	soon(t, "the report is written", func() bool {
		b, _ := os.ReadFile(v.report)
		return strings.HasSuffix(string(b), "\n")
	})
	b, _ := os.ReadFile(v.report)
	contains(t, "report", string(b), `{"reason":"killed","wall_us":`, `"memory_source":"cgroup"`)
}

// TestKeeperKilled kills the keeper, and then the supervisor. The next keeper ends what is
// left, but not the group of a keeper that lives.
func TestKeeperKilled(t *testing.T) {
	other := startVictim(t, "--memory=64M", "--pids=20")
	v := startVictim(t, "--memory=64M", "--pids=20")
	soon(t, "some processes run", func() bool { return len(v.processes()) > 2*len(v.paths) })
	if err := unix.Kill(v.keeper, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	v.cmd.Process.Kill()
	v.cmd.Wait()
	soon(t, "the keeper has ended", func() bool { return unix.Kill(v.keeper, 0) != nil })
	time.Sleep(minAge + minAge/10)
	// Another keeper of this machine may have been faster.
	f := start(t, "--pids=20") // which does not use all hierarchies of the other
	soon(t, "the group is removed", v.gone)
	if other.gone() || len(other.processes()) == 0 {
		t.Error("the group of a keeper that lives was ended")
	}
	cmd, err := f.run("exit 0")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	f.end(t, "exited", cmd)
}
