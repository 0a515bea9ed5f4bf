package plan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// UnixDatagram is socket(2) of a datagram socket of unix(7).
func UnixDatagram() *Op {
	return call("socket", unix.SYS_SOCKET, Const("AF_UNIX", unix.AF_UNIX),
		Const("SOCK_DGRAM|SOCK_CLOEXEC", unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), Int(0))
}

// BindUnix is bind(2) of a socket to an address, and ConnectUnix is connect(2): the name
// of a file, or @ and an abstract name, which exists only in the network namespace in
// which it was bound.
func BindUnix(sock *Result, address string) *Op {
	return withAddress("bind", unix.SYS_BIND, sock, address)
}

// ConnectUnix is connect(2), like [BindUnix].
func ConnectUnix(sock *Result, address string) *Op {
	return withAddress("connect", unix.SYS_CONNECT, sock, address)
}

// MaxUnixAddress is the length of the longest address.
const MaxUnixAddress = 107

func withAddress(name string, nr uintptr, sock *Result, address string) *Op {
	s := &structure{}
	s.bytes = binary.NativeEndian.AppendUint16(s.bytes, unix.AF_UNIX)
	text := "{sa_family=AF_UNIX, sun_path=" + quote(address) + "}"
	if address[0] == '@' {
		text = "{sa_family=AF_UNIX, sun_path=@" + quote(address[1:]) + "}"
		s.bytes = append(append(s.bytes, 0), address[1:]...)
	} else {
		s.bytes = append(append(s.bytes, address...), 0)
	}
	n := len(s.bytes)
	return call(name, nr, Ref(sock), Ptr(s.is(func() string { return text })), Int(int64(n)))
}
