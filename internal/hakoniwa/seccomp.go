package hakoniwa

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/seccomp"
)

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
	terminal := seccomp.Terminal(runtime.GOARCH)
	terminal.AllowNewPrivs = f.AllowNewPrivs
	return []*seccomp.Filter{terminal, f}, nil
}
