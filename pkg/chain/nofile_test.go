package chain

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilesLimit has a program start with a soft limit on open files, which the Go runtime
// raises. A payload gets what the program was started with, as with os/exec, unless the
// program or a stage sets it.
func TestFilesLimit(t *testing.T) {
	if os.Getenv("HK_TEST_FILES") != "" {
		fmt.Printf("limits %s\n", filesLimits(t))
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 300; ulimit -Hn 900; exec "$0" -test.run '^TestFilesLimit$'`, exe)
	cmd.Env = append(os.Environ(), "HK_TEST_FILES=1")
	out, err := cmd.CombinedOutput()
	const want = "limits [899 300 900 20 300 500 500]\n"
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %v; want %q", out, err, want)
	}
}

// filesLimits are the soft limit of this program, and those of payloads: also the hard one,
// with a stage that sets it, with another limit, and after the program has set its own, in
// a box from before and in one from after that.
func filesLimits(t *testing.T) (list []string) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	list = append(list, fmt.Sprint(files.Cur))
	run := func(b *Box, of string) {
		out, err := b.Command("sh", "-c", "ulimit "+of).Output()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimSpace(string(out)))
	}
	prepare := func(line string) *Box {
		c, err := Parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Prepare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := prepare("hk-unshare --user --pid")
	run(b, "-Sn")
	run(b, "-Hn")
	run(prepare("hk-unshare --user --pid hk-limit --nofile 20"), "-Sn")
	run(prepare("hk-unshare --user --pid hk-limit --core 0"), "-Sn")
	files.Cur = 500
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	run(b, "-Sn")
	run(prepare("hk-unshare --user --pid"), "-Sn")
	return list
}
