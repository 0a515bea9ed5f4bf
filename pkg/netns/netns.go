// Package netns connects a network namespace: netdevice(7), pasta(1).
//
// It does not create the namespace; package unshare does.
package netns

import (
	"errors"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Network says what a network namespace is connected to. A new one has only a loopback
// interface, which is down.
type Network struct {
	// Loopback brings up the interface lo, with 127.0.0.1 and ::1.
	Loopback bool
	// Pasta connects the namespace to the outside through pasta(1), which runs
	// until the payload has ended.
	Pasta bool
	// PastaArgs are arguments of pasta in addition to the defaults: an address and
	// routes like the host's, no ports forwarded in either direction, and no address
	// that stands for the host's 127.0.0.1. An option that selects ports replaces its
	// default. "--map-gw", which is not an option of pasta, makes the gateway's address
	// the host's 127.0.0.1.
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
