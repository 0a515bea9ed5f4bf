package idmap

import (
	"strconv"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"
)

// Kind is hk-idmap.
var Kind = stage.Kind{
	Name: "hk-idmap",
	New:  func() stage.Stage { return &Maps{} },
	Usage: `hk-idmap [flags] [--] NEXT [args...]: map IDs in the new user namespace

 --self            map the caller's IDs to themselves (default)
 --root            map 0 to the caller's IDs
 --auto            map 0 to the caller, 1 and up to its subuid and subgid ranges
 -u, --uid INSIDE[:OUTSIDE[:COUNT]]   one line of the user map; repeatable
 -g, --gid INSIDE[:OUTSIDE[:COUNT]]   one line of the group map; repeatable
                   default OUTSIDE is the caller's ID, default COUNT is 1
 --setgroups allow|deny   whether setgroups(2) is allowed inside
 --pid PID         map the user namespace of process PID, from outside;
                   NEXT may be omitted
`,
	Rules: []stage.Rule{
		{When: "without --pid", Is: func(s stage.Stage, _ *host.Host) bool { return s.(*Maps).PID == 0 },
			Needs: stage.OwnUserNS, Gives: stage.IDs},
	},
}

// Flags binds m to the flags of hk-idmap(1).
func (m *Maps) Flags(fs *getopt.Flags) {
	fs.Bool("self", "", &m.Self)
	fs.Bool("root", "", &m.Root)
	fs.Bool("auto", "", &m.Auto)
	add := func(list *[]Range) func(string) error {
		return func(v string) error {
			r, err := ParseRange(v)
			*list = append(*list, r)
			return err
		}
	}
	fs.String("uid", "u", add(&m.UID))
	fs.String("gid", "g", add(&m.GID))
	fs.String("setgroups", "", getopt.OneOf(&m.Setgroups, "allow", "deny"))
	fs.String("pid", "", func(v string) (err error) {
		m.PID, err = getopt.ParsePID(v)
		return err
	})
}

// Args prints m as flags.
func (m *Maps) Args() []string {
	var a getopt.Args
	a.Bool("self", m.Self)
	a.Bool("root", m.Root)
	a.Bool("auto", m.Auto)
	for _, r := range m.UID {
		a.String("uid", r.String())
	}
	for _, r := range m.GID {
		a.String("gid", r.String())
	}
	a.Set("setgroups", m.Setgroups)
	if m.PID != 0 {
		a.Set("pid", strconv.Itoa(m.PID))
	}
	return a
}
