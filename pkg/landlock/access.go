package landlock

import (
	"fmt"
	"strings"

	"hk/pkg/plan"
)

// An Access is a set of rights on files, with the bits of
// LANDLOCK_ACCESS_FS_* of landlock(7).
type Access uint64

// A right is a bit, its name, and the ABI that brought it.
type right struct {
	bit  uint64
	name string
	abi  int
}

// fsRights are the rights on files, by bit. On a file only some can be granted;
// the others are about what a directory holds.
var fsRights = []right{
	{1 << 0, "execute", 1},
	{1 << 1, "write_file", 1},
	{1 << 2, "read_file", 1},
	{1 << 3, "read_dir", 1},
	{1 << 4, "remove_dir", 1},
	{1 << 5, "remove_file", 1},
	{1 << 6, "make_char", 1},
	{1 << 7, "make_dir", 1},
	{1 << 8, "make_reg", 1},
	{1 << 9, "make_sock", 1},
	{1 << 10, "make_fifo", 1},
	{1 << 11, "make_block", 1},
	{1 << 12, "make_sym", 1},
	{1 << 13, "refer", 2},
	{1 << 14, "truncate", 3},
	{1 << 15, "ioctl_dev", 5},
}

var netRights = []right{
	{1 << 0, "bind_tcp", 4},
	{1 << 1, "connect_tcp", 4},
}

var scopes = []right{
	{1 << 0, "abstract_unix_socket", 6},
	{1 << 1, "signal", 6},
}

// kernels is the Linux version that has an ABI.
var kernels = map[int]string{1: "5.13", 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12", 7: "6.15", 8: "7.0"}

const (
	execute   = 1 << 0
	writeFile = 1 << 1
	readFile  = 1 << 2
	readDir   = 1 << 3
	truncate  = 1 << 14
	ioctlDev  = 1 << 15

	// onFile is what can be granted on something that is no directory.
	onFile = execute | writeFile | readFile | truncate | ioctlDev

	read  = readFile | readDir
	write = (1<<16 - 1) &^ (read | execute)
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
	if set == 0 {
		return "0"
	}
	var names []string
	for _, r := range rights {
		if set&r.bit != 0 {
			names = append(names, prefix+strings.ToUpper(r.name))
		}
	}
	return strings.Join(names, "|")
}

func (a Access) String() string { return text(uint64(a), fsRights, "LANDLOCK_ACCESS_FS_") }

// rights print what the ops of a ruleset hold.
var rights = plan.LandlockRights{
	FS:    func(set uint64) string { return Access(set).String() },
	Net:   func(set uint64) string { return text(set, netRights, "LANDLOCK_ACCESS_NET_") },
	Scope: func(set uint64) string { return text(set, scopes, "LANDLOCK_SCOPE_") },
}

func parseRight(name string, rights []right) (uint64, error) {
	for _, r := range rights {
		if r.name == name || strings.ReplaceAll(r.name, "_", "-") == name {
			return r.bit, nil
		}
	}
	return 0, fmt.Errorf("unknown right %q", name)
}

// needs is an error if the kernel's ABI lacks a right of the set.
func needs(set uint64, rights []right, what string, abi int) error {
	for _, r := range rights {
		if set&r.bit == 0 || r.abi <= abi {
			continue
		}
		return fmt.Errorf("%s %s: not supported (needs Landlock ABI %d, Linux %s; this kernel has %s)",
			what, r.name, r.abi, kernels[r.abi], abiText(abi))
	}
	return nil
}

func abiText(abi int) string {
	if abi == 0 {
		return "no Landlock"
	}
	return fmt.Sprint("ABI ", abi)
}
