package chain

import (
	"io"
	"slices"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"
)

// origins say which flags of a stage have asked for its ops that are for several flags
// together, by the name of the call and by a part of what is printed; "" is any. A flag counts
// if it is given; one that ends in a star stands for all that begin so.
var origins = []struct {
	stage, call, part string
	flags             []string
}{
	{"hk-unshare", "getppid", "", []string{"die-with-parent*"}},
	{"hk-idmap", "openat2", "_map", []string{"*"}},
	{"hk-idmap", "openat2", "setgroups", []string{"*"}},
	{"hk-idmap", "write", "$file", []string{"*"}},
	{"hk-mount", "pivot_root", "", []string{"root", "root-rw", "ephemeral", "rootfs"}},
	{"hk-mount", "move_mount", `AT_FDCWD, "/"`, []string{"root", "root-rw", "ephemeral", "rootfs"}},
	{"hk-mount", "chdir", "", []string{"chdir", "else-chdir"}},
	{"hk-landlock", "landlock_create_ruleset", "", []string{"*"}},
	{"hk-landlock", "landlock_restrict_self", "", []string{"*"}},
	{"hk-seccomp", "seccomp", "", []string{"*"}},
	{"hk-seccomp", "prctl", "PR_SET_SECCOMP", []string{"*"}},
}

// Why writes the plan of the chain as text, with a line after each op: the flag that has
// asked for it, and what it is for.
func (c *Chain) Why(s *stage.State, w io.Writer) error {
	return s.Annotated(w, func(it plan.Item) string {
		flag, purpose := it.Cause(), it.Purpose()
		if flag == "" {
			flag = strings.Join(c.origin(it), " ")
		}
		if flag == "" || purpose == "" {
			return flag + purpose
		}
		return flag + ": " + purpose
	})
}

// origin are the flags of the item's stage that are in the table of origins.
func (c *Chain) origin(it plan.Item) (flags []string) {
	if it.Step != nil {
		return nil
	}
	text := it.Text()
	for _, o := range origins {
		if o.stage != it.Stage() || o.call != it.Op.Name || !strings.Contains(text, o.part) {
			continue
		}
		for _, l := range c.Links {
			if l.Kind.Name != o.stage {
				continue
			}
			for _, w := range l.Stage.Args() {
				if given(w, o.flags) && !slices.Contains(flags, w) {
					flags = append(flags, w)
				}
			}
		}
	}
	return flags
}

// given reports whether a flag, as it is printed, is one of those of a list of origins.
func given(word string, flags []string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	return slices.ContainsFunc(flags, func(f string) bool {
		start, all := strings.CutSuffix(f, "*")
		return name == f || all && strings.HasPrefix(name, start)
	})
}
