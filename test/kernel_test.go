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

	"hk/pkg/host"
	"hk/pkg/landlock"
)

// kernelAtLeast reports whether the kernel is at least of a version.
func kernelAtLeast(version string) bool {
	want, ok := host.ParseVersion(version)
	if !ok {
		panic(version + " is not a version of Linux")
	}
	v, _, ok := host.Kernel()
	return ok && v.AtLeast(want)
}

// landlockABI is 0 if there is no Landlock.
func landlockABI() int {
	abi := 0
	for abi < host.NewestLandlockABI && host.Landlock(abi+1).Check() == nil {
		abi++
	}
	return abi
}

// kernelHasLandlock reports whether a kernel of this version can have an ABI.
func kernelHasLandlock(abi int) bool {
	return abi <= host.NewestLandlockABI && kernelAtLeast(host.Landlock(abi).Since().String())
}

// landlockLine is a command line that uses only as much of Landlock as the kernel has,
// if the default would be more.
func landlockLine(line string) string {
	if abi := landlockABI(); abi > 0 && abi < 5 {
		return strings.ReplaceAll(line, "hk-landlock ", fmt.Sprintf("hk-landlock --abi %d ", abi))
	}
	return line
}

var needsLandlock = regexp.MustCompile(`needs Landlock ABI (\d+)`)

// newer is what a command needed, if it was refused for a feature that is newer than
// the running kernel; otherwise it is empty.
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

// refused runs a command as root, if this is root, and as an ordinary user: it must end
// with status 125 and print what is wanted, and its payload, which creates the file
// ran, must not start.
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

// TestKernelFloor runs every stage on a kernel that is too old, or that reports to be.
func TestKernelFloor(t *testing.T) {
	var old []string
	if host.CheckFloor() == nil {
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
		refused(t, fmt.Sprintf("%s: needs Linux %v; this is ", words[0], host.Floor), append(old, words...)...)
	}
}

// TestNoLandlock asks for Landlock on a kernel without it.
func TestNoLandlock(t *testing.T) {
	if landlockABI() > 0 || host.CheckFloor() != nil {
		t.Skip("this kernel has Landlock")
	}
	const want = "hk-landlock: this kernel has no Landlock: it is not built in, or not among the lsm= of the kernel command line [landlock-boot]\n"
	for _, line := range []string{
		"hk-landlock --rwx /", "hk-landlock --restrict tcp-bind", "hk-landlock --scope signal", "hk-landlock --abi 1 --ro /",
		"hk-unshare --user hk-idmap --root hk-landlock --rwx /", "hk-limit --core 0 hk-landlock --rwx / hk-seccomp",
	} {
		refused(t, want, strings.Fields(line)...)
	}
}

// TestDocumentedKernels compares documented versions with the table.
func TestDocumentedKernels(t *testing.T) {
	sources(t)
	read := func(path string) string {
		b, err := os.ReadFile("../" + path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if want := fmt.Sprintf("Linux %v is the oldest supported kernel", host.Floor); !strings.Contains(read("docs/man/hk-chain.7"), want) {
		t.Errorf("hk-chain(7) does not say %q", want)
	}
	if want := fmt.Sprintf("Linux %v", host.Floor); !strings.Contains(read("README.md"), want) {
		t.Errorf("the README does not say %q", want)
	}
	if want := fmt.Sprintf("`hk-landlock` asks for what Linux %v", host.Landlock(landlock.DefaultABI).Since()); !strings.Contains(read("README.md"), want) {
		t.Errorf("the README does not say %q", want)
	}
	said := map[int]bool{}
	for _, path := range append(sources(t), "docs/man/hk-landlock.1", "docs/man/hk-chain.7", "README.md") {
		for _, m := range regexp.MustCompile(`ABI (\d+)(?:, |\s\(|\n)Linux (\d+\.\d+)|\band (\d+) \(Linux (\d+\.\d+)\)`).FindAllStringSubmatch(read(path), -1) {
			abi, _ := strconv.Atoi(m[1] + m[3])
			if abi < 1 || abi > host.NewestLandlockABI || host.Landlock(abi).Since().String() != m[2]+m[4] {
				t.Errorf("%s: %q is not in the table", path, m[0])
			}
			said[abi] = true
		}
	}
	if len(said) != host.NewestLandlockABI {
		t.Errorf("%d ABIs of Landlock are documented; want %d", len(said), host.NewestLandlockABI)
	}
	if want := fmt.Sprintf("since Linux %v, procfs and sysfs", host.TmpfsIdmap.Since()); !strings.Contains(read("docs/man/hk-mount.1"), want) {
		t.Errorf("hk-mount(1) does not say %q", want)
	}
	if want := fmt.Sprintf("Before Linux %v the initial network and mount namespaces", host.InitialInodes.Since()); !strings.Contains(read("docs/man/hk-unshare.1"), want) {
		t.Errorf("hk-unshare(1) does not say %q", want)
	}
}

// TestQuickKernels compares the list of what is run on other kernels with what there is:
// a name that matches nothing would run nothing.
func TestQuickKernels(t *testing.T) {
	code := ""
	for _, path := range sources(t) {
		if strings.HasPrefix(path, "test/") {
			b, err := os.ReadFile("../" + path)
			if err != nil {
				t.Fatal(err)
			}
			code += string(b)
		}
	}
	list, err := os.ReadFile("../scripts/kernels/quick")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, script, _ := strings.Cut(strings.TrimPrefix(line, "TestAsUser/"), "/")
		if !strings.Contains(code, "\nfunc "+name+"(t *testing.T)") {
			t.Errorf("%s: there is no %s", line, name)
		}
		if _, err := os.Stat(scripts + "/" + script + ".txtar"); name == "TestScripts" && err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
