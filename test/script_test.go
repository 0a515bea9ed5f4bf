package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hk/pkg/host"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestScripts runs the scripts: root_*.txtar as root, user_*.txtar as an ordinary user,
// and the others as both.
func TestScripts(t *testing.T) {
	var started atomic.Int32
	all, err := filepath.Glob(scripts + "/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatal("no scripts", err)
	}
	var files []string
	for _, f := range all {
		other := "root_"
		if os.Getuid() == 0 {
			other = "user_"
		}
		if !strings.HasPrefix(filepath.Base(f), other) {
			files = append(files, f)
		}
	}
	testscript.Run(t, testscript.Params{
		Files:              files,
		Condition:          func(name string) (bool, error) { return condition(t, name) },
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			endAfter(e, time.Duration(slow)*5*time.Minute)
			e.Setenv("PATH", bin+":/usr/sbin:/usr/bin:/sbin:/bin")
			e.Setenv("BIN", bin)
			e.Setenv("UID", fmt.Sprint(os.Getuid()))
			e.Setenv("GID", fmt.Sprint(os.Getgid()))
			e.Setenv("SLOW", strconv.Itoa(slow))
			e.Setenv("OWN", own) // a name that there is nowhere
			// A number of seconds that no other process sleeps ends in this, also of another
			// script. After a 7 it is a user ID.
			e.Setenv("RUN", fmt.Sprintf("%d%03d", os.Getpid()%100_000, started.Add(1)%1000))
			e.Setenv("HK_FUSE", "")
			e.Setenv("XDG_RUNTIME_DIR", "")
			return os.Chmod(e.WorkDir, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"gone":   soonGone,
		},
	})
}

// condition answers what a script asks about the machine. If something is missing, the
// script is skipped, or fails if nothing may be missing, except for features newer than
// the running kernel.
func condition(t *testing.T, name string) (bool, error) {
	need, value, _ := strings.Cut(name, ":")
	ok := false
	switch need {
	case "root":
		return os.Getuid() == 0, nil
	case "amd64":
		return unix.SizeofPtr == 8 && strings.Contains(machineName(), "x86_64"), nil
	case "needs-landlock":
		n, err := strconv.Atoi(value)
		if err != nil {
			return false, err
		}
		ok = landlockABI() >= n
		if !ok && !kernelHasLandlock(n) {
			return false, nil // nothing that could be installed
		}
	case "file": // what depends on the kernel's configuration
		_, err := os.Stat(value)
		return err == nil, nil
	case "filtered": // by a filter around the tests
		status, err := os.ReadFile("/proc/self/status")
		return err == nil && !strings.Contains(string(status), "\nSeccomp:\t0\n"), nil
	case "linux":
		return kernelAtLeast(value), nil
	case "needs-idmap": // a file system in which mounts can be id-mapped
		var st unix.Statfs_t
		if err := unix.Statfs("/"+value, &st); err != nil {
			return false, err
		}
		switch st.Type {
		case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC:
			ok = true
		case unix.TMPFS_MAGIC:
			ok = host.TmpfsIdmap.Check() == nil
		}
	case "needs-pasta":
		ok = hasPasta()
	case "needs":
		ok = have(value)
	default:
		return false, fmt.Errorf("unknown condition %q", name)
	}
	if !ok && os.Getenv("HK_TEST_STRICT") == "1" {
		return false, fmt.Errorf("missing: %s %s", need, value)
	}
	return ok, nil
}

const tun = "/dev/net/tun"

// hasPasta reports whether pasta can be run: it needs a tun device, and takes its
// addresses from an interface with a default route.
func hasPasta() bool {
	f, err := os.OpenFile(tun, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	route, err := exec.Command("ip", "-4", "route", "show", "default").Output()
	return err == nil && strings.Contains(string(route), " via ") && have("pasta")
}

// tunForAll reports whether an ordinary user can run pasta.
func tunForAll() bool {
	fi, err := os.Stat(tun)
	return err == nil && fi.Mode()&0o006 == 0o006
}

func machineName() string {
	var u unix.Utsname
	unix.Uname(&u)
	return unix.ByteSliceToString(u.Machine[:])
}

// status runs a command and compares its exit status, as a shell sees it, with
// the first argument.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args...]")
	}
	err := ts.Exec("sh", append([]string{"-c", `"$@"; echo "status $?" >&2`, "sh"}, args[1:]...)...)
	if err != nil {
		ts.Fatalf("sh: %v", err)
	}
	got := strings.TrimSpace(ts.ReadFile("stderr"))
	if i := strings.LastIndex(got, "status "); i < 0 || got[i:] != "status "+args[0] {
		ts.Fatalf("%s: got %q, want status %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// soonGone waits until the command line of no process matches the argument, a regexp:
// killed processes take a moment to end.
func soonGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone REGEXP")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for range slow * 500 {
		if !anyProcess(func(words string) bool { return want.MatchString(words) }) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s: still runs", args[0])
}
