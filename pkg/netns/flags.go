package netns

import (
	"hk/pkg/stage"

	"github.com/spf13/pflag"
)

// Kind is hk-net.
var Kind = stage.Kind{
	Name: "hk-net",
	New:  func() stage.Stage { return &Network{} },
	Usage: `hk-net [flags] [--] NEXT [args...]: connect the new network namespace

 --loopback        bring lo up: 127.0.0.1 and ::1, within the namespace
`,
}

// Flags binds n to the flags of hk-net(1).
func (n *Network) Flags(fs *pflag.FlagSet) {
	fs.BoolVar(&n.Loopback, "loopback", false, "")
}

// Args prints n as flags.
func (n *Network) Args() []string {
	var args []string
	if n.Loopback {
		args = append(args, "--loopback")
	}
	return args
}
