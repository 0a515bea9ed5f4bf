package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhyStuck has the payload of hk-why name a file system that never answers, in a call
// for which the kernel does not ask it: hk-why looks no longer at files, and goes on.
func TestWhyStuck(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting FUSE where /dev/fuse is root's")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	require(t, "/dev/fuse", err == nil)
	f.Close()
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "probe"), "stuck", dir, "/usr/bin/timeout", "-s", "KILL", "120", filepath.Join(bin, "hk-why"),
		"hk-seccomp", "--profile", "none", "--deny", "ptrace", "--", "sh", "-c", `link "$0" new; link "$0" other; echo goes on`, dir)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "PATH="+bin+":/usr/bin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("hk-why: %v", err)
	}
	for _, want := range []string{"goes on\n", "hk-why: unseen: a file system does not answer: files are no longer looked at, and no flags are named\n",
		" = EXDEV: a file system does not answer\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
