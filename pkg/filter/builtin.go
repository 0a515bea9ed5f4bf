package filter

import (
	_ "embed"
	"fmt"

	"golang.org/x/sys/unix"
)

//go:generate go run mkprofiles.go

// A builtin is a profile that comes with hk.
type builtin struct {
	json string
	// caps are the capabilities that its conditions name, as bits.
	caps uint64
	// amd64 and arm64 are compiled filters: for a program with none of caps, and for
	// one with all of them.
	amd64, arm64 [2]string
}

var (
	//go:embed profiles/podman.json
	podmanJSON string
	//go:embed profiles/docker.json
	dockerJSON string

	//go:embed profiles/podman_amd64_none.bpf
	podmanAMD64None string
	//go:embed profiles/podman_amd64_all.bpf
	podmanAMD64All string
	//go:embed profiles/podman_arm64_none.bpf
	podmanARM64None string
	//go:embed profiles/podman_arm64_all.bpf
	podmanARM64All string
	//go:embed profiles/docker_amd64_none.bpf
	dockerAMD64None string
	//go:embed profiles/docker_amd64_all.bpf
	dockerAMD64All string
	//go:embed profiles/docker_arm64_none.bpf
	dockerARM64None string
	//go:embed profiles/docker_arm64_all.bpf
	dockerARM64All string
)

func builtins(name string) (builtin, bool) {
	switch name {
	case "podman":
		return builtin{podmanJSON, podmanCaps,
			[2]string{podmanAMD64None, podmanAMD64All}, [2]string{podmanARM64None, podmanARM64All}}, true
	case "docker":
		return builtin{dockerJSON, dockerCaps,
			[2]string{dockerAMD64None, dockerAMD64All}, [2]string{dockerARM64None, dockerARM64All}}, true
	}
	return builtin{}, false
}

// TerminalGuard denies calls that insert input into a terminal which a caller shares
// with the program. The profiles of container engines lack it, because a container has
// its own terminal.
func TerminalGuard() []Rule {
	return []Rule{
		{Names: []string{"ioctl"}, Action: Errno(unix.EPERM), Conds: []Cond{{Arg: 1, Op: EQ, Value: unix.TIOCSTI}}},
		{Names: []string{"ioctl"}, Action: Errno(unix.EPERM), Conds: []Cond{{Arg: 1, Op: EQ, Value: tioclinux}}},
	}
}

const tioclinux = 0x541c

// IsBuiltin reports whether a profile is built in.
func IsBuiltin(name string) bool { _, ok := builtins(name); return ok }

// Builtin returns the policy of a built-in profile, podman or docker, in which the
// ioctl(2)s TIOCSTI and TIOCLINUX also fail with EPERM.
func Builtin(name string, t Target) (*Policy, error) {
	b, ok := builtins(name)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", name)
	}
	p, _, err := ReadProfile([]byte(b.json), t)
	if err != nil {
		return nil, err
	}
	p.Rules = append(TerminalGuard(), p.Rules...)
	return p, nil
}

// BuiltinFilter is the filter of [Builtin]. It is usually precompiled: nothing is
// compiled for a program with none, or with all, of the capabilities that the profile
// names. That is correct for Linux 5.14 and later.
func BuiltinFilter(name string, t Target) ([]unix.SockFilter, error) {
	b, ok := builtins(name)
	if ok && t.Arches == nil && t.Default == nil && (t.Arch == X86_64 || t.Arch == AArch64) {
		ready := b.amd64
		if t.Arch == AArch64 {
			ready = b.arm64
		}
		switch t.Caps & b.caps {
		case 0:
			return decode(ready[0]), nil
		case b.caps:
			return decode(ready[1]), nil
		}
	}
	p, err := Builtin(name, t)
	if err != nil {
		return nil, err
	}
	return Compile(p)
}

// Audit logs the calls of all architectures that a machine runs.
func Audit(native *Arch) *Policy {
	p := &Policy{Default: Log, Newer: Log}
	for _, a := range arches {
		if native.Runs(a) {
			p.Arches = append(p.Arches, a)
		}
	}
	return p
}
