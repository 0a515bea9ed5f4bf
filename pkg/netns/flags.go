package netns

import (
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// Kind is hk-net.
var Kind = stage.Kind{
	Name: "hk-net",
	New:  func() stage.Stage { return &Network{} },
	Usage: `hk-net [flags] [--] NEXT [args...]: connect the new network namespace

 --loopback        bring lo up: 127.0.0.1 and ::1, within the namespace
 --pasta[=ARG,...] connect it to the outside through pasta(1), with no ports
                   forwarded and without the host's 127.0.0.1; ARGs are
                   pasta's, as in --pasta=-t,8080; a comma within one is \,
 --forward [ADDR:]PORT:PATH
                   forward TCP connections to 127.0.0.1 or ADDR in the namespace
                   to the UNIX socket PATH of the host
 --expose [ADDR:]PORT:PATH
                   create the UNIX socket PATH on the host, and forward its
                   connections to that TCP port in the namespace
`,
	Rules: []stage.Rule{
		{Needs: stage.OwnNetNS | stage.NetAdmin},
	},
}

// Flags binds n to the flags of hk-net(1).
func (n *Network) Flags(fs *getopt.Flags) {
	fs.Bool("loopback", "", &n.Loopback)
	fs.Optional("pasta", "", func(v string) error {
		args, err := parseArgs(strings.TrimSpace(v))
		n.Pasta, n.PastaArgs = true, args
		return err
	})
	fs.String("forward", "", addForward(&n.Forward))
	fs.String("expose", "", addForward(&n.Expose))
}

// Args prints n as flags.
func (n *Network) Args() []string {
	var a getopt.Args
	a.Bool("loopback", n.Loopback)
	if n.Pasta && len(n.PastaArgs) > 0 {
		a.String("pasta", getopt.JoinList(n.PastaArgs))
	} else {
		a.Bool("pasta", n.Pasta)
	}
	for _, f := range n.Forward {
		a.String("forward", f.String())
	}
	for _, f := range n.Expose {
		a.String("expose", f.String())
	}
	return a
}
