package test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestNoSELinux asks for labels where SELinux is not enabled.
func TestNoSELinux(t *testing.T) {
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		t.Skip("SELinux is enabled")
	}
	const off = ": SELinux is not enabled, or its file system is not mounted on /sys/fs/selinux [selinux-off]\n"
	refused(t, "hk-setuser: --selinux-label u:r:t"+off, "hk-setuser", "--selinux-label", "u:r:t")
	refused(t, "hk-mount: --context u:r:t"+off, strings.Fields("hk-unshare --user --mount hk-idmap --root hk-mount --context u:r:t --rootfs /")...)
}

// TestSELinux runs with the policy of testdata/selinux.cil, enforcing, as the machine of
// scripts/kernels does that is called selinux.
func TestSELinux(t *testing.T) {
	if b, _ := os.ReadFile("/proc/self/attr/current"); !strings.HasPrefix(string(b), "u:r:kernel_t:s0") {
		t.Skip("SELinux is not enabled with the policy of this test")
	}
	const (
		label = "cat /proc/self/attr/current"
		files = `; stat -c '%n %C' / /tmp /tmp/d /dev /dev/shm /f /usr/bin/env; >/tmp/new; stat -c '%n %C' /tmp/new`
		made  = "/ u:object_r:box_file_t:s0\n/tmp u:object_r:box_file_t:s0\n/tmp/d u:object_r:box_file_t:s0\n/dev u:object_r:box_file_t:s0\n/dev/shm u:object_r:box_file_t:s0\n/f u:object_r:box_file_t:s0\n/usr/bin/env u:object_r:object_t:s0\n/tmp/new u:object_r:box_file_t:s0\n"
		chain = "hk-unshare --user --mount --pid hk-idmap hk-mount --rootfs / --proc --dev /dev "
		bwrap = "hk-bwrap --unshare-pid --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev "
	)
	for _, id := range []uint32{0, 65534} {
		execute := func(words string, payload ...string) (string, error) {
			cmd := exec.Command("env", append(strings.Fields("PATH="+bin+":/usr/bin:/bin "+words), payload...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			return strings.ReplaceAll(string(out), "\x00", "\n"), err
		}
		for _, c := range []struct{ words, payload, want string }{
			{"", label, "u:r:kernel_t:s0\n"},
			{"hk-setuser --selinux-label u:r:box_t:s0", label, "u:r:box_t:s0\n"},
			{chain + "hk-setuser --no-new-privs", label, "u:r:kernel_t:s0\n"},
			{chain + "hk-setuser --no-new-privs --caps none --selinux-label u:r:box_t:s0:c0 hk-seccomp --profile podman", label, "u:r:box_t:s0:c0\n"},
			{chain + "--tmpfs /tmp:mode=1777 --dir /tmp/d --file /f=x --context u:object_r:box_file_t:s0", label + files, "u:r:kernel_t:s0\n" + made},
			{bwrap + "--tmpfs /tmp --dir /tmp/d --file 0 /f --exec-label u:r:box_t:s0 --file-label u:object_r:box_file_t:s0", label + files, "u:r:box_t:s0\n" + made},
		} {
			if got, err := execute(c.words, "sh", "-c", c.payload); got != c.want || err != nil {
				t.Errorf("as %d: %s: %v\n%s; want\n%s", id, c.words, err, got, c.want)
			}
		}
		// What the policy does not have, or does not let a process become.
		for _, c := range []struct{ words, want string }{
			{"hk-setuser --selinux-label u:r:none:s0", "hk-setuser: --selinux-label u:r:none:s0: not a label of the loaded policy: invalid argument\n"},
			{"hk-unshare --user --mount hk-idmap hk-mount --rootfs / --context none", "hk-mount: --context none: not a label of the loaded policy: invalid argument\n"},
			{"hk-bwrap --ro-bind / / --file-label none", "bwrap: invalid label none: Invalid argument\n"},
			{"hk-setuser --selinux-label u:r:other_t:s0", "permission denied"},
			{bwrap + "--exec-label u:r:other_t:s0", "Permission denied"},
		} {
			if got, err := execute(c.words, "echo", "ran"); !strings.Contains(got, c.want) || strings.Contains(got, "ran\n") || err == nil {
				t.Errorf("as %d: %s: %v\n%s; want %s", id, c.words, err, got, c.want)
			}
		}
	}
}
