package idmap

import (
	"errors"

	"hk/pkg/stage"

	"github.com/spf13/pflag"
)

// Kind is hk-idmap.
var Kind = stage.Kind{
	Name: "hk-idmap",
	New:  func() stage.Stage { return &Maps{} },
	Usage: `hk-idmap [flags] [--] NEXT [args...]: map ids in the new user namespace

 --self            the caller's ids to themselves (default)
 --root            0 to the caller's ids
 --auto            0 to the caller, 1 and up to all its subuid and subgid ranges
 -u, --uid INSIDE[:OUTSIDE[:COUNT]]   one line of the user map; repeatable
 -g, --gid INSIDE[:OUTSIDE[:COUNT]]   one line of the group map; repeatable
                   default OUTSIDE is the caller's id, default COUNT is 1
 --setgroups allow|deny   whether setgroups(2) works inside
`,
}

// Flags binds m to the flags of hk-idmap(1).
func (m *Maps) Flags(fs *pflag.FlagSet) {
	fs.BoolVar(&m.Self, "self", false, "")
	fs.BoolVar(&m.Root, "root", false, "")
	fs.BoolVar(&m.Auto, "auto", false, "")
	add := func(list *[]Range) func(string) error {
		return func(v string) error {
			r, err := ParseRange(v)
			*list = append(*list, r)
			return err
		}
	}
	fs.FuncP("uid", "u", "", add(&m.UID))
	fs.FuncP("gid", "g", "", add(&m.GID))
	fs.Func("setgroups", "", func(v string) error {
		if v != "allow" && v != "deny" {
			return errors.New("not allow or deny")
		}
		m.Setgroups = v
		return nil
	})
}

// Args prints m as flags.
func (m *Maps) Args() []string {
	var args []string
	if m.Self {
		args = append(args, "--self")
	}
	if m.Root {
		args = append(args, "--root")
	}
	if m.Auto {
		args = append(args, "--auto")
	}
	for _, r := range m.UID {
		args = append(args, "--uid="+r.String())
	}
	for _, r := range m.GID {
		args = append(args, "--gid="+r.String())
	}
	if m.Setgroups != "" {
		args = append(args, "--setgroups="+m.Setgroups)
	}
	return args
}
