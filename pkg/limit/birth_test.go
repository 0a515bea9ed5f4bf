package limit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSurvive creates processes in a group that was killed less often than the one of the
// process that creates them. Another process does, because this one stays where it is.
func TestSurvive(t *testing.T) {
	if dirs := os.Getenv("HK_TEST_SURVIVE"); dirs != "" {
		surviveIn(t, strings.Split(dirs, ":"))
		return
	}
	parent := "/sys/fs/cgroup"
	if _, err := os.Stat(parent + "/cgroup.procs"); err != nil {
		parent += "/unified"
	}
	parent, err := os.MkdirTemp(parent, "hk-test-survive-")
	if err != nil {
		t.Skip("no control group of version 2 can be made: ", err)
	}
	t.Cleanup(func() { os.Remove(parent) })
	dirs := []string{parent + "/to", parent + "/from"}
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(d) })
	}
	for range 3 {
		if err := os.WriteFile(dirs[1]+"/cgroup.kill", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestSurvive$", "-test.v")
	cmd.Env = append(os.Environ(), "HK_TEST_SURVIVE="+strings.Join(dirs, ":"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "they survive") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// surviveIn moves this process to the group dirs[1], and creates processes in dirs[0].
func surviveIn(t *testing.T, dirs []string) {
	if err := os.WriteFile(dirs[1]+"/cgroup.procs", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	to, err := unix.Open(dirs[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := survivesIn(to)
	if err != nil {
		t.Fatal(err)
	}
	if !before && !mayKillAtBirth() {
		t.Error("this kernel kills a process at its birth, but is not known to")
	}
	if err := survive(to); err != nil {
		t.Error(err)
	}
	for range 5 {
		if ok, err := survivesIn(to); !ok || err != nil {
			t.Errorf("it survives: %v, %v; want true", ok, err)
		}
	}
	fmt.Printf("before that: %v; they survive\n", before)
}
