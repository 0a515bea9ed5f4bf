package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// StreamSocket is socket(2) of a TCP socket for addresses like a: tcp(7). It does not block.
func StreamSocket(a netip.Addr) *Op {
	family := Const("AF_INET6", unix.AF_INET6)
	if a.Is4() {
		family = Const("AF_INET", unix.AF_INET)
	}
	return call("socket", unix.SYS_SOCKET, family,
		Const("SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK", unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), Const("IPPROTO_IP", unix.IPPROTO_IP))
}

// ReuseAddress is setsockopt(2) of SO_REUSEADDR: a port whose last connections are being
// closed can be bound.
func ReuseAddress(sock *Result) *Op {
	return setOption(sock, Const("SOL_SOCKET", unix.SOL_SOCKET), Const("SO_REUSEADDR", unix.SO_REUSEADDR))
}

// OnlyIPv6 is setsockopt(2) of IPV6_V6ONLY: the address :: does not include those of IPv4.
func OnlyIPv6(sock *Result) *Op {
	return setOption(sock, Const("SOL_IPV6", unix.SOL_IPV6), Const("IPV6_V6ONLY", unix.IPV6_V6ONLY))
}

// setOption sets an option of a socket to 1.
func setOption(sock *Result, level, option Arg) *Op {
	value := (&structure{}).u32(1)
	return call("setsockopt", unix.SYS_SETSOCKOPT, Ref(sock), level, option, Ptr(value.is(func() string { return "[1]" })), Int(4))
}

// BindInet is bind(2) of a socket to an address without a zone, and a port.
func BindInet(sock *Result, a netip.AddrPort) *Op {
	s := &structure{}
	port := "port=htons(" + strconv.Itoa(int(a.Port())) + ")"
	var text string
	if a.Addr().Is4() {
		s.bytes = binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, unix.AF_INET), a.Port())
		s.bytes = append(append(s.bytes, a.Addr().AsSlice()...), make([]byte, 8)...)
		text = fmt.Sprintf("{sa_family=AF_INET, sin_%s, sin_addr=inet_addr(%q)}", port, a.Addr())
	} else {
		s.bytes = binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), a.Port())
		s.bytes = append(append(append(s.bytes, 0, 0, 0, 0), a.Addr().AsSlice()...), 0, 0, 0, 0)
		text = fmt.Sprintf("{sa_family=AF_INET6, sin6_%s, sin6_flowinfo=htonl(0), inet_pton(AF_INET6, %q, &sin6_addr), sin6_scope_id=0}", port, a.Addr())
	}
	return call("bind", unix.SYS_BIND, Ref(sock), Ptr(s.is(func() string { return text })), Int(int64(len(s.bytes))))
}

// Listen is listen(2).
func Listen(sock *Result, backlog int) *Op {
	return call("listen", unix.SYS_LISTEN, Ref(sock), Int(int64(backlog)))
}
