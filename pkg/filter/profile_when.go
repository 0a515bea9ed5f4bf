package filter

import (
	"fmt"
	"slices"
	"strings"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/moby/sys/capability"
)

// goarch is the name that includes.arches and excludes.arches use for a native
// architecture.
func goarch(a *Arch) string {
	for _, name := range []string{"amd64", "arm64"} {
		if Native(name) == a {
			return name
		}
	}
	return ""
}

// capBit is the bit of a capability given by name, CAP_CHOWN, or 0.
func capBit(name string) uint64 {
	short, ok := strings.CutPrefix(name, "CAP_")
	for _, c := range capability.ListKnown() {
		if ok && strings.ToUpper(c.String()) == short {
			return 1 << c
		}
	}
	return 0
}

// has reports whether the program can have a capability.
func (t Target) has(name string) bool { return t.Caps&capBit(name) != 0 }

func (t Target) kernel(major, minor uint64) bool { return t.Kernel != nil && t.Kernel(major, minor) }

// applies reports whether the conditions of an entry are true.
func (s *syscall) applies(t Target) (bool, error) {
	for _, f := range []*profiles.Filter{s.Excludes, s.Includes} {
		if err := checkFilter(f); err != nil {
			return false, err
		}
	}
	if f := s.Excludes; f != nil {
		if slices.Contains(f.Arches, goarch(t.Arch)) || slices.ContainsFunc(f.Caps, t.has) {
			return false, nil
		}
		if f.MinKernel != nil && t.kernel(f.MinKernel.Kernel, f.MinKernel.Major) {
			return false, nil
		}
	}
	if f := s.Includes; f != nil {
		if len(f.Arches) > 0 && !slices.Contains(f.Arches, goarch(t.Arch)) {
			return false, nil
		}
		if slices.ContainsFunc(f.Caps, func(c string) bool { return !t.has(c) }) {
			return false, nil
		}
		if f.MinKernel != nil && !t.kernel(f.MinKernel.Kernel, f.MinKernel.Major) {
			return false, nil
		}
	}
	return true, nil
}

// goarches are the names that architectures have in conditions.
var goarches = []string{"386", "amd64", "arm", "arm64", "loong64", "loongarch64", "mips", "mips64", "mips64le", "mips64n32",
	"mips64p32", "mipsel64", "mipsle", "mips3l64n32", "ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x", "x32", "x86"}

// checkFilter rejects unknown names: a condition that is never true would disable its
// rule.
func checkFilter(f *profiles.Filter) error {
	if f == nil {
		return nil
	}
	for _, a := range f.Arches {
		if !slices.Contains(goarches, a) {
			return fmt.Errorf("unknown architecture %q in a condition", a)
		}
	}
	for _, c := range f.Caps {
		if capBit(c) == 0 {
			return fmt.Errorf("unknown capability %q in a condition", c)
		}
	}
	return nil
}
