package plan

import (
	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// Socket is socket(2) of an IPv4 datagram socket, with which the interfaces of a
// network namespace are set up, see netdevice(7).
func Socket() *Op {
	return call("socket", unix.SYS_SOCKET, Const("AF_INET", unix.AF_INET),
		Const("SOCK_DGRAM|SOCK_CLOEXEC", unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), Const("IPPROTO_IP", unix.IPPROTO_IP))
}

var interfaceFlags = []bit{
	{unix.IFF_UP, "IFF_UP"},
}

// SetInterfaceFlags is ioctl(SIOCSIFFLAGS) on the interface name, which has 1 to 15
// bytes: all of its flags that can be set are set to flags.
func SetInterfaceFlags(socket *Result, name string, flags uint16) *Op {
	s := &structure{}
	s.bytes = make([]byte, unix.IFNAMSIZ, sizeofIfreq)
	copy(s.bytes, name)
	s.u32(uint32(flags)) // ifr_flags is a short, and what follows it is not read
	s.bytes = s.bytes[:sizeofIfreq]
	m := s.is(func() string {
		return "{ifr_name=" + quote(name) + ", ifr_flags=" + flagText(uint64(flags), interfaceFlags) + "}"
	})
	return call("ioctl", unix.SYS_IOCTL, Ref(socket), Const("SIOCSIFFLAGS", unix.SIOCSIFFLAGS), Ptr(m))
}

// sizeofIfreq is the size of struct ifreq where a pointer has 8 bytes.
const sizeofIfreq = 40

// SocketNetwork is ioctl(SIOCGSKNS) of a socket with a known number: its network namespace
// (Linux 4.10).
func SocketNetwork(fd int) *Op {
	return call("ioctl", unix.SYS_IOCTL, Int(int64(fd)), Const("SIOCGSKNS", unix.SIOCGSKNS)).
		Hint(unix.ENOTTY, "it is not a socket").
		Hint(unix.EINVAL, "it is not a socket").
		Because(unix.EPERM, cause.Capability, "this needs CAP_NET_ADMIN in the user namespace that owns the network namespace")
}
