package test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelAtLeast reports whether the kernel is of a version, or newer.
func kernelAtLeast(version string) bool {
	var u unix.Utsname
	unix.Uname(&u)
	var has, want [2]int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &has[0], &has[1])
	if n, _ := fmt.Sscanf(version, "%d.%d", &want[0], &want[1]); n != 2 {
		panic(version + " is no version of Linux")
	}
	return has[0] > want[0] || has[0] == want[0] && has[1] >= want[1]
}

// landlockABI is 0 where there is no Landlock.
func landlockABI() int {
	abi, _, err := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if err != 0 {
		return 0
	}
	return int(abi)
}

// landlockSince has the version of Linux that brought each ABI, from 1 on.
var landlockSince = []string{"5.13", "5.19", "6.2", "6.7", "6.10", "6.12", "6.15", "7.0", "7.1", "7.2", "7.3"}

// kernelHasLandlock reports whether a kernel of this version can have an ABI.
func kernelHasLandlock(abi int) bool {
	return abi <= len(landlockSince) && kernelAtLeast(landlockSince[abi-1])
}

// landlockLine is a command line with as much of Landlock as the kernel has,
// where by default it would be more.
func landlockLine(line string) string {
	if abi := landlockABI(); abi > 0 && abi < 5 {
		return strings.ReplaceAll(line, "hk-landlock ", fmt.Sprintf("hk-landlock --abi %d ", abi))
	}
	return line
}

var needsLandlock = regexp.MustCompile(`needs Landlock ABI (\d+)`)

// newer is what a command needed, if it was refused for what came to Linux after
// the kernel that runs; else it is empty.
func newer(output []byte) string {
	m := needsLandlock.FindSubmatch(output)
	if m == nil {
		return ""
	}
	if n, _ := strconv.Atoi(string(m[1])); landlockABI() >= n || kernelHasLandlock(n) {
		return ""
	}
	return string(m[0])
}

// refused runs a command as root, if this is root, and as an ordinary user: it
// must end with status 125 and say what is wanted, and its payload, which
// touches the file ran, must not start.
func refused(t *testing.T, want string, words ...string) {
	t.Helper()
	ids := []uint32{uint32(os.Getuid())}
	if ids[0] == 0 {
		ids = append(ids, 65534)
	}
	for _, id := range ids {
		for _, fuse := range []string{"", "0"} {
			dir, err := os.MkdirTemp("", "hk-test-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			os.Chmod(dir, 0o777)
			execute := func(words ...string) (string, error) {
				var stderr bytes.Buffer
				cmd := exec.Command("env", append([]string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + fuse}, words...)...)
				cmd.Dir, cmd.Stderr = dir, &stderr
				if id != ids[0] {
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
				}
				err := cmd.Run()
				return stderr.String(), err
			}
			ran := filepath.Join(dir, "ran")
			text, err := execute(append(words, "--", "touch", "ran")...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 125 || !strings.HasPrefix(text, want) {
				t.Errorf("as %d, %q: %v\n%swant status 125 and %s", id, words, err, text, want)
			}
			if _, err := os.Stat(ran); err == nil {
				t.Errorf("as %d, %q: the payload ran", id, words)
			}
			// The control.
			if text, err := execute("touch", "ran"); err != nil {
				t.Errorf("as %d: touch: %v\n%s", id, err, text)
			}
		}
	}
}

// TestKernelFloor runs every stage on a kernel that is too old, or on one that
// says so of itself.
func TestKernelFloor(t *testing.T) {
	var old []string
	if kernelAtLeast("5.14") {
		old = []string{"setarch", "--uname-2.6"}
	}
	lines := []string{"hk-unshare --all hk-idmap --root hk-mount --rootfs / hk-limit --core 0"}
	for _, s := range stages {
		flags := map[string]string{"unshare": "--user", "mount": "--rootfs /", "setuser": "--no-new-privs",
			"limit": "--core 0", "landlock": "--rwx /", "net": "--loopback"}[s]
		lines = append(lines, "hk-"+s+" "+flags)
	}
	for _, line := range lines {
		words := strings.Fields(line)
		refused(t, words[0]+": needs Linux 5.14; this is ", append(old, words...)...)
	}
}

// TestNoLandlock asks for Landlock where there is none.
func TestNoLandlock(t *testing.T) {
	if landlockABI() > 0 || !kernelAtLeast("5.14") {
		t.Skip("this kernel has Landlock")
	}
	const want = "hk-landlock: this kernel has no Landlock: it is not built in, or not among the lsm= of the kernel command line\n"
	for _, line := range []string{
		"hk-landlock --rwx /", "hk-landlock --restrict tcp-bind", "hk-landlock --scope signal", "hk-landlock --abi 1 --ro /",
		"hk-unshare --user hk-idmap --root hk-landlock --rwx /", "hk-limit --core 0 hk-landlock --rwx / hk-seccomp",
	} {
		refused(t, want, strings.Fields(line)...)
	}
}
