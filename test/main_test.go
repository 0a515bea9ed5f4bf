// Package test has the tests that run the programs: scripts that read like a shell
// session, comparisons of the plan with strace, and of fused chains with chains of
// programs that execute one another. They run as root and as an ordinary user.
package test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bin is where the programs under test are: in the directory HK_TEST_BIN if they were
// built before, or in a new one.
var bin = os.Getenv("HK_TEST_BIN")

// slow is how many times slower than usual the machine is, given by HK_TEST_SLOW for an
// emulated one: waiting times are multiplied by it.
var slow = max(1, atoi(os.Getenv("HK_TEST_SLOW")))

// own is a word that is in the environment of everything that this run starts, and of
// no other process: processes and files with that word are ours.
var own = os.Getenv("HK_TEST_OWN")

// asUser says that this is the run as an ordinary user within a run as root.
var asUser = os.Getenv("HK_TEST_AS_USER") == "1"

// buildIn is for a machine without Go. GOARCH says for which architecture.
var buildIn = flag.String("build", "", "build the programs of the tests in this directory, for HK_TEST_BIN, and test nothing")

// scripts is where the scripts are.
var scripts = "testdata/script"

var stages = []string{"unshare", "idmap", "mount", "net", "setuser", "limit", "landlock", "seccomp", "inspect"}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func TestMain(m *testing.M) {
	if os.Getenv("HK_TEST_LIBRARY") != "" {
		os.Exit(libraryProgram())
	}
	flag.Parse()
	// nohup(1), or the & of a shell without job control, makes children ignore these
	// signals, and no shell can trap a signal that was ignored when it started. Signals
	// that are caught here are not ignored in children.
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	// Nor do they get descriptors that somebody has left open: scripts count on 3 and above.
	closeInherited()
	// Most of what runs concurrently waits.
	if slow == 1 && flagValue("parallel") == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
	switch {
	case *buildIn != "":
		bin = *buildIn
		if err := build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case asUser:
		scripts = filepath.Join(bin, "script")
		os.Exit(m.Run())
	default:
		os.Exit(outer(m))
	}
}

