package test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gone waits until no process has the word in its command line.
func gone(t *testing.T, line, word string) {
	t.Helper()
	for n := 0; running(word); n++ {
		if n == slow*500 {
			killWith(word)
			t.Fatalf("%s: still runs", line)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// killWith kills the processes that have the word in their command line.
func killWith(word string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		p := newProcess(atoi(filepath.Base(filepath.Dir(f))))
		if b, _ := os.ReadFile(f); strings.Contains(string(b), word) {
			p.signal(unix.SIGKILL)
		}
	}
}

// sleeping is a payload that reports that it runs, and has word in its command line.
func sleeping(word string) []string { return []string{"sh", "-c", `echo up; exec sleep "$0"`, word} }

// aSleep is a sleeping time that no other process uses.
func aSleep() string { return fmt.Sprintf("1106.%d%08d", os.Getpid(), rand.IntN(1e8)) }

// TestKilledStarts kills the process that was started at any moment. Nothing that it
// has created remains.
func TestKilledStarts(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		word := aSleep()
		started := 0
		for range max(50/slow, 10) {
			j := start(t, line, sleeping(word)...)
			time.Sleep(time.Duration(rand.IntN(slow * 15e6)))
			j.Process.Kill()
			j.end()
			if text, _ := j.out.ReadString('\n'); text != "" {
				started++
			}
		}
		t.Logf("%d payloads had started", started)
		gone(t, line, word)
	})
}

// dependent is the chain with --die-with-parent.
func dependent(line, flag string) string {
	if strings.Contains(line, "hk-unshare") {
		return strings.Replace(line, "hk-unshare", "hk-unshare "+flag, 1)
	}
	return prefix("hk-unshare "+flag, line)
}

// TestDieWithParent kills the parent of a chain.
func TestDieWithParent(t *testing.T) {
	t.Parallel()
	lines := []string{"HK_FUSE=0 hk-unshare hk-limit --core 0 hk-limit --nofile 64"}
	if os.Getuid() == 0 {
		lines = append(lines, "hk-unshare hk-setuser --user nobody", "hk-unshare --mount hk-setuser --caps none",
			"HK_FUSE=0 hk-unshare --mount hk-setuser --user nobody", "HK_FUSE=0 hk-unshare --mount hk-setuser --user nobody hk-limit --core 0")
	}
	for _, s := range shapes {
		if canRun(s.line, s.root) {
			lines = append(lines, s.line)
		}
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			dieWithParent(t, line)
		})
	}
}

func dieWithParent(t *testing.T, line string) {
	for _, c := range []struct {
		flag string
		dies bool
	}{{"--die-with-parent", true}, {"--die-with-parent=$$", true}, {"--die-with-parent-process", true}, {"--keyring", false}} {
		chain := dependent(line, c.flag)
		word := aSleep()
		parent := exec.Command("sh", "-c", "env "+chain+` sh -c 'echo up; exec sleep "$0"' `+word+" & wait")
		parent.Env = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1")
		parent.Dir = "/"
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		parent.Stdout = w
		err = parent.Start()
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		r.SetReadDeadline(time.Now().Add(time.Duration(slow) * 20 * time.Second))
		out := bufio.NewReader(r)
		if text, err := out.ReadString('\n'); text != "up\n" {
			t.Errorf("%s: %q, %v; want up", chain, text, err)
		}
		parent.Process.Kill()
		parent.Wait()
		if c.dies {
			gone(t, chain, word)
		} else { // in the midst of an execve it has no words
			within(t, chain+": lives on without the flag", func() bool { return running(word) })
		}
		killWith(word)
		r.Close()
	}
}

// TestDieWithParentRace kills the parent at any moment of the start. The parent's PID
// is given to the chain, which could not detect a parent that ended before it checked.
func TestDieWithParentRace(t *testing.T) {
	t.Parallel()
	eachShape(t, func(t *testing.T, line string) {
		word := aSleep()
		chain := dependent(line, "--die-with-parent=$$")
		for range max(30/slow, 5) {
			parent := exec.Command("sh", "-c", "env "+chain+" sleep "+word+" & wait")
			parent.Env = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1")
			parent.Dir = "/"
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rand.IntN(slow * 15e6)))
			parent.Process.Kill()
			parent.Wait()
		}
		gone(t, chain, word)
	})
}

// TestDescriptors has the payload close the only descriptor of a pipe that was for it:
// the reader sees the end of file, whatever else still runs.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	lines := []string{}
	for _, s := range shapes {
		if canRun(s.line, s.root) {
			lines = append(lines, s.line)
		}
	}
	if hasPasta() {
		lines = append(lines, "hk-unshare --user --net hk-idmap --root hk-net --pasta")
	}
	for _, line := range lines {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.SetReadDeadline(time.Now().Add(time.Duration(slow) * 20 * time.Second))
		j := newJob(t, line, "sh", "-c", "echo mine >&3; exec 3>&-; exec sleep 1109")
		j.ExtraFiles = []*os.File{w}
		j.begin()
		w.Close()
		if b, err := io.ReadAll(r); string(b) != "mine\n" || err != nil {
			t.Errorf("%s: read %q, %v; want mine, and the end", line, b, err)
		}
		r.Close()
		j.Process.Signal(syscall.SIGTERM)
		if got := j.end(); got != "SIGTERM" {
			t.Errorf("%s: ended with %s; want SIGTERM", line, got)
		}
	}
}

// TestKeepFD checks which of the caller's descriptors the processes above the payload
// have open.
func TestKeepFD(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flags, above, payload string }{
		{"--setsid", "", "3 4 5"},
		{"--setsid --keep-fd 4", "4", "3 4 5"},
		{"--setsid --keep-fd 3 --keep-fd=5", "3 5", "3 4 5"},
		{"--setsid --keep-fd 4 --close-fds", "4", ""},
		{"--setsid --close-fds=3", "", "3"},
		{"--user --pid --init --keep-fd 4", "4", "3 4 5"},
		{"--user --pid --init", "", "3 4 5"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		j := newJob(t, "hk-unshare "+c.flags, "sh", "-c", "echo up; read x")
		j.ExtraFiles = []*os.File{w, w, w}
		stdin, end, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		j.Stdin = stdin
		j.begin()
		stdin.Close()
		j.await("up")
		var payload int
		within(t, fmt.Sprintf("%s: above the payload there is %q", c.flags, c.above), func() bool {
			payload = j.Process.Pid
			var above []string
			for {
				list := strings.Fields(children(payload))
				if len(list) == 0 {
					break
				}
				above = append(above, holds(payload, w)...)
				payload = atoi(list[0])
			}
			// An ordinary user may not inspect the supervisor's.
			return strings.Join(above, " ") == c.above || os.Getuid() != 0
		})
		if got := strings.Join(holds(payload, w), " "); got != c.payload {
			t.Errorf("%s: the payload has %q; want %q", c.flags, got, c.payload)
		}
		end.Close()
		w.Close()
		r.Close()
		j.end()
	}
}

func children(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	return string(b)
}

// holds lists the descriptors of a process that refer to a file of the test.
func holds(pid int, file *os.File) (list []string) {
	want, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, _ := os.ReadDir(dir)
	for _, n := range names {
		if to, _ := os.Readlink(dir + "/" + n.Name()); to == want {
			list = append(list, n.Name())
		}
	}
	return list
}
