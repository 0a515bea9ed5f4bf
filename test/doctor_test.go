package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDoctorHangs has a directory of PATH, and what a chain mounts, be a file system whose
// server never answers. Without a deadline, the answer would never come either.
func TestDoctorHangs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting FUSE where /dev/fuse is root's")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	require(t, "/dev/fuse", err == nil)
	f.Close()
	dir := t.TempDir()
	for _, c := range []struct {
		name, path string
		args, want []string
	}{
		{"PATH", dir + ":" + bin + ":/usr/bin:/bin", []string{"hk-seccomp"}, []string{"  no    look at " + dir + "\n", "[no-answer]", "  yes   filter system calls\n"}},
		{"a chain", bin + ":/usr/bin:/bin", []string{"--", "hk-mount", "--rootfs", "/", "--ro", dir + ":/x", "--", "true"},
			[]string{"  no    plan the chain\n        cause:  it has not ended within 500ms [no-answer]\n"}},
	} {
		cmd := exec.Command(filepath.Join(bin, "probe"), append([]string{"stuck", dir, "/usr/bin/timeout", "60", filepath.Join(bin, "hk-doctor"), "--timeout", "500ms"}, c.args...)...)
		cmd.Env = append(os.Environ(), "PATH="+c.path)
		begin := time.Now()
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("%s: exit status %d after %v; want 1\n%s", c.name, code, time.Since(begin), out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, out)
			}
		}
	}
}
