package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hk/pkg/host"
)

// refusals is a payload that Landlock refuses much, by calls, by a ring, and by a ring of which
// a thread of the kernel does the work.
const refusals = `mkdir new; echo >/etc/passwd; mv f g; kill -0 1; cat /etc/group; probe connect tcp 127.0.0.1:80
probe uring /etc/group; probe uring /etc/hosts; probe uring-async /etc/resolv.conf; probe uring-async /etc/resolv.conf; true`

// TestWhyAudit follows a run on a machine with audit: what the kernel tells is added to what is
// seen, and changes nothing of it. The control is the same run in a PID namespace, in which
// hk-why cannot know whom the records are about.
//
// It is for a virtual machine that was booted with audit=1. Nothing here enables audit.
func TestWhyAudit(t *testing.T) {
	if os.Getuid() != 0 || landlockABI() < 7 || !host.AuditEnabled() {
		t.Skip("audit with denials of Landlock is not enabled, or this is not root")
	}
	t.Run("refusals", whyKernel)
	if _, err := os.Stat("/sys/kernel/tracing/events/landlock"); err != nil {
		t.Run("lost", whyAuditLost)
	}
}

// TestWhyTracepoints is the same by Landlock's tracepoints, whether audit is enabled or not.
func TestWhyTracepoints(t *testing.T) {
	if os.Getuid() != 0 || landlockABI() < 11 {
		t.Skip("the kernel has no tracepoints of Landlock, or this is not root")
	}
	if _, err := os.Stat("/sys/kernel/tracing/events/landlock"); err != nil {
		t.Skip("tracefs is not mounted, or the tracepoints are not built into the kernel")
	}
	whyKernel(t)
	quiet := whySays(t, "hk-why hk-landlock --log off --rx /usr,$BIN --rw /dev --ro /proc,/lib", "probe uring /etc/hosts")
	if !slices.ContainsFunc(quiet, func(l string) bool { return strings.Contains(l, "the kernel tells") }) {
		t.Errorf("--log off is not only for the log:\n%s", strings.Join(quiet, "\n"))
	}
}

// whyKernel follows a run of which the kernel tells too.
func whyKernel(t *testing.T) {
	const chain = "hk-landlock --rx /usr,$BIN --rw /dev --ro /proc,/lib,$DIR --tcp-connect 81 --scope signal"
	with := whySays(t, "hk-why "+chain, refusals)
	without := whySays(t, "hk-unshare --mount --pid --init hk-mount --in-place --proc -- hk-why "+chain, refusals)
	ring := func(l string) bool { return strings.Contains(l, "io_uring is used") }
	var told, seen []string
	for _, l := range with {
		switch {
		case strings.Contains(l, ", of which the kernel tells"):
			told = append(told, l)
		case !ring(l):
			seen = append(seen, l)
		}
	}
	without = slices.DeleteFunc(without, ring)
	if len(seen) < 6 || !slices.Equal(seen, without) {
		t.Errorf("with audit:\n%s\nwithout:\n%s", strings.Join(seen, "\n"), strings.Join(without, "\n"))
	}
	want := []string{
		`landlock: fs.read_file "/etc/hosts", of which the kernel tells: no rule allows read_file on /etc/hosts: hk-landlock --ro /etc/hosts would allow it`,
		`landlock: fs.read_file "/etc/resolv.conf", of which the kernel tells: no rule allows read_file on /etc/resolv.conf: hk-landlock --ro /etc/resolv.conf would allow it (2 times)`,
	}
	if !slices.Equal(told, want) {
		t.Errorf("the kernel tells:\n%s\nwant:\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	if !slices.ContainsFunc(with, func(l string) bool {
		return strings.HasSuffix(l, "io_uring is used: of what it does, only the denials of Landlock are seen")
	}) {
		t.Errorf("it is not said what is seen of io_uring:\n%s", strings.Join(with, "\n"))
	}
	// A namespace, in which the process has another number, an init, and another root.
	inside := whySays(t, "hk-why hk-unshare --user --mount --pid --init hk-idmap --root hk-mount --rootfs / --dev /dev --proc --ro $BIN hk-landlock --rx /usr,$BIN --rw /dev --ro /proc", "probe uring /etc/hosts; probe uring-async /etc/resolv.conf")
	for _, file := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		if !slices.ContainsFunc(inside, func(l string) bool {
			return strings.HasPrefix(l, `landlock: fs.read_file "`+file+`", of which the kernel tells: `)
		}) {
			t.Errorf("the denial of %s in a namespace is not told:\n%s", file, strings.Join(inside, "\n"))
		}
	}
	if _, err := os.Stat("/sys/kernel/tracing/events/landlock"); err == nil {
		return
	}
	quiet := whySays(t, "hk-why "+strings.Replace(chain, "hk-landlock", "hk-landlock --log off", 1), "probe uring /etc/hosts")
	if slices.ContainsFunc(quiet, func(l string) bool { return strings.Contains(l, "the kernel tells") }) {
		t.Errorf("--log off is not heeded:\n%s", strings.Join(quiet, "\n"))
	}
}

// whySays runs hk-why, and returns what it says at the end.
func whySays(t *testing.T, line, script string) []string {
	t.Helper()
	dir := openDir(t)
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	words := append(strings.Fields(strings.NewReplacer("$BIN", bin, "$DIR", dir).Replace(line)), "--", "sh", "-c", script)
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin"), dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", words, err, &stderr)
	}
	_, end, found := strings.Cut(stderr.String(), "hk-why: at the end: ")
	if !found {
		t.Fatalf("%v says nothing at the end:\n%s", words, &stderr)
	}
	var list []string
	for _, l := range strings.Split(strings.TrimSpace(end), "\n")[1:] {
		l = strings.ReplaceAll(strings.TrimPrefix(l, "hk-why: "), dir, "DIR")
		list = append(list, regexp.MustCompile(`process \d+ is`).ReplaceAllString(l, "process N is"))
	}
	return list
}

// whyAuditLost has more records than the socket holds, of another domain, while hk-why is
// stopped: it says so, and tells of none of them.
func whyAuditLost(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "hk-why"), "hk-landlock", "--rx", "/usr", "--rw", "/dev", "--ro", "/lib", "--", "sleep", "1003")
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin"), &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	time.Sleep(time.Second * time.Duration(slow))
	cmd.Process.Signal(syscall.SIGSTOP)
	flood := exec.Command(filepath.Join(bin, "hk-landlock"), "--log", "exec", "--rx", "/usr", "--ro", "/lib", "--", "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo >/etc/hosts; i=$((i+1)); done")
	flood.Env = cmd.Env
	out, err := flood.CombinedOutput()
	cmd.Process.Signal(syscall.SIGCONT)
	time.Sleep(100 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, out[:min(len(out), 300)])
	}
	if !strings.Contains(stderr.String(), "unseen: audit records were lost: ") || strings.Contains(stderr.String(), "/etc/hosts") {
		t.Errorf("hk-why says\n%s", &stderr)
	}
}
