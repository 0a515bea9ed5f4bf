// Package netns connects a network namespace: netdevice(7), pasta(1).
//
// It makes none: that is package unshare.
package netns

import (
	"errors"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Network says what a network namespace is connected to. A new one has a
// loopback interface that is down, and nothing else.
type Network struct {
	// Loopback brings the interface lo up, with 127.0.0.1 and ::1.
	Loopback bool
	// Pasta connects the namespace to the outside through pasta(1), which runs
	// until the payload has ended.
	Pasta bool
	// PastaArgs are pasta's arguments besides the defaults: an address and
	// routes like the machine's, no ports forwarded either way, and no address
	// that stands for the machine's 127.0.0.1. An option that says which ports
	// takes the place of its default; "--map-gw", which is not pasta's, makes
	// the gateway's address the machine's 127.0.0.1.
	PastaArgs []string
}

// Needs implements stage.Stage: pasta gets the namespaces as files of procfs.
func (n *Network) Needs() stage.Needs { return stage.Needs{CallerProc: n.Pasta} }

// Plan adds the ops that bring the network up.
func (n *Network) Plan(s *stage.State) error {
	switch {
	case !n.Loopback && !n.Pasta:
		return errors.New("nothing was asked for: see hk-net(1)")
	case !s.OwnNet():
		return errors.New("this is the initial network namespace, as far as can be determined: hk-unshare --net must come first")
	case !s.Cred.Has(unix.CAP_NET_ADMIN):
		return errors.New("CAP_NET_ADMIN is needed: hk-net must come before hk-setuser, and an ordinary user needs hk-unshare --user")
	}
	if n.Loopback {
		s.For("--loopback")
		socket := s.Open("socket", plan.Socket())
		s.Add(plan.SetInterfaceFlags(socket, "lo", unix.IFF_UP).
			Hint(unix.EPERM, "the network namespace belongs to a user namespace in which the process has no capabilities"),
			plan.Close(socket))
	}
	if n.Pasta {
		s.For("--pasta")
		return n.planPasta(s)
	}
	return nil
}
