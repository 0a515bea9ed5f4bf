package hakoniwa

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"hk/internal/vis"
	"hk/pkg/getopt"
	"hk/pkg/landlock"
	"hk/pkg/mount"
)

// resources are what can be restricted: files, and ports by what is done with them.
var resources = []string{"fs", "tcp.bind", "tcp.connect", "udp.bind", "udp.connect"}

// landlock returns the stage for Landlock, or nil if nothing is restricted.
func (c *compiler) landlock() (*landlock.Ruleset, error) {
	words, err := c.landlockFlags()
	if err != nil || len(words) == 0 {
		return nil, err
	}
	asked := c.Landlock
	if asked.ABI != 0 {
		words = append(words, fmt.Sprintf("--abi=%d", asked.ABI))
	}
	if asked.Log != "" {
		words = append(words, "--log="+asked.Log)
	}
	rules := &landlock.Ruleset{AllowNewPrivs: c.User.AllowNewPrivs, IgnoreMissing: asked.IgnoreMissing, BestEffort: asked.BestEffort}
	var fs getopt.Flags
	rules.Flags(&fs)
	if _, err := fs.Parse(words); err != nil {
		return nil, err
	}
	abi := c.Host.LandlockABI()
	if onFiles := rules.RestrictFS || len(rules.Rules)+len(rules.Closures) > 0; onFiles && asked.ABI == 0 && abi > 0 && abi < landlock.DefaultABI {
		rules.ABI = abi
		c.notes = append(c.notes, fmt.Sprintf("this kernel has Landlock ABI %d: rights on files that came with ABI %d to %d are not restricted", abi, abi+1, landlock.DefaultABI))
	}
	return rules, nil
}

// landlockFlags are the rules and restrictions as flags of hk-landlock.
func (c *compiler) landlockFlags() (words []string, err error) {
	free := map[string]bool{}
	restricted := map[string]bool{}
	for _, r := range c.Landlock.Resources {
		if !slices.Contains(resources, r.Type) {
			return nil, fmt.Errorf("unknown Landlock resource %s", r.Type)
		}
		free[r.Type], restricted[r.Type] = r.Unrestrict, !r.Unrestrict
	}
	for _, t := range resources {
		if restricted[t] {
			words = append(words, "--restrict="+strings.ReplaceAll(t, ".", "-"))
		}
	}
	for _, r := range c.Landlock.FS {
		word, err := r.flag(c.Host.LandlockABI())
		if err != nil {
			return nil, err
		}
		if !free["fs"] {
			words = append(words, word)
		}
	}
	for _, r := range c.Landlock.Net {
		if !slices.Contains(resources[1:], r.Access) {
			return nil, fmt.Errorf("unknown Landlock access %s", r.Access)
		}
		if !free[r.Access] {
			words = append(words, fmt.Sprintf("--%s=%d", strings.ReplaceAll(r.Access, ".", "-"), r.Port))
		}
	}
	if len(c.Landlock.Scope) > 0 {
		words = append(words, "--scope="+getopt.JoinList(c.Landlock.Scope))
	}
	for _, p := range c.Landlock.Closures {
		if !free["fs"] {
			words = append(words, "--exec-closure="+p)
		}
	}
	return words, nil
}

// uncovered says which bind mounts of the command line the Landlock rules do not let be used:
// those of a configuration file do not know of them.
func (c *compiler) uncovered() (list []string) {
	free := slices.ContainsFunc(c.Landlock.Resources, func(r Resource) bool { return r.Type == "fs" && r.Unrestrict })
	if free || len(c.Landlock.FS) == 0 {
		return nil
	}
	for _, e := range c.given {
		letter, flag, what := "r", "--landlock-fs-ro", "read"
		if e.Kind == mount.Bind || e.Kind == mount.TryBind {
			letter, flag, what = "w", "--landlock-fs-rw", "written to"
		}
		if !slices.ContainsFunc(c.Landlock.FS, func(r FSRule) bool { return r.covers(e.Target, letter) }) {
			target := vis.Text(e.Target)
			list = append(list, fmt.Sprintf("no rule of Landlock lets %s be %s, which is mounted: %s %s", target, what, flag, target))
		}
	}
	return list
}

// covers reports whether a rule may allow what a letter says at a path.
func (r FSRule) covers(at, letter string) bool {
	below := strings.HasPrefix(at+"/", strings.TrimSuffix(path.Clean(r.Path), "/")+"/")
	return !path.IsAbs(r.Path) || below && (r.Rights != "" || strings.Contains(strings.ToLower(r.Access), letter))
}

// writeRights are the rights of w without r or x that a kernel has.
func writeRights(abi int) string {
	rights := "write_file+remove_dir+remove_file+make_char+make_dir+make_reg+make_sock+make_fifo+make_block+make_sym"
	for _, newer := range []struct {
		abi  int
		name string
	}{{2, "refer"}, {3, "truncate"}, {5, "ioctl_dev"}} {
		if abi >= newer.abi {
			rights += "+" + newer.name
		}
	}
	return rights
}

// flag is the rule as a flag of hk-landlock. One that allows nothing restricts all the
// same.
func (r FSRule) flag(abi int) (string, error) {
	if r.Path == "" {
		return "", fmt.Errorf("a Landlock rule with an empty path")
	}
	if r.Rights != "" {
		return "--allow=" + string(getopt.Escape(r.Path, ",:")) + ":" + r.Rights, nil
	}
	var has [3]bool
	for _, letter := range strings.ToLower(r.Access) {
		i := strings.IndexRune("rwx", letter)
		switch {
		case i >= 0:
			has[i] = true
		case letter != '-':
			return "", fmt.Errorf("Landlock access %q of %s: the letters are r, w and x", r.Access, r.Path)
		}
	}
	class := map[[3]bool]string{{true, false, false}: "ro", {true, false, true}: "rx", {true, true, false}: "rw", {true, true, true}: "rwx"}[has]
	if class != "" {
		return "--" + class + "=" + string(getopt.Escape(r.Path, ",")), nil
	}
	rights := map[[3]bool]string{{false, true, false}: writeRights(abi), {false, true, true}: writeRights(abi) + "+execute", {false, false, true}: "execute"}[has]
	if rights == "" {
		return "--restrict=fs", nil
	}
	return "--allow=" + string(getopt.Escape(r.Path, ",:")) + ":" + rights, nil
}
