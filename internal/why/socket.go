package why

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"strconv"
	"strings"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// isSocketCall reports whether a call has the address of a socket.
func isSocketCall(name string) bool {
	switch name {
	case "connect", "bind", "sendto", "sendmsg":
		return true
	}
	return false
}

// An address is that of a socket: a family and a port, or a name, which is abstract or a
// path.
type address struct {
	family   uint16
	port     uint16
	name     string
	abstract bool
}

// address reads the address that a call is given.
func (f *follower) address(tid int, c ptrace.Call, name string) (a address, ok bool) {
	at, n := c.Args[1], c.Args[2]
	switch name {
	case "sendto":
		at, n = c.Args[4], c.Args[5]
	case "sendmsg":
		var b [16]byte // the start of struct msghdr
		if f.tracer.Peek(tid, c.Args[1], b[:]) < len(b) {
			return a, false
		}
		at, n = word(b[:], 0), uint64(binary.NativeEndian.Uint32(b[8:]))
	}
	b := make([]byte, min(n, uint64(unix.SizeofSockaddrUnix)))
	if at == 0 || len(b) < 4 || f.tracer.Peek(tid, at, b) < len(b) {
		return a, false
	}
	a.family = binary.NativeEndian.Uint16(b)
	switch a.family {
	case unix.AF_INET, unix.AF_INET6:
		a.port = binary.BigEndian.Uint16(b[2:])
	case unix.AF_UNIX:
		if a.abstract = b[2] == 0; !a.abstract {
			name, _, _ := bytes.Cut(b[2:], []byte{0})
			a.name = string(name)
		}
	}
	return a, true
}

// protocol is that of a socket of a stopped thread: unix.IPPROTO_TCP and others, or 0.
func protocol(tid int, fd uint64) int {
	status, _ := ptrace.ReadStatus("/proc/" + strconv.Itoa(tid))
	tgid, err := strconv.Atoi(strings.Join(status.Field("Tgid"), " "))
	if err != nil {
		return 0
	}
	pidfd, err := unix.PidfdOpen(tgid, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(pidfd)
	sock, err := unix.PidfdGetfd(pidfd, int(int32(fd)), 0)
	if err != nil {
		return 0
	}
	defer unix.Close(sock)
	p, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return 0
	}
	return p
}

// socketCall judges a call with the address of a socket.
func (f *follower) socketCall(tid int, c ptrace.Call, name string, errno unix.Errno) (r reason, known bool) {
	a, ok := f.address(tid, c, name)
	var list []reason
	var q question
	switch {
	case !ok:
	case a.family == unix.AF_UNIX && a.abstract:
		if errno == unix.EPERM {
			list = f.scoped(unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, "the abstract socket of a process outside the domain")
		}
	case a.family == unix.AF_UNIX && a.name != "":
		return f.socketFile(tid, c, name, a, errno)
	case (a.family == unix.AF_INET || a.family == unix.AF_INET6) && errno == unix.EACCES:
		q = question{kind: "connect", port: a.port, udp: protocol(tid, c.Args[0]) == unix.IPPROTO_UDP}
		if name == "bind" {
			q.kind = name
		}
		list = f.ports(q)
	}
	for _, r := range list {
		if r.verdict == denied {
			r.question = q
			return r, true
		}
	}
	return reason{class: unseen, verdict: unknown, what: notKnown}, errno != unix.ENOENT
}

// socketFile judges a call with the path of a socket.
func (f *follower) socketFile(tid int, c ptrace.Call, name string, a address, errno unix.Errno) (r reason, known bool) {
	p, why := a.name, ""
	if from, w := f.path(tid, ptrace.Call{}, -1, -1); !path.IsAbs(p) {
		p, why = from+"/"+p, w
	}
	if why != "" {
		return reason{class: unseen, verdict: unknown, what: why}, errno != unix.ENOENT
	}
	q := question{kind: "socket", path: p, found: errno != unix.ENOENT}
	if name == "bind" {
		q.kind, q.node = "create", nodeOf(unix.S_IFSOCK)
	}
	return f.explain(tid, []question{q}, errno)
}

// scoped is what a scope of a Landlock domain refuses.
func (s *subject) scoped(bit uint64, what string) []reason {
	for _, d := range s.domains {
		if d.scope&bit != 0 {
			name := map[uint64]string{unix.LANDLOCK_SCOPE_SIGNAL: "signal", unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET: "abstract-unix-socket"}[bit]
			return []reason{{class: byLandlock, verdict: denied, what: fmt.Sprintf("hk-landlock --scope %s denies it: %s", name, what)}}
		}
	}
	return nil
}

// addressArg is the address that an argument of a call is.
func (f *follower) addressArg(tid int, c ptrace.Call, name string, i int) (a address, ok bool) {
	if (name == "connect" || name == "bind") && i == 1 || name == "sendto" && i == 4 {
		a, ok = f.address(tid, c, name)
	}
	return a, ok && archOf(c) == native()
}

func (a address) String() string {
	switch {
	case a.family == unix.AF_UNIX && a.abstract:
		return "{AF_UNIX, abstract}"
	case a.family == unix.AF_UNIX:
		return fmt.Sprintf("{AF_UNIX, %q}", a.name)
	case a.family == unix.AF_INET:
		return fmt.Sprintf("{AF_INET, port %d}", a.port)
	case a.family == unix.AF_INET6:
		return fmt.Sprintf("{AF_INET6, port %d}", a.port)
	}
	return fmt.Sprintf("{family %d}", a.family)
}
