package why

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"hk/pkg/netns"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// overPermissions are the capabilities with which the mode of a file does not matter.
const overPermissions = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// permission is what the mode of a file refuses. It is known of what is on the host: for
// the caller the kernel says it, and for a payload that is less than the caller its mode
// does, to its owner and if it treats everybody alike.
func (s *subject) permission(q question, seen, at stage.Seen) []reason {
	if q.tried != nil {
		return s.tried(q)
	}
	bits, access := uint32(4), uint32(unix.R_OK)
	switch q.kind {
	case "exec":
		bits, access = 1, unix.X_OK
	case "write", "truncate", "create", "remove", "xattr":
		bits, access = 2, unix.W_OK
	}
	if at.Path != seen.Path || seen.Dir && q.kind != "write" {
		bits, access = bits|1, access|unix.X_OK // a name in a directory
	}
	switch {
	case at.Unsure != "" || !at.There:
		return nil
	case at.Source == "":
		if s.state.ChangedIDs && q.kind != "read" {
			return []reason{{class: unseen, verdict: unknown, what: at.Path + " is made by the chain: its mode decides, for the user that hk-setuser sets"}}
		}
		return nil
	}
	err := unix.Faccessat(unix.AT_FDCWD, at.Source, access, unix.AT_EACCESS)
	payload, caller := s.state.PayloadCaps(), s.host.Effective
	more := s.state.ChangedUser || s.state.NS.New&unix.CLONE_NEWUSER != 0 && payload&overPermissions != 0
	less := s.state.ChangedIDs || caller&overPermissions != 0 && (s.state.NS.New&unix.CLONE_NEWUSER != 0 || payload&overPermissions != caller&overPermissions)
	switch {
	case err != nil && err != unix.EACCES && err != unix.EPERM:
		return nil // a mount, which is looked at by itself
	case err != nil && !more:
		return []reason{{class: notSandbox, verdict: denied, what: fmt.Sprintf("permissions refuse it to the caller too: %s", at.Source)}}
	case err == nil && !less, s.permits(at.Source, bits):
		return nil
	}
	return []reason{{class: unseen, verdict: unknown, what: "the mode of " + at.Source + ", or of a directory above it, does not permit it to everybody, and the payload has other IDs or capabilities than the caller"}}
}

// permits reports whether the modes of a file, and of the directories on the way, permit
// something to a payload without capabilities: to its owner, if the payload has the
// caller's user ID, and otherwise to everybody.
func (s *subject) permits(p string, bits uint32) bool {
	for ; ; bits = 1 {
		var st unix.Stat_t
		if unix.Stat(p, &st) != nil {
			return false
		}
		all := bits * 0o111
		if st.Uid == s.host.UID && !s.state.ChangedIDs {
			all = bits << 6
		}
		switch {
		case st.Mode&all != all:
			return false
		case p == "/":
			return true
		}
		p = path.Dir(p)
	}
}

