package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Forward connects a TCP port of the network namespace with a UNIX socket of the host.
type Forward struct {
	// Address is in the namespace; its port is not 0, and it has no zone.
	Address netip.AddrPort
	// Path is the socket's, in the supervisor's root.
	Path string
}

const (
	// maxForwards is how many of a kind there can be: they are passed in one message.
	maxForwards = 32
	// backlog is how many connections wait until they are accepted; net.core.somaxconn is
	// the most.
	backlog = 4096
)

// String prints f as the value of a flag.
func (f Forward) String() string {
	path := string(getopt.Escape(f.Path, ":"))
	if f.Address.Addr() == loopback {
		return fmt.Sprintf("%d:%s", f.Address.Port(), path)
	}
	return f.Address.String() + ":" + path
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// ParseForward reads [ADDR:]PORT:PATH; an address of IPv6 is in brackets.
func ParseForward(text string) (Forward, error) {
	none := Forward{}
	address, v, given := "", getopt.Value(text), false
	if rest, ok := strings.CutPrefix(text, "["); ok {
		inside, rest, closed := strings.Cut(rest, "]:")
		if !closed {
			return none, fmt.Errorf("%q is not [ADDR:]PORT:PATH", text)
		}
		address, v, given = inside, getopt.Value(rest), true
	}
	fields := v.Split(':')
	if !given && len(fields) == 3 {
		address, fields, given = fields[0].Text(), fields[1:], true
	}
	if len(fields) != 2 {
		return none, fmt.Errorf("%q is not [ADDR:]PORT:PATH; an address of IPv6 is written in brackets, and a colon in PATH as \\:", text)
	}
	a, port := loopback, fields[0].Text()
	if given {
		var err error
		if a, err = netip.ParseAddr(address); err != nil || a.Zone() != "" || a.Is4In6() || a.Is4() == strings.HasPrefix(text, "[") {
			return none, fmt.Errorf("%q is not an IP address: 127.0.0.1 or [::1]", address)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port != strconv.FormatUint(n, 10) {
		return none, fmt.Errorf("%q is not a port from 1 to 65535", port)
	}
	path := fields[1].Text()
	switch base := filepath.Base(path); {
	case strings.HasPrefix(path, "@"):
		return none, fmt.Errorf("%q: abstract names are not supported; a file of that name is ./%s", path, path)
	case path == "" || strings.HasSuffix(path, "/") || base == "." || base == "..":
		return none, fmt.Errorf("%q is not the path of a socket", path)
	case strings.IndexByte(path, 0) >= 0:
		return none, errors.New("a path with a null byte")
	}
	return Forward{netip.AddrPortFrom(a, uint16(n)), path}, nil
}

// addForward returns the flag that appends to list.
func addForward(list *[]Forward) func(string) error {
	return func(v string) error {
		f, err := ParseForward(v)
		if err != nil {
			return err
		}
		if len(*list) == maxForwards {
			return fmt.Errorf("more than %d of them", maxForwards)
		}
		*list = append(*list, f)
		return nil
	}
}

// checkForwards checks what forwards need of the chain.
func (n *Network) checkForwards(s *stage.State) error {
	if len(n.Forward)+len(n.Expose) > 0 && s.Host.Handover.Net {
		return errors.New("--forward and --expose: only a process outside the namespaces can reach the host's sockets, and a chain that is not fused has none")
	}
	ports := map[netip.AddrPort]bool{}
	for _, f := range n.Forward {
		if ports[f.Address] {
			return fmt.Errorf("--forward: %v is given twice", f.Address)
		}
		ports[f.Address] = true
	}
	paths := map[string]bool{}
	for _, f := range n.Expose {
		if paths[filepath.Clean(f.Path)] {
			return fmt.Errorf("--expose: %s is given twice", f.Path)
		}
		paths[filepath.Clean(f.Path)] = true
	}
	return nil
}

// planForward adds the ops that listen in the namespace, and the step that starts the
// process which takes the connections. The payload gets none of the sockets, and needs no
// call of its own.
func (n *Network) planForward(s *stage.State) error {
	f, err := newForwarder(s, "forward", n.Forward)
	if err != nil {
		return err
	}
	for _, to := range n.Forward {
		s.For("--forward " + to.String())
		sock := s.Open("listener", plan.StreamSocket(to.Address.Addr()).
			Hint(unix.EAFNOSUPPORT, "this kernel has no IPv6"))
		s.Add(plan.ReuseAddress(sock))
		if to.Address.Addr().Is6() {
			s.Add(plan.OnlyIPv6(sock))
		}
		s.Add(plan.BindInet(sock, to.Address).
			Hint(unix.EADDRINUSE, "something in the network namespace listens on that port").
			Hint(unix.EADDRNOTAVAIL, "no interface of the network namespace has that address").
			Because(unix.EACCES, cause.Capability, "a port below 1024 needs CAP_NET_BIND_SERVICE in the user namespace that owns the network namespace"),
			plan.Listen(sock, backlog))
		f.listeners = append(f.listeners, sock)
	}
	s.For("")
	f.addStep(s, f.listeners)
	for _, sock := range f.listeners {
		s.Add(plan.Close(sock))
	}
	return nil
}

// planExpose adds the step that starts the process which listens on the host. It enters
// the network namespace, in which it connects, and for that the user namespace that owns
// it, where it has no capabilities either.
func (n *Network) planExpose(s *stage.State, in namespaces) error {
	f, err := newForwarder(s, "expose", n.Expose)
	if err != nil {
		return err
	}
	f.in = in
	s.For("")
	f.addStep(s, in.results())
	return nil
}
