package seccomp

import (
	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// terminal are the requests of ioctl(2) that put input into a terminal, TIOCSTI and
// TIOCLINUX: what the payload types there would be read by the caller's shell.
const terminal = "ioctl(arg1==0x5412),ioctl(arg1==0x541c)"

// Terminal returns a filter that denies only those, to programs of every architecture
// that runs on goarch. It need not be compiled: it is among those that have been.
func Terminal(goarch string) *Filter {
	rule, err := filter.ParseOverride(filter.Errno(unix.EPERM), terminal)
	if err != nil {
		panic("seccomp: " + err.Error())
	}
	f := &Filter{Profile: "none", Rules: []filter.Override{rule}}
	native := filter.Native(goarch)
	for _, a := range []*filter.Arch{filter.X86_64, filter.X86, filter.X32, filter.AArch64, filter.ARM} {
		if native.Runs(a) {
			f.Arches = append(f.Arches, a)
		}
	}
	return f
}
