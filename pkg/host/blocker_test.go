package host

import (
	"strings"
	"testing"

	"hk/pkg/cause"
)

// TestPolicy has the files of machines that deny user namespaces to an ordinary user.
func TestPolicy(t *testing.T) {
	const (
		clone    = "/proc/sys/kernel/unprivileged_userns_clone"
		appArmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
		selinux  = "/sys/fs/selinux/enforce"
	)
	for _, c := range []struct {
		files map[string]string
		want  cause.Name
	}{
		{nil, ""},
		{map[string]string{clone: "1\n", appArmor: "0\n", selinux: "0"}, ""},
		{map[string]string{clone: "0\n", appArmor: "1\n", selinux: "1"}, cause.UsernsSysctl},
		{map[string]string{clone: "1\n", appArmor: "1\n", selinux: "0"}, cause.UsernsAppArmor},
		{map[string]string{appArmor: "0\n", selinux: "1"}, cause.UsernsSELinux},
	} {
		text, got := policy(func(path string) string { return c.files[path] })
		if got != c.want || (text == "") != (got == "") {
			t.Errorf("policy of %q = %q, %q; want %q", c.files, text, got, c.want)
		}
	}
}

// TestKernelConfig checks that what a kernel of that version has, and this one lacks, is said to
// be missing in how it was built, with the option.
func TestKernelConfig(t *testing.T) {
	for f, option := range map[Feature]string{TimeNamespaces: "CONFIG_TIME_NS", UserNamespaces: "CONFIG_USER_NS", Keyrings: "CONFIG_KEYS", SeccompFilter: "CONFIG_SECCOMP_FILTER"} {
		if got := f.Cause(); got != cause.KernelConfig || !strings.Contains(f.Advice(), option) {
			t.Errorf("%v: cause %q, %s; want %q and %s", f, got, f.Advice(), cause.KernelConfig, option)
		}
	}
}
