package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A hakoniwaRow is a capability of hakoniwa 1.6.0, numbered as in the list that hk-run
// was written after, and how it is seen with hk-run.
type hakoniwaRow struct {
	row  int
	name string
	// script is for sh on the host, in a new directory, which is $D. $U and $G are the
	// caller's IDs.
	script string
	// want is a regular expression for all that the script prints.
	want string
	// as is "root" or "user" if only they can do it.
	as string
	// needs is a program or a file that is not on every machine.
	needs string
}

// hakoniwaNot are the rows without a test of that name, and why.
var hakoniwaNot = map[int]string{
	3:  "messages between hakoniwa's own processes; those of hk are compared with strace in TestExplain",
	9:  "hakoniwa's library without namespaces; here that is a chain without hk-unshare, as in TestEqual, \"no namespaces\"",
	40: "hidden in hakoniwa's library; here that is hk-mount, and options of a mount in the configuration file",
	59: "hakoniwa's library; here that is --report of hk-limit: limit_report.txtar",
	60: "ptrace(2) is not used for reports",
	90: "hakoniwa's library; here that is os/exec with chain.Box: TestLibrary*",
	91: "hakoniwa's library; here that is os/exec with chain.Box: TestLibrary*",
}

// TestHakoniwa has a test for each row, and accounts for all of them.
func TestHakoniwa(t *testing.T) {
	t.Parallel()
	const rows = 99
	tested := map[int]bool{}
	for _, r := range hakoniwaRows {
		tested[r.row] = true
		t.Run(fmt.Sprintf("row%02d_%s", r.row, r.name), func(t *testing.T) {
			t.Parallel()
			r.test(t)
		})
	}
	for n := 1; n <= rows; n++ {
		if tested[n] == (hakoniwaNot[n] != "") {
			t.Errorf("row %d: a test: %v; a reason why there is none: %q", n, tested[n], hakoniwaNot[n])
		}
	}
}

func (r hakoniwaRow) test(t *testing.T) {
	switch r.as {
	case "root":
		if os.Getuid() != 0 {
			t.Skip("a row of root's")
		}
	case "user":
		if os.Getuid() == 0 {
			t.Skip("a row of an ordinary user's")
		}
	}
	if r.needs != "" {
		_, err := os.Stat(r.needs)
		require(t, r.needs, err == nil || have(r.needs))
	}
	dir := openDir(t)
	cmd := exec.Command("/bin/sh", "-c", hakoniwaWords+r.script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + dir, "D=" + dir, "SEEN=by the caller",
		fmt.Sprintf("U=%d", os.Getuid()), fmt.Sprintf("G=%d", os.Getgid()), "TMPDIR=" + os.TempDir(), "HK_TEST_OWN=" + own}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if n := newer(out); n != "" {
		t.Skip("missing: ", n)
	}
	got := strings.TrimRight(string(out), "\n")
	if ok, err := regexp.MatchString("^(?:"+r.want+")$", got); err != nil || !ok {
		t.Errorf("%s\nprints\n%s\nwant\n%s\n%v", r.script, got, r.want, err)
	}
}

// hakoniwaWords are functions for the scripts. run is hk-run with a shell as its payload:
// the last argument is the script for it.
const hakoniwaWords = `
new() { hk-run "$@" -- /bin/sh -c 'for n in cgroup ipc mnt net pid user uts; do echo $n $(readlink /proc/self/ns/$n); done' |
	while read -r n l; do test "$l" = "$(readlink /proc/self/ns/$n)" || printf '%s ' $n; done; }
bare="-b /usr -b /etc --symlink usr/bin:/bin --symlink usr/lib:/lib --symlink usr/lib64:/lib64"
toml() { { cat; for d in usr bin lib lib64 etc; do test ! -e /$d || printf '[[mounts]]\nsource = "/%s"\n' $d; done; } >c.toml; }
`
