package landlock

import (
	"fmt"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// An Access is a set of access rights on files, with the bits of LANDLOCK_ACCESS_FS_*
// of landlock(7).
type Access uint64

// A right is a bit, its name, and the ABI that introduced it.
type right struct {
	bit  uint64
	name string
	abi  int
}

// fsRights are the access rights on files, by bit. Only some can be granted on a file;
// the others are about the contents of a directory.
var fsRights = []right{
	{unix.LANDLOCK_ACCESS_FS_EXECUTE, "execute", 1},
	{unix.LANDLOCK_ACCESS_FS_WRITE_FILE, "write_file", 1},
	{unix.LANDLOCK_ACCESS_FS_READ_FILE, "read_file", 1},
	{unix.LANDLOCK_ACCESS_FS_READ_DIR, "read_dir", 1},
	{unix.LANDLOCK_ACCESS_FS_REMOVE_DIR, "remove_dir", 1},
	{unix.LANDLOCK_ACCESS_FS_REMOVE_FILE, "remove_file", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_CHAR, "make_char", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_DIR, "make_dir", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_REG, "make_reg", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_SOCK, "make_sock", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_FIFO, "make_fifo", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK, "make_block", 1},
	{unix.LANDLOCK_ACCESS_FS_MAKE_SYM, "make_sym", 1},
	{unix.LANDLOCK_ACCESS_FS_REFER, "refer", 2},
	{unix.LANDLOCK_ACCESS_FS_TRUNCATE, "truncate", 3},
	{unix.LANDLOCK_ACCESS_FS_IOCTL_DEV, "ioctl_dev", 5},
	{unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX, "resolve_unix", 9},
}

var netRights = []right{
	{bindTCP, "bind_tcp", 4},
	{connectTCP, "connect_tcp", 4},
	{bindUDP, "bind_udp", 10},
	{connectUDP, "connect_send_udp", 10},
}

var scopes = []right{
	{unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, "abstract_unix_socket", 6},
	{unix.LANDLOCK_SCOPE_SIGNAL, "signal", 6},
}

// logFlags are the flags of landlock_restrict_self(2) for the audit log.
var logFlags = []right{
	{logSameExecOff, "log_same_exec_off", 7},
	{logNewExecOn, "log_new_exec_on", 7},
	{logSubdomainsOff, "log_subdomains_off", 7},
}

const (
	bindTCP    = unix.LANDLOCK_ACCESS_NET_BIND_TCP
	connectTCP = unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	bindUDP    = unix.LANDLOCK_ACCESS_NET_BIND_UDP
	connectUDP = unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP

	logSameExecOff   = unix.LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF
	logNewExecOn     = unix.LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON
	logSubdomainsOff = unix.LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF
)

const (
	execute  = unix.LANDLOCK_ACCESS_FS_EXECUTE
	readFile = unix.LANDLOCK_ACCESS_FS_READ_FILE
	refer    = unix.LANDLOCK_ACCESS_FS_REFER
	makeChar = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR
	makeReg  = unix.LANDLOCK_ACCESS_FS_MAKE_REG

	resolveUnix = unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX

	scopeSignal = unix.LANDLOCK_SCOPE_SIGNAL

	// onFile are the rights that can be granted on something that is not a directory.
	onFile = execute | readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX

	read = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// write is every right that changes files. Connecting to a socket is something
	// else: resolve_unix is granted only by name.
	write = (unix.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1) &^ (read | execute)
)

// upTo is the set of rights that an ABI has.
func upTo(rights []right, abi int) uint64 {
	var set uint64
	for _, r := range rights {
		if r.abi <= abi {
			set |= r.bit
		}
	}
	return set
}

// text prints a set with the kernel's names.
func text(set uint64, rights []right, prefix string) string {
	return plan.FlagText(set, func(yield func(uint64, string) bool) {
		for _, r := range rights {
			if !yield(r.bit, prefix+strings.ToUpper(r.name)) {
				return
			}
		}
	})
}

func (a Access) String() string { return text(uint64(a), fsRights, "LANDLOCK_ACCESS_FS_") }

// Names lists the set in the form that [ParseAccess] accepts.
func (a Access) Names() string {
	var names []string
	for _, r := range fsRights {
		if uint64(a)&r.bit != 0 {
			names = append(names, r.name)
		}
	}
	return strings.Join(names, "+")
}

// rights prints the rights in the ops of a ruleset.
var rights = plan.LandlockRights{
	FS:       func(set uint64) string { return Access(set).String() },
	Net:      func(set uint64) string { return text(set, netRights, "LANDLOCK_ACCESS_NET_") },
	Scope:    func(set uint64) string { return text(set, scopes, "LANDLOCK_SCOPE_") },
	Restrict: func(set uint64) string { return text(set, logFlags, "LANDLOCK_RESTRICT_SELF_") },
}

func parseRight(name string, rights []right) (uint64, error) {
	for _, r := range rights {
		if r.name == name || strings.ReplaceAll(r.name, "_", "-") == name {
			return r.bit, nil
		}
	}
	return 0, fmt.Errorf("unknown right %q", name)
}

// ParseAccess parses access rights on files: RIGHT+RIGHT, with the kernel's names.
func ParseAccess(s string) (Access, error) {
	var set uint64
	for _, name := range strings.Split(s, "+") {
		bit, err := parseRight(name, fsRights)
		if err != nil {
			return 0, err
		}
		set |= bit
	}
	return Access(set), nil
}
