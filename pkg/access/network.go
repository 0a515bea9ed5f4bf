package access

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A network is what was used of it.
type network struct {
	// sockets are the types of the sockets that were made, by what procfs shows of them.
	sockets map[string]socket
	// binds and connects are TCP ports.
	binds, connects map[uint16]bool
	// abstract are the abstract names to which sockets were bound, and outside is set if
	// another one was connected or sent to.
	abstract map[string]bool
	outside  bool
	// internet is set if Internet sockets were made, and remote if one was connected, or
	// something sent, to another machine, or if that is not known. other is set if sockets
	// of another kind were made than these and UNIX sockets.
	internet, remote, other bool
	local
}

// A socket has the port to which it is bound, or 0.
type socket struct {
	family, kind int
	port         uint16
}

func (n *network) init() {
	if n.sockets == nil {
		n.sockets, n.abstract = map[string]socket{}, map[string]bool{}
		n.binds, n.connects = map[uint16]bool{}, map[uint16]bool{}
	}
}

// socketMade notes the type of a socket.
func (r *Recorder) socketMade(c call) {
	r.init()
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	s := socket{family: int(c.Args[0]), kind: int(c.Args[1] &^ flags)}
	switch s.family {
	case unix.AF_INET, unix.AF_INET6:
		r.internet = true
	case unix.AF_UNIX:
	default:
		r.other = true
	}
	if shown, err := os.Readlink(proc(c.tid) + "/fd/" + strconv.FormatInt(c.result, 10)); err == nil && len(r.sockets) < maxPaths {
		r.sockets[shown] = s
	}
}

// address reads the address that a call is given, and whether it is for TCP.
func (r *Recorder) address(c call, fd int, addr, size uint64) (b []byte, tcp bool) {
	r.init()
	b = make([]byte, min(size, 128))
	if r.memory().Peek(c.tid, addr, b) < len(b) || len(b) < 2 {
		return nil, false
	}
	shown, err := os.Readlink(proc(c.tid) + "/fd/" + strconv.Itoa(fd))
	s, known := r.sockets[shown]
	return b, err != nil || !known || s.kind == unix.SOCK_STREAM
}

// socketOf is what procfs shows of the socket that a call is given first.
func (r *Recorder) socketOf(c call) string {
	shown, _ := os.Readlink(proc(c.tid) + "/fd/" + strconv.Itoa(int(int32(c.Args[0]))))
	return shown
}

func family(b []byte) int { return int(binary.NativeEndian.Uint16(b)) }

// internetAddress is the address and port of an Internet address.
func internetAddress(b []byte) (ip netip.Addr, port uint16, ok bool) {
	switch {
	case family(b) == unix.AF_INET && len(b) >= 8:
		return netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]), true
	case family(b) == unix.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap(), binary.BigEndian.Uint16(b[2:]), true
	}
	return ip, 0, false
}

// abstractName is the name of an abstract UNIX socket.
func abstractName(b []byte) (string, bool) {
	if family(b) == unix.AF_UNIX && len(b) > 3 && b[2] == 0 {
		return string(b[3:]), true
	}
	return "", false
}

func (r *Recorder) bound(c call) { r.bind(c, int(int32(c.Args[0])), c.Args[1], c.Args[2]) }

func (r *Recorder) bind(c call, fd int, addr, size uint64) {
	b, tcp := r.address(c, fd, addr, size)
	if b == nil {
		return
	}
	if _, port, ok := internetAddress(b); ok {
		r.internet = true
		if tcp {
			r.binds[port] = true
		}
		if c.errno == 0 {
			r.boundTo(c, fd, port)
		}
		return
	}
	if name, ok := abstractName(b); ok {
		if len(r.abstract) < maxPaths {
			r.abstract[name] = true
		}
		return
	}
	if pathName(b) != "" && c.errno == 0 {
		r.made(c)
	}
}

// boundTo notes the port of a socket, at which one without connections can be reached.
func (r *Recorder) boundTo(c call, fd int, port uint16) {
	shown, _ := os.Readlink(proc(c.tid) + "/fd/" + strconv.Itoa(fd))
	s, known := r.sockets[shown]
	if known {
		s.port = port
		r.sockets[shown] = s
	}
	if !known || s.kind != unix.SOCK_STREAM {
		r.opens(port, false)
	}
}

// pathName is the name of a UNIX socket in a directory, or "".
func pathName(b []byte) string {
	if len(b) < 3 || family(b) != unix.AF_UNIX {
		return ""
	}
	name, _, _ := strings.Cut(string(b[2:]), "\x00")
	return name
}

