package test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testUser is an ordinary user with subordinate IDs, created for one run. Other runs
// have others.
var testUser = fmt.Sprintf("%s%d", testUsers, os.Getpid())

const testUsers = "hk-test-"

// TestAsUser runs the tests of this package again as an ordinary user: all of them, or
// those that -run names after TestAsUser/. It is the first test, because of the name of
// this file, and lets root's other tests run meanwhile.
func TestAsUser(t *testing.T) {
	if asUser {
		t.Skip("this is the run as an ordinary user")
	}
	if os.Getuid() != 0 {
		t.Skip("the whole run is as an ordinary user")
	}
	require(t, "useradd and newuidmap (packages passwd, uidmap)", have("useradd") && have("newuidmap"))
	removeOldUsers()
	home := "/home/" + testUser
	run(t, "useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", testUser)
	t.Cleanup(removeUser)
	id := credentialOf(t, testUser)
	// Neither the test program nor the scripts are where that user can read.
	self := filepath.Join(bin, "test.exe")
	copyFile(t, os.Args[0], self, 0o755)
	dir := filepath.Join(bin, "script")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(scripts + "/*.txtar")
	if err != nil || len(list) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range list {
		copyFile(t, f, filepath.Join(dir, filepath.Base(f)), 0o644)
	}
	copyFile(t, "../README.md", filepath.Join(bin, "README.md"), 0o644)
	copyFile(t, "../docs/programs.md", filepath.Join(bin, "programs.md"), 0o644)
	copyFile(t, "../docs/debugging.md", filepath.Join(bin, "debugging.md"), 0o644)
	copyFile(t, "../scripts/demo", filepath.Join(bin, "demo"), 0o755)
	args := []string{"-test.count=1", "-test.run=" + asUserOnly(flagValue("run"))}
	for _, name := range []string{"v", "short", "parallel", "timeout"} {
		args = append(args, "-test."+name+"="+flagValue(name))
	}
	// TestAsUser/NAME is a test run as that user.
	args = append(args, "-test.skip="+strings.ReplaceAll(flagValue("skip"), "TestAsUser/", ""))
	cmd := withTun(exec.Command(self, args...))
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HK_TEST_BIN="+bin, "HK_TEST_AS_USER=1", "HOME="+home, "USER="+testUser)
	if cmd.Path == self {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: id}
	} else {
		cmd.Env = append(cmd.Env, fmt.Sprintf("ID=--reuid=%d --regid=%d", id.Uid, id.Gid))
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Parallel() // goes on when root's tests are done, but for those that do the same
	if err := cmd.Wait(); err != nil {
		t.Fatalf("as an ordinary user: %v\n%s", err, &out)
	}
	t.Logf("as an ordinary user:\n%s", &out)
}

func flagValue(name string) string { return flag.Lookup("test." + name).Value.String() }

// asUserOnly is the -run argument for the run as an ordinary user, derived from that of
// this run.
func asUserOnly(run string) string {
	if !strings.Contains(run, "TestAsUser") {
		return run
	}
	depth := 0
	alternatives := strings.FieldsFunc(run, func(r rune) bool {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		return r == '|' && depth == 0
	})
	var list []string
	for _, alternative := range alternatives {
		if rest, ok := strings.CutPrefix(alternative, "TestAsUser/"); ok {
			list = append(list, rest)
		}
	}
	return strings.Join(list, "|")
}

// withTun makes a command see a /dev/net/tun that everybody may use, as created by
// udev, if only root may use that of this machine: in a separate mount namespace, and
// as the user given by ID in the environment.
func withTun(cmd *exec.Cmd) *exec.Cmd {
	fi, err := os.Stat(tun)
	if err != nil || fi.Mode()&0o006 == 0o006 {
		return cmd
	}
	script := `set -e
mount -t tmpfs tmpfs /mnt
mknod -m 666 /mnt/tun c 10 200
mount --bind /mnt/tun ` + tun + `
umount -l /mnt
id=$ID
unset ID
exec setpriv $id --clear-groups "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh"}, cmd.Args...)...)
}

// removeOldUsers removes the users of runs that were killed.
func removeOldUsers() {
	b, _ := os.ReadFile("/etc/passwd")
	for _, line := range strings.Split(string(b), "\n") {
		name, _, _ := strings.Cut(line, ":")
		pid, ok := strings.CutPrefix(name, testUsers)
		if _, err := os.Stat("/proc/" + pid); ok && err != nil {
			exec.Command("userdel", "--remove", name).Run()
		}
	}
}

func removeUser() {
	if os.Getuid() != 0 {
		return
	}
	if _, err := user.Lookup(testUser); err != nil {
		return
	}
	exec.Command("pkill", "-KILL", "-u", testUser).Run()
	for range 20 {
		if exec.Command("userdel", "--remove", testUser).Run() == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, mode); err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
