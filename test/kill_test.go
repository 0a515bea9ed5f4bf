package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// killed are chains of every shape; root means that they need root.
var killed = []struct {
	root bool
	fuse string
	line string
}{
	{line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-setuser --caps none"},
	{line: "hk-unshare --all --init hk-idmap --root hk-mount --rootfs / --proc --tmpfs /tmp hk-setuser --caps none"},
	{line: "hk-unshare --user hk-idmap --self"},
	{line: "hk-unshare --setsid"},
	{line: "hk-unshare --user --pid --init hk-inspect --assert env.PATH hk-idmap --root hk-inspect --assert env.PATH hk-setuser --caps none"},
	{line: "hk-unshare --user --time --boottime 7 hk-idmap"},
	{line: "hk-unshare --user hk-idmap --root hk-unshare --pid --init"},
	{line: "hk-unshare --join user,pid,net=$T hk-limit --core 0"},
	{fuse: "0", line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc hk-limit --core 0"},
	{fuse: "0", line: "hk-unshare --all --init hk-idmap --root hk-limit --core 0"},
	{root: true, line: "hk-unshare --pid hk-setuser --user nobody"},
	{root: true, line: "hk-unshare --pid --mount --init hk-mount --rootfs / --proc hk-setuser --user nobody"},
	{root: true, line: "hk-unshare --setsid hk-setuser --user 0:0"},
	{root: true, line: "hk-unshare --pid hk-setuser --caps +sys_ptrace"},
	{root: true, line: "hk-unshare --all hk-idmap -u 0:0:70000 -g 0:0:70000 hk-setuser --user nobody --caps +kill"},
}

// TestKilled kills supervisors at random moments, from before the clone to after the
// payload's start: nothing remains.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, c := range killed {
		if c.root && os.Getuid() != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(c.line, "/", "\\"), func(t *testing.T) {
			t.Parallel()
			line, mark := c.line, aSleep()
			if strings.Contains(line, "$T") {
				line = strings.ReplaceAll(line, "$T", strconv.Itoa(target(t)))
			}
			words := append(strings.Fields(line), "--", "/usr/bin/sleep", mark)
			for range max(45/slow, 3) {
				cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
				cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + c.fuse}
				cmd.Dir = "/"
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(rand.IntN(slow*12000)) * time.Microsecond)
				cmd.Process.Kill()
				cmd.Wait()
			}
			end := time.Now().Add(time.Duration(10*slow) * time.Second)
			for left := withArgument(mark); len(left) > 0; left = withArgument(mark) {
				if time.Sleep(5 * time.Millisecond); time.Now().Before(end) {
					continue
				}
				for _, p := range left {
					wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.pid))
					t.Errorf("process %d, %s, is still there: %s in %s, child of %s", p.pid, p.program(), p.status("State"), wchan, p.status("PPid"))
					p.signal(unix.SIGKILL)
				}
				return
			}
		})
	}
}

// TestKilledOutlives is the control: a payload that should outlive its supervisor does
// so.
func TestKilledOutlives(t *testing.T) {
	t.Parallel()
	mark := aSleep()
	cmd := exec.Command(filepath.Join(bin, "hk-unshare"), "--setsid", "--outlive", "--", "/usr/bin/sleep", mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, "the payload runs", func() bool {
		list := withArgument(mark)
		return len(list) == 2 && (list[0].program() == "sleep" || list[1].program() == "sleep")
	})
	cmd.Process.Kill()
	cmd.Wait()
	left := withArgument(mark)
	if len(left) != 1 || left[0].program() != "sleep" {
		t.Errorf("left: %v", left)
	}
	for _, p := range left {
		p.signal(unix.SIGKILL)
	}
	within(t, "it has ended", func() bool { return len(withArgument(mark)) == 0 })
}

// withArgument lists the processes with an argument that equals it, or ends in it.
func withArgument(mark string) (list []process) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, n := range names {
		b, _ := os.ReadFile(n)
		if bytes.HasSuffix(b, []byte("\x00"+mark+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(n)))
			list = append(list, newProcess(pid))
		}
	}
	return list
}
