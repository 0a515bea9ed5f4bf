package hakoniwa

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/seccomp"

	"golang.org/x/sys/unix"
)

// terminal are the requests of ioctl(2) that put input into a terminal, TIOCSTI and
// TIOCLINUX: what the payload types there would be read by the caller's shell.
const terminal = "ioctl(arg1==0x5412),ioctl(arg1==0x541c)"

// seccomp returns the stages for the filters. The rules for the terminal are a filter of
// their own: together with them a profile would have to be compiled, but alone it has
// been. It has every architecture whose programs run here; which of them may make calls is
// for the profile to say.
func (c *compiler) seccomp() ([]*seccomp.Filter, error) {
	f := &seccomp.Filter{Profile: cmp.Or(c.Seccomp.Profile, "podman"), Rules: c.Seccomp.Rules, Default: c.Seccomp.Default,
		Arches: c.Seccomp.Arches, AllowNewPrivs: c.User.AllowNewPrivs}
	switch p := f.Profile; {
	case p == "unconfined", p == "none":
		if f.Profile = "none"; len(f.Rules) == 0 && f.Default == nil && len(f.Arches) == 0 {
			return nil, nil
		}
		return []*seccomp.Filter{f}, nil
	case p != "audit" && !filter.IsBuiltin(p):
		if _, err := c.Host.Stat(p); err != nil {
			return nil, fmt.Errorf("seccomp: %s is not podman, audit, unconfined or a file: %w", p, err)
		}
		if !strings.Contains(p, "/") {
			f.Profile = "./" + p
		}
	}
	rule, err := filter.ParseOverride(filter.Errno(unix.EPERM), terminal)
	return []*seccomp.Filter{{Profile: "none", Rules: []filter.Override{rule}, Arches: arches(runtime.GOARCH), AllowNewPrivs: f.AllowNewPrivs}, f}, err
}

// arches are the architectures whose programs run on one.
func arches(goarch string) (list []*filter.Arch) {
	native := filter.Native(goarch)
	for _, a := range []*filter.Arch{filter.X86_64, filter.X86, filter.X32, filter.AArch64, filter.ARM} {
		if native.Runs(a) {
			list = append(list, a)
		}
	}
	return list
}
