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

// TestRestrictedKernel is for a kernel that was booted with less: user namespaces for root alone,
// and no controller for memory.
func TestRestrictedKernel(t *testing.T) {
	const sysctl = "/proc/sys/kernel/unprivileged_userns_clone"
	if b, err := os.ReadFile(sysctl); err != nil || strings.TrimSpace(string(b)) != "0" || os.Getuid() != 0 {
		t.Skip("everybody may create user namespaces here")
	}
	const nobody = 65534
	for _, c := range []struct {
		uid   uint32
		words string
		code  int
		want  []string
	}{
		{0, "hk-unshare --user -- true", 0, nil},
		{0, "hk-doctor hk-idmap", 1, []string{"  yes   map your own IDs\n"}},
		{nobody, "hk-unshare --user -- true", 125, []string{"hk-unshare: hint: the sysctl kernel.unprivileged_userns_clone is 0: only root may create user namespaces [userns-sysctl]\n"}},
		{nobody, "hk-doctor hk-unshare", 1, []string{"  no    create a user namespace\n        cause:  the sysctl kernel.unprivileged_userns_clone is 0", "[userns-sysctl]\n        remedy: as root, sysctl -w kernel.unprivileged_userns_clone=1\n"}},
		{nobody, "hk-doctor hk-landlock hk-seccomp", 0, []string{"  yes   restrict files by Landlock\n"}},
		{0, "hk-limit --pids 5 -- true", 0, nil},
		{0, "hk-limit --memory 1G -- true", 125, []string{"hk-limit: --memory: no cgroup can be made: --memory: the controller memory is not available in ", " [cgroup-controller]\n"}},
		{0, "hk-doctor hk-limit", 1, []string{"  yes   limit processes by a control group\n  no    limit memory by a control group\n", " [cgroup-controller]\n        remedy: as root, enable it"}},
	} {
		words := strings.Fields(c.words)
		cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "PATH="+bin+":/usr/bin:/bin")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code {
			t.Errorf("as %d, %s: exit status %d; want %d\n%s", c.uid, c.words, got, c.code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("as %d, %s: no %q in\n%s", c.uid, c.words, want, out)
			}
		}
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