func outer(m *testing.M) int {
	own = fmt.Sprintf("hk-test-own-%d-", os.Getpid())
	os.Setenv("HK_TEST_OWN", own)
	tmp, err := os.MkdirTemp("/tmp", "hk-test-tmp-")
	if err == nil {
		err = os.Chmod(tmp, 0o777|os.ModeSticky)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("TMPDIR", tmp)
	defer os.RemoveAll(tmp)
	if bin == "" {
		if bin, err = os.MkdirTemp("/tmp", "hk-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		if err := build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	before := machine()
	code := m.Run()
	removeUser()
	files, _ := filepath.Glob(tmp + "/*")
	// Testscript leaves its directory there, empty, if not all scripts are run.
	files = slices.DeleteFunc(files, func(f string) bool {
		return strings.Contains(f, "/go-test-script") && os.Remove(f) == nil
	})
	for _, left := range append(leftovers(before), files...) {
		fmt.Fprintln(os.Stderr, "the tests left behind:", left)
		code = 1
	}
	return code
}

// The entry point of programs that are built by the Makefile, and their settings of the
// Go runtime.
const (
	entry        = "hk/internal/entry.start"
	forwardEntry = "hk/internal/forward.start"
	godebug      = "updatemaxprocs=0,containermaxprocs=0,disablethp=1"
)

// build builds the programs, under all their names, and the programs that tests run
// inside sandboxes.
func build() error {
	if err := os.Chmod(bin, 0o755); err != nil {
		return err
	}
	for _, b := range []struct{ out, pkg, arch, flags string }{
		{"hk-unshare", "../cmd/hk-unshare", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug}, {"plain/hk-unshare", "../cmd/hk-unshare", "", ""},
		{"hk-run", "../cmd/hk-run", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-bwrap", "../cmd/hk-bwrap", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-why", "../cmd/hk-why", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-doctor", "../cmd/hk-doctor", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-bisect", "../cmd/hk-bisect", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-learn", "../cmd/hk-learn", "", "-E " + entry + " -X runtime.godebugDefault=" + godebug},
		{"hk-run-template", "../cmd/hk-run-template", "", "-X runtime.godebugDefault=" + godebug},
		{"hk-cgroup-keeper", "../cmd/hk-cgroup-keeper", "", "-X runtime.godebugDefault=" + godebug},
		{"hk-net-forward", "../cmd/hk-net-forward", "", "-E " + forwardEntry + " -X runtime.godebugDefault=" + godebug},
		{"plain/hk-net-forward", "../cmd/hk-net-forward", "", ""},
		{"probe", "./probe", "", ""}, {"probe386", "./probe", "386", ""},
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildmode=exe", "-ldflags", b.flags, "-o", filepath.Join(bin, b.out), b.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b.arch != "" {
			cmd.Env = append(cmd.Env, "GOARCH="+b.arch)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %v\n%s", b.pkg, err, out)
		}
	}
	// A separate root for the following, with and without a procfs.
	for name, line := range map[string]string{
		"box":  `exec hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / "$@"`,
		"pbox": `exec hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+line+"\n"), 0o755); err != nil {
			return err
		}
	}
	if err := os.CopyFS(filepath.Join(bin, "profiles"), os.DirFS("../profiles")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, "fstab"), []byte(fstab), 0o644); err != nil {
		return err
	}
	for _, s := range stages[1:] {
		for _, dir := range []string{bin, filepath.Join(bin, "plain")} {
			if err := os.Link(filepath.Join(dir, "hk-unshare"), filepath.Join(dir, "hk-"+s)); err != nil {
				return err
			}
		}
	}
	return nil
}

const fstab = `# For the test of --explain.
/etc     /data\040of   none   rbind,ro,noexec     0 0
tmpfs    /run          tmpfs  size=1M,mode=1777   0 0
proc     /proc         proc   defaults            0 0
scratch  /run/scratch  ramfs  nodiratime,ro       0 0
`

// machine is what a test could leave behind, and what is named after this run. It does
// not include what other processes create and remove.
func machine() []string {
	var list []string
	ours := func(text string) bool {
		return strings.Contains(text, own) || strings.Contains(text, testUser)
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, line := range strings.Split(string(mounts), "\n") {
		// Mount points of automounts.
		if f := strings.Fields(line); len(f) > 4 && !strings.HasPrefix(f[4], "/run/") && !strings.HasPrefix(f[4], "/var/") {
			list = append(list, "mount: "+line)
		}
	}
	for _, file := range []string{"/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid"} {
		b, _ := os.ReadFile(file)
		for _, line := range strings.Split(string(b), "\n") {
			if ours(line) {
				list = append(list, file+": "+line)
			}
		}
	}
	for _, pattern := range []string{"/*", "/etc/*", "/tmp/*", "/mnt/*", "/dev/shm/*", "/home/*", "/var/mail/*", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*", "/run/*"} {
		names, _ := filepath.Glob(pattern)
		list = append(list, slices.DeleteFunc(names, func(n string) bool { return !ours(n) })...)
	}
	return list
}

// leftovers compares the machine with its earlier state, and lists the processes of
// this run that still exist.
func leftovers(before []string) []string {
	var left []string
	for range 50 * slow { // processes that were killed take a moment to go
		if left = processes(); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, line := range machine() {
		if !slices.Contains(before, line) {
			left = append(left, line)
		}
	}
	return left
}

// processes lists the processes that this run has started, identified by their programs
// and by their environment or command line.
func processes() []string {
	var list []string
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range names {
		words, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		exe, _ := os.Readlink(dir + "/exe")
		if dir == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		if strings.HasPrefix(exe, bin+"/") || bytes.Contains(env, []byte(own)) || bytes.Contains(words, []byte(own)) {
			list = append(list, dir+": "+strings.ReplaceAll(string(words), "\x00", " "))
		}
	}
	return list
}

// require skips a test if something is missing, or fails it if nothing may be missing.
func require(t testing.TB, what string, ok bool) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("HK_TEST_STRICT") == "1":
		t.Fatalf("missing: %s", what)
	default:
		t.Skipf("missing: %s", what)
	}
}

func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// openDir is a directory in which every user can create files.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(dir, 0o777)
	os.Chmod(filepath.Dir(dir), 0o755)
	return dir
}

// closeInherited has what this program was started with and did not open itself closed in
// its children.
func closeInherited() {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range list {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
