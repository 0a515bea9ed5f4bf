package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDemo runs the commands that scripts/demo prints, as root and as an ordinary user:
// each prints what the demo says and, without its chain, something else.
func TestDemo(t *testing.T) {
	demo := filepath.Join(bin, "demo")
	if !asUser {
		sources(t)
		demo = "../scripts/demo"
	}
	for _, p := range []string{"id", "uname", "ls", "grep"} {
		require(t, p, have(p))
	}
	cmd := exec.Command(demo, bin)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HK_FUSE=")
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	_, path, ok := strings.Cut(string(b), "\n# To paste the command: PATH=")
	if path = strings.TrimSpace(path); !ok || path != bin+":$PATH" {
		t.Errorf("PATH is to be %q", path)
	}
	parts := regexp.MustCompile(`(?s)# User (\d+) runs[^\n]*\n(.*?)# which prints\n(.*?)\n\n`).FindAllStringSubmatch(string(b), -1)
	users := 1
	if os.Getuid() == 0 {
		users = 2
	}
	if len(parts) != users {
		t.Fatalf("%d commands; want %d\n%s", len(parts), users, b)
	}
	for _, p := range parts {
		user, command, prints := uint32(atoi(p[1])), p[2], p[3]+"\n"
		dir, err := os.MkdirTemp("/tmp", "hk-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.WriteFile(dir+"/hello.c", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		os.Chown(dir, int(user), -1)
		as := func(words ...string) string {
			cmd := exec.Command(words[0], words[1:]...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LC_ALL=C", "HK_FUSE=")
			if int(user) != os.Getuid() {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
			}
			out, _ := cmd.CombinedOutput()
			return string(out)
		}
		if out := as("sh", "-c", command); out != prints {
			t.Errorf("user %d: pasted, the command prints\n%swant\n%s", user, out, prints)
		}
		_, payload, ok := strings.Cut(command, " -- ")
		if !ok {
			t.Fatalf("no payload in\n%s", command)
		}
		if out := as("sh", "-c", strings.ReplaceAll(payload, "touch /etc/x", ":")); strings.Contains(out, "\nsandbox\n") || !strings.Contains(out, "\nNoNewPrivs:\t0\n") {
			t.Errorf("user %d: without the chain it prints\n%s", user, out)
		}
		for _, want := range []string{
			"uid=" + p[1], "\nsandbox\n", "\nhello.c\n", "\nls: cannot access '" + os.Getenv("HOME") + "'",
			"touch: cannot touch '/etc/x': Read-only file system\n", "\n/proc/1\n", "\n    lo:", "\n256\n",
			"\nCapEff:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
		} {
			if !strings.Contains(prints, want) {
				t.Errorf("user %d: no %q in\n%s", user, want, prints)
			}
		}
	}
}
