package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// seen is what a payload can find out about its sandbox.
const seen = `
echo == ids; id
echo == maps; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
echo == status; grep -vE "^(Name|Pid|Tgid|PPid|Ngid|NSpid|NStgid|NSpgid|NSsid|Vm|Rss|Threads|SigQ|voluntary|nonvoluntary|Cpus|Mems|FDSize|HugetlbPages|untag|x86|State)" /proc/self/status
echo == limits; cat /proc/self/limits
echo == mounts; cut -d" " -f3- /proc/self/mountinfo
echo == namespaces; for n in user mnt pid net ipc uts cgroup time; do echo $n $(readlink /proc/self/ns/$n); done
echo == network; cat /proc/net/dev | cut -d: -f1; cut -d" " -f1,6 /proc/net/if_inet6
echo == descriptors; ls /proc/self/fd
echo == environment; env | grep -v HK_FUSE
echo == here; pwd; umask; uname -n; ls -la --time-style=+ / | tr -s " " | cut -d" " -f1,5-; ls /dev 2>/dev/null
true
`

var equal = []struct {
	name string
	root bool
	line string
}{
	{name: "full", line: "hk-unshare --all --hostname box hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-setuser --caps none hk-limit --nofile 256 --core 0 hk-landlock --ro / --rx /usr --rw /tmp,/dev hk-seccomp"},
	{name: "self", line: "hk-unshare --all hk-idmap --self hk-mount --rootfs / --proc hk-limit --fsize 1G hk-landlock --rx / hk-seccomp --profile docker"},
	{name: "self with caps", line: "hk-unshare --all hk-idmap --self hk-mount --rootfs / --proc hk-setuser --caps +net_bind_service hk-landlock --rx /"},
	{name: "init", line: "hk-unshare --all --init hk-idmap --root hk-mount --rootfs / --proc hk-setuser --caps none --umask 027"},
	{name: "no root of its own", line: "hk-unshare --user --net hk-idmap --root hk-setuser --no-new-privs hk-limit --cpu 100"},
	{name: "descriptors", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc hk-unshare --uts --close-fds hk-limit --core 0 hk-setuser --umask 077"},
	{name: "no nested", line: "hk-unshare --all --no-nested-userns hk-idmap --self hk-mount --rootfs / --proc hk-limit --core 0"},
	{name: "not mapped", line: "hk-unshare --user --uts hk-limit --core 0"},
	{name: "no namespaces", line: "hk-limit --nofile 100:200 hk-setuser --no-new-privs hk-landlock --rwx / hk-seccomp --profile audit"},
	{name: "one right", line: "hk-landlock --restrict make_sock --log off hk-landlock --rwx / --ignore-missing --ro /absent hk-limit --core 0"},
	{name: "closure", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc hk-landlock --rx / --exec-closure sh"},
	{name: "no mapping to root", line: "hk-unshare --user --mount --pid hk-idmap --uid 77 --gid 88 hk-mount --rootfs / --proc --tmpfs /run hk-setuser --umask 022 hk-seccomp"},
	{name: "loopback", line: "hk-unshare --all hk-idmap --root hk-net --loopback hk-mount --rootfs / --proc hk-setuser --caps none"},
	{name: "loopback late", line: "hk-unshare --user --net --pid hk-idmap --self hk-mount --rootfs / --proc hk-net --loopback hk-seccomp"},
	{name: "loopback, no child", root: true, line: "hk-unshare --net hk-net --loopback hk-limit --core 0"},
	{name: "environment", line: "hk-setuser --unsetenv HOME --setenv A=b=c --setenv TERM --setenv NONE hk-unshare --user --pid hk-idmap --root hk-setuser --unsetenv A --setenv B= hk-limit --core 0"},
	{name: "no environment", line: "hk-setuser --clearenv --setenv HK_FUSE=2 hk-limit --core 0 hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc hk-setuser --caps none hk-landlock --rx /"},
	{name: "another PATH", line: "hk-limit --core 0 hk-setuser --setenv PATH=/bin:/usr/bin hk-landlock --rx / --exec-closure sh hk-setuser --no-new-privs hk-limit --nofile 50"},
	{name: "fstab", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --fstab $BIN/fstab hk-setuser --caps none"},
	{name: "id-mapped", root: true, line: "hk-mount --rootfs / --proc --ro $BIN:/b:idmap=b:0:7:1 hk-setuser --caps none"},
	{name: "in place", root: true, line: "hk-unshare --mount --ipc hk-mount --in-place --tmpfs /mnt hk-setuser --user nobody --caps +kill hk-limit --core 0"},
	{name: "other ids", root: true, line: "hk-unshare --mount --pid hk-mount --rootfs / --proc hk-setuser --user 65534:65534:1,2,3 hk-landlock --rx /,/usr hk-seccomp"},
}

var (
	inode = regexp.MustCompile(`:\[\d+\]`)
	minor = regexp.MustCompile(`(?m)^0:\d+ `) // the device number of a new file system
)

// TestEqual compares what a payload sees in a fused chain with what it sees if each
// stage executes the next one.
func TestEqual(t *testing.T) {
	eachEqual(t, func(t *testing.T, line string) {
		fused, apart := look(t, line, "1"), look(t, line, "0")
		if fused != apart {
			t.Errorf("%s\nfused and HK_FUSE=0 differ:\n%s", line, diff(fused, apart))
		}
	})
}

// eachEqual tests each of the chains, with and without an init.
func eachEqual(t *testing.T, test func(t *testing.T, line string)) {
	for _, c := range equal {
		for _, line := range withInit(c.line) {
			name := c.name
			if line != c.line {
				name += ", init"
			}
			t.Run(name, func(t *testing.T) {
				if c.root && os.Getuid() != 0 {
					t.Skip("a chain of root's")
				}
				t.Parallel()
				test(t, line)
			})
		}
	}
}

// withInit is a chain as it is and, if it can have an init and has none, the same chain
// with one.
func withInit(line string) []string {
	list := []string{line}
	if strings.Contains(line, "--init") || strings.Contains(line, "--join") {
		return list
	}
	for _, pid := range []string{" --all ", " --pid "} {
		if with := strings.Replace(line, pid, pid+"--init ", 1); with != line {
			return append(list, with)
		}
	}
	return list
}

func look(t *testing.T, line, fuse string) string {
	words := append(strings.Fields(landlockLine(strings.ReplaceAll(line, "$BIN", bin))), "--", "sh", "-c", seen)
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + fuse, "HOME=/", "TERM=dumb"}
	cmd.Dir = "/usr"
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if n := newer(out.Bytes()); n != "" {
			t.Skip("missing: ", n)
		}
		t.Fatalf("HK_FUSE=%s %s: %v\n%s", fuse, line, err, &out)
	}
	return namespaces(out.String())
}

// namespaces replaces the number of a namespace by whether it is a new one.
func namespaces(s string) string {
	for _, n := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		own, _ := os.Readlink("/proc/self/ns/" + n)
		s = strings.ReplaceAll(s, own, n+" of the caller")
	}
	return minor.ReplaceAllString(inode.ReplaceAllString(s, " new"), "0:N ")
}

func diff(a, b string) string {
	var out strings.Builder
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		var l, r string
		if i < len(x) {
			l = x[i]
		}
		if i < len(y) {
			r = y[i]
		}
		if l != r {
			fmt.Fprintf(&out, "fused  %s\napart  %s\n", l, r)
		}
	}
	return out.String()
}
