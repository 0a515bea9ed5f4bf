package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWhyStuck has the payload of hk-why name a file system that never answers, in a call
// for which the kernel does not ask it: hk-why waits once, looks no longer at files, and goes
// on. If it waited for each call, the time would be over before.
func TestWhyStuck(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting FUSE where /dev/fuse is root's")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	require(t, "/dev/fuse", err == nil)
	f.Close()
	dir := t.TempDir()
	const patience = 10 // of hk-why, in seconds
	limit := 3 * patience * slow
	calls := strings.Repeat(`link "$0" new; `, limit/patience+2)
	cmd := exec.Command(filepath.Join(bin, "probe"), "stuck", dir, "/usr/bin/timeout", "-s", "KILL", strconv.Itoa(limit), filepath.Join(bin, "hk-why"),
		"hk-seccomp", "--profile", "none", "--deny", "ptrace", "--", "sh", "-c", calls+"echo goes on", dir)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "PATH="+bin+":/usr/bin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("hk-why: %v", err)
	}
	for _, want := range []string{"goes on\n", "hk-why: unseen: a file system does not answer: files are no longer looked at, and no flags are named\n",
		" = EXDEV: a file system does not answer (PID "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
