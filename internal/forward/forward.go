// Package forward forwards connections between TCP ports of a network namespace and UNIX
// sockets of the host: hk-net-forward(8). That is a program of its own, because it runs as
// long as the payload, with fewer rights than the supervisor, and because of what it links.
package forward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// atEnd is how long what the payload has sent is still passed on after its end.
const atEnd = time.Second

// A port is what accepts connections, and how each is connected to the other side.
type port struct {
	// cause is the flag, for messages.
	cause string
	// address is in the namespace; dir is the directory of the host's socket, and base its
	// name in it.
	address netip.AddrPort
	dir     int
	base    string

	listen  listener
	connect func(*port) (net.Conn, error)
	// raw is another descriptor of the listening socket, and inode that of the socket's
	// file, if this process has created it.
	raw   int
	inode uint64

	warned sync.Once
}

type listener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// Main runs the process, and returns its exit status.
func Main() int {
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	if kind, err := unix.GetsockoptInt(controlFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
		fmt.Fprintln(os.Stderr, "hk-net-forward: is started by hk-net, not by hand: see hk-net-forward(8)")
		return 125
	}
	most := slots()
	ports, err := prepare(os.Args[1:])
	if err != nil {
		tell("error " + strings.ReplaceAll(err.Error(), "\n", ", "))
		return 1
	}
	tell("ready")
	serve(ports, most)
	return 0
}

func tell(text string) { unix.Write(controlFD, []byte(text)) }

// prepare gives up what is not needed, and makes the ports that the arguments name: the kind,
// and an address, the name of a socket and a text for messages for each.
func prepare(args []string) ([]*port, error) {
	if len(args) < 4 || len(args)%3 != 1 {
		return nil, errors.New("unexpected arguments")
	}
	exposes := args[0] == "expose"
	switch {
	case begun.errno != 0:
		return nil, fmt.Errorf("setns: %w", begun.errno)
	case exposes && !begun.done:
		return nil, errors.New("--expose: hk-net-forward was built by a plain go build, and cannot enter a namespace: see hk-net-forward(8)")
	}
	if err := dropCapabilities(); err != nil {
		return nil, err
	}
	var ports []*port
	fd := firstFD
	for rest := args[1:]; len(rest) > 0; rest = rest[3:] {
		address, err := netip.ParseAddrPort(rest[0])
		if err != nil {
			return nil, err
		}
		p := &port{address: address, base: rest[1], cause: rest[2]}
		if exposes {
			p.dir, p.connect = fd, (*port).connectTCP
			err = p.create()
			fd++
		} else {
			p.raw, p.dir, p.connect = fd, fd+1, (*port).connectUnix
			err = p.reachable()
			fd += 2
		}
		if err == nil {
			p.listen, err = listenerOf(p.raw)
		}
		ports = append(ports, p)
		if err != nil {
			removeAll(ports)
			return nil, fmt.Errorf("%s: %w", p.cause, err)
		}
	}
	if err := confine(ports); err != nil {
		removeAll(ports)
		return nil, err
	}
	return ports, nil
}

// listenerOf is a listener with a descriptor of its own.
func listenerOf(fd int) (listener, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstFD)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return l.(listener), nil
}