// binding looks at a call that may make a socket in a directory.
func (r *Recorder) binding(tid int, c ptrace.Call, name string) {
	if name == "socketcall" {
		const bind = 2 // SYS_BIND of <linux/net.h>
		if c.Args[0] != bind || !r.inMemory(tid, &c) {
			return
		}
	}
	b, _ := r.address(call{Call: c, tid: tid}, int(int32(c.Args[0])), c.Args[1], c.Args[2])
	socket := pathName(b)
	if socket == "" {
		return
	}
	var e entry
	if socket, e.err = r.absolute(tid, unix.AT_FDCWD, socket); e.err == nil {
		e.to, e.err = r.tree.lookup(socket, false)
	}
	r.keep(tid, e)
}

// inMemory reads the arguments of socketcall(2).
func (r *Recorder) inMemory(tid int, c *ptrace.Call) bool {
	var b [24]byte
	if r.memory().Peek(tid, c.Args[1], b[:]) == 0 {
		return false
	}
	for i := range c.Args {
		c.Args[i] = uint64(binary.NativeEndian.Uint32(b[4*i:]))
	}
	return true
}

func (r *Recorder) connected(c call) { r.reach(c, int(int32(c.Args[0])), c.Args[1], c.Args[2], true) }

// sent is for a datagram; a stream can be connected by it with TCP Fast Open.
func (r *Recorder) sent(c call) {
	if c.Args[4] != 0 {
		r.reach(c, int(int32(c.Args[0])), c.Args[4], c.Args[5], false)
	}
}

// sentMessage is sent for the address in a struct msghdr.
func (r *Recorder) sentMessage(c call) {
	var head [16]byte
	if r.memory().Peek(c.tid, c.Args[1], head[:]) < len(head) || native(head[:]) == 0 {
		return
	}
	addr, size := native(head[:]), uint64(binary.NativeEndian.Uint32(head[8:]))
	const is64 = 0x8000_0000 // __AUDIT_ARCH_64BIT
	if c.Arch&is64 == 0 {
		addr, size = uint64(binary.NativeEndian.Uint32(head[:])), uint64(binary.NativeEndian.Uint32(head[4:]))
	}
	if addr != 0 {
		r.reach(c, int(int32(c.Args[0])), addr, size, false)
	}
}

// reach records a peer.
func (r *Recorder) reach(c call, fd int, addr, size uint64, connects bool) {
	b, tcp := r.address(c, fd, addr, size)
	if b == nil {
		return
	}
	if ip, port, ok := internetAddress(b); ok {
		r.internet = true
		here := ip.IsLoopback() || ip.IsUnspecified()
		r.remote = r.remote || !here
		if tcp {
			r.connects[port] = true
		}
		if here && (c.errno == 0 || c.errno == unix.EINPROGRESS) {
			r.reaches(port, r.isStream(c, fd))
		}
		return
	}
	if name, ok := abstractName(b); ok && !r.abstract[name] {
		r.outside = true
	}
}

// isStream reports whether a socket has connections.
func (r *Recorder) isStream(c call, fd int) bool {
	shown, _ := os.Readlink(proc(c.tid) + "/fd/" + strconv.Itoa(fd))
	return r.sockets[shown].kind == unix.SOCK_STREAM
}

// sentMessages is sentMessage for an array of struct mmsghdr.
func (r *Recorder) sentMessages(c call) {
	const is64, most = 0x8000_0000, 1024 // UIO_MAXIOV
	size := uint64(64)
	if c.Arch&is64 == 0 {
		size = 32
	}
	for range min(c.Args[2], most) {
		r.sentMessage(c)
		c.Args[1] += size
	}
}

// socketcall is for 32-bit programs: the arguments are in memory.
func (r *Recorder) socketcall(c call) {
	const socket, bind, connect, listen, accept, sendto, sendmsg, accept4, sendmmsg = 1, 2, 3, 4, 5, 11, 16, 18, 20 // SYS_SOCKET and so on of <linux/net.h>
	looks := map[uint64]func(*Recorder, call){bind: (*Recorder).bound, connect: (*Recorder).connected}
	if c.errno == 0 {
		looks[socket], looks[sendto], looks[sendmsg] = (*Recorder).socketMade, (*Recorder).sent, (*Recorder).sentMessage
		looks[listen], looks[accept], looks[accept4], looks[sendmmsg] = (*Recorder).listened, (*Recorder).accepts, (*Recorder).accepts, (*Recorder).sentMessages
	}
	look := looks[c.Args[0]]
	if look != nil && r.inMemory(c.tid, &c.Call) {
		look(r, c)
	}
}