// capability answers whether the payload can have a capability in its user namespace.
func (s *subject) capability(bit int) []reason {
	if s.state.PayloadCaps()>>bit&1 != 0 {
		return nil
	}
	name := plan.CapName(bit)
	if s.state.NS.New&unix.CLONE_NEWUSER == 0 && s.host.Bounding>>bit&1 == 0 {
		return []reason{{class: notSandbox, verdict: denied, what: "the caller's bounding set lacks " + name}}
	}
	if s.state.NS.New&unix.CLONE_NEWUSER == 0 && s.host.Permitted>>bit&1 == 0 {
		return []reason{{class: notSandbox, verdict: denied, what: "the caller lacks " + name}}
	}
	return []reason{{class: byCapability, verdict: denied, what: "the payload does not have " + name, stage: "hk-setuser",
		flags: []string{"--caps", "+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))}}}
}

// port answers a question about a TCP port.
func (s *subject) port(q question) []reason {
	return append(append(s.socket(), s.calls(q.kind)...), s.ports(q)...)
}

// ports is what is refused of a port, and not by a filter.
func (s *subject) ports(q question) (list []reason) {
	right, flag := uint64(unix.LANDLOCK_ACCESS_NET_CONNECT_TCP), "--tcp-connect"
	if q.kind == "bind" {
		right, flag = unix.LANDLOCK_ACCESS_NET_BIND_TCP, "--tcp-bind"
	}
	if q.udp {
		right, flag = unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP, "--udp-connect"
		if q.kind == "bind" {
			right, flag = unix.LANDLOCK_ACCESS_NET_BIND_UDP, "--udp-bind"
		}
	}
	for _, d := range s.domains {
		if d.net&right != 0 && d.ports[q.port]&right == 0 {
			list = append(list, reason{class: byLandlock, verdict: denied, what: fmt.Sprintf("no rule allows %s port %d to %s", protocolName(q.udp), q.port, q.kind),
				stage: "hk-landlock", flags: []string{flag, strconv.Itoa(int(q.port))}})
		}
	}
	if q.kind == "bind" {
		return append(list, s.lowPort(q.port)...)
	}
	return append(list, s.reach()...)
}

// reach is what the network namespace refuses to a connection.
func (s *subject) reach() []reason {
	if s.state.NS.Joined&unix.CLONE_NEWNET != 0 {
		return []reason{{class: unseen, verdict: unknown, what: "what the network namespace that is joined is connected to"}}
	}
	if s.state.NS.New&unix.CLONE_NEWNET == 0 {
		return nil
	}
	for _, l := range s.chain.Links {
		switch n, ok := l.Stage.(*netns.Network); {
		case ok && n.Pasta:
			return nil
		case ok && len(n.Forward) > 0:
			return []reason{{class: unseen, verdict: unknown, what: "the network namespace is new: of the outside, only what hk-net --forward names can be reached"}}
		}
	}
	return []reason{{class: byNetwork, verdict: denied, stage: "hk-net", flags: []string{"--pasta"},
		what: "the network namespace is new, and connected to nothing: at most the payload's own ports can be reached"}}
}

// lowPort is what a port below 1024 takes.
func (s *subject) lowPort(port uint16) []reason {
	first := uint64(1024)
	own := s.state.NS.New&unix.CLONE_NEWNET != 0
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && !own {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16); err == nil {
			first = n
		}
	}
	const bit = unix.CAP_NET_BIND_SERVICE
	owns := own || s.state.NS.New&unix.CLONE_NEWUSER == 0
	switch {
	case port == 0 || uint64(port) >= first || owns && s.state.PayloadCaps()>>bit&1 != 0:
		return nil
	case !own && s.host.Effective>>bit&1 == 0:
		return []reason{{class: notSandbox, verdict: denied, what: "the caller lacks CAP_NET_BIND_SERVICE, which a port below " + strconv.FormatUint(first, 10) + " takes"}}
	}
	return []reason{{class: byCapability, verdict: denied, stage: "hk-setuser", flags: []string{"--caps", "+net_bind_service"},
		what: "a port below " + strconv.FormatUint(first, 10) + " takes CAP_NET_BIND_SERVICE over the network namespace"}}
}

func protocolName(udp bool) string {
	if udp {
		return "UDP"
	}
	return "TCP"
}

// tried is what permissions refuse to a payload that is followed.
func (s *subject) tried(q question) []reason {
	t := q.tried
	if t == nil {
		return nil
	}
	where := t.path
	if !t.lost && (q.kind == "create" || q.kind == "remove" || q.kind == "write" && !t.there) {
		where = path.Dir(where)
	}
	name := plan.CapName(t.bit)
	switch {
	case t.unsure:
		return []reason{{class: unseen, verdict: unknown, what: "what permissions say to the payload's IDs and capabilities was not found out: " + where}}
	case t.payload == 0:
		return nil
	case t.caller != 0:
		return []reason{{class: notSandbox, verdict: denied, what: "permissions refuse it to the caller too: " + where}}
	case t.otherIDs:
		return []reason{{class: byUser, verdict: denied, what: "permissions refuse it to the payload's user and groups, and not to the caller: " + where}}
	case t.otherNS:
		return []reason{{class: byCapability, verdict: denied, what: "permissions refuse it without " + name + ", which the payload does not have over files of the host: " + where}}
	case s.state.PayloadCaps()>>t.bit&1 != 0:
		return nil
	}
	return []reason{{class: byCapability, verdict: denied, stage: "hk-setuser", flags: []string{"--caps", "+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))},
		what: "permissions refuse it without " + name + ", which the payload does not have: " + where}}
}
