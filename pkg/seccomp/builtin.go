package seccomp

import (
	_ "embed"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

//go:generate go run mkprofiles.go

// A builtin is a profile that comes with hk.
type builtin struct {
	json string
	// caps are the capabilities that its conditions name, as bits.
	caps uint64
	// compiled are filters by architecture: for a payload with none of caps,
	// and with all of them.
	compiled map[string][2]string
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
		return builtin{podmanJSON, podmanCaps, map[string][2]string{
			"amd64": {podmanAMD64None, podmanAMD64All}, "arm64": {podmanARM64None, podmanARM64All}}}, true
	case "docker":
		return builtin{dockerJSON, dockerCaps, map[string][2]string{
			"amd64": {dockerAMD64None, dockerAMD64All}, "arm64": {dockerARM64None, dockerARM64All}}}, true
	}
	return builtin{}, false
}

// TerminalGuard denies what pushes input into a terminal that a caller shares
// with the payload. The profiles of container engines do without: a container
// has a terminal of its own.
func TerminalGuard() []Rule {
	return []Rule{
		{Names: []string{"ioctl"}, Action: Errno(unix.EPERM), Conds: []Cond{{Arg: 1, Op: EQ, Value: unix.TIOCSTI}}},
		{Names: []string{"ioctl"}, Action: Errno(unix.EPERM), Conds: []Cond{{Arg: 1, Op: EQ, Value: tioclinux}}},
	}
}

const tioclinux = 0x541c

// Builtin returns the policy of a profile that comes with hk: podman or docker,
// and besides it the ioctl(2)s TIOCSTI and TIOCLINUX fail with EPERM.
func Builtin(name string, t Target) (*Policy, error) { return builtinPolicy(name, t, instead{}) }

func builtinPolicy(name string, t Target, other instead) (*Policy, error) {
	b, ok := builtins(name)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", name)
	}
	p, _, err := readProfile([]byte(b.json), t, other)
	if err != nil {
		return nil, err
	}
	p.Rules = append(TerminalGuard(), p.Rules...)
	return p, nil
}

// BuiltinFilter returns the filter of a profile that comes with hk for this
// machine and a payload with the given capabilities, as bits. Most often it is
// there already.
func BuiltinFilter(name string, caps uint64) ([]unix.SockFilter, error) {
	b, ok := builtins(name)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", name)
	}
	switch caps & b.caps {
	case 0:
		return decode(b.compiled[runtime.GOARCH][0]), nil
	case b.caps:
		return decode(b.compiled[runtime.GOARCH][1]), nil
	}
	p, err := Builtin(name, thisTarget(caps))
	if err != nil {
		return nil, err
	}
	return Compile(p)
}
