// Package netns connects a network namespace: netdevice(7), pasta(1).
//
// It does not create the namespace; package unshare does.
package netns

import (
	"errors"

	"hk/pkg/cause"
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
	// Forward has TCP connections to an address in the namespace forwarded to a UNIX socket
	// of the host, and Expose those to a UNIX socket, which is created on the host, to an
	// address in the namespace. Both bring up lo.
	Forward, Expose []Forward
}

// Needs implements stage.Stage: helpers get the namespaces as files of procfs, and run as
// long as the payload.
func (n *Network) Needs() stage.Needs {
	return stage.Needs{CallerProc: n.Pasta || len(n.Expose) > 0, Supervisor: n.forwards()}
}

func (n *Network) forwards() bool { return len(n.Forward)+len(n.Expose) > 0 }

// Plan adds the ops that bring the network up.
func (n *Network) Plan(s *stage.State) error {
	switch {
	case !n.Loopback && !n.Pasta && !n.forwards():
		return errors.New("nothing was asked for: see hk-net(1)")
	case !s.OwnNet():
		return errors.New("this is the initial network namespace, as far as can be determined: hk-unshare --net must come first")
	case !s.Cred.Has(unix.CAP_NET_ADMIN):
		return cause.Because(cause.Capability, errors.New("CAP_NET_ADMIN is needed: hk-net must come before hk-setuser, and an ordinary user needs hk-unshare --user"))
	}
	if err := n.checkForwards(s); err != nil {
		return err
	}
	if n.Loopback || n.forwards() {
		s.For("--loopback")
		socket := s.Open("socket", plan.Socket())
		s.Add(plan.SetInterfaceFlags(socket, "lo", unix.IFF_UP).
			Because(unix.EPERM, cause.Capability, "the network namespace belongs to a user namespace in which the process has no capabilities"),
			plan.Close(socket))
	}
	if err := n.planHelpers(s); err != nil || len(n.Forward) == 0 {
		return err
	}
	// After pasta, which sets up addresses to listen on.
	return n.planForward(s)
}

// planHelpers adds the steps of the helpers that enter the namespaces.
func (n *Network) planHelpers(s *stage.State) error {
	var p *pasta
	var err error
	if n.Pasta {
		s.For("--pasta")
		if p, err = n.newPasta(s); err != nil {
			return err
		}
	}
	if p == nil && len(n.Expose) == 0 {
		return nil
	}
	proc, err := s.CallerProc()
	if err != nil {
		return err
	}
	in := namespaces{net: s.Open("net", plan.Openat(plan.Ref(proc), "self/ns/net", unix.O_CLOEXEC, 0))}
	if p != nil || s.NS.Entered(unix.CLONE_NEWUSER) {
		in.user = s.Open("user", plan.Openat(plan.Ref(proc), "self/ns/user", unix.O_CLOEXEC, 0))
	}
	if p != nil {
		p.addStep(s, in)
	}
	if len(n.Expose) > 0 {
		if err := n.planExpose(s, in); err != nil {
			return err
		}
	}
	for _, r := range in.results() {
		s.Add(plan.Close(r))
	}
	s.CloseCallerProc(proc)
	return nil
}
