package learn

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"

	"hk/pkg/access"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// The buffers of threads, in pages: the child makes many checks before it executes the payload.
const (
	firstPages = 64
	pages      = 4
)

// begin begins to listen to the child, if the kernel tells of checks, before it is the payload.
func (k *capabilities) begin(pid int) {
	if k.has == 0 {
		return
	}
	if k.checks = newChecks(); k.checks == nil {
		return
	}
	if k.checks.listen(pid, firstPages); k.checks.lost {
		k.checks = nil // it may not listen
	}
}

// began is for a new thread, or one that was stopped.
func (k *capabilities) began(tid int) {
	if k.checks == nil {
		return
	}
	if _, ok := k.checks.rings[tid]; ok {
		return
	}
	n := pages
	if k.ns == "" {
		n = firstPages
	}
	k.checks.listen(tid, n)
}

// executed is for a thread that has executed a program. The kernel may have stopped to tell of
// it then.
func (k *capabilities) executed(tid int) {
	if k.has == 0 {
		return
	}
	if k.ns == "" {
		k.ns = userNS(tid)
		k.first(tid)
	} else {
		k.told(tid, "execve")
	}
	k.program(tid)
	if k.checks != nil {
		k.checks.listen(tid, pages)
	}
}

// first takes what the execution of the payload has used, and drops what the set-up before it
// has.
func (k *capabilities) first(tid int) {
	if k.checks == nil {
		return
	}
	for _, c := range k.checks.take(tid) {
		if c.executes {
			k.use(c.capability)
		}
	}
}

// told takes what the kernel has told of a thread since its last call, of which this is the name.
// A capability in a user namespace of the payload is not one of the chain.
func (k *capabilities) told(tid int, call string) {
	if k.checks == nil || k.ns == "" {
		return
	}
	for _, c := range k.checks.take(tid) {
		if k.used>>c.capability&1 == 0 && k.needs(tid, call, c.capability) && userNS(tid) == k.ns {
			k.use(c.capability)
		}
	}
}

// needs reports whether a call that was granted a capability has needed it: setuid(2), setgid(2)
// and capset(2) ask for one before they know.
func (k *capabilities) needs(tid int, call string, capability int) bool {
	before, now := k.ids[tid], ids{}
	other := func(was, is []string) bool {
		return len(was) < 4 || len(is) < 4 || was[0] != is[0] || was[2] != is[2] || gained(was, is)
	}
	switch name := strings.TrimSuffix(call, "32"); {
	case name == "setuid" && capability == unix.CAP_SETUID:
		now = idsOf(tid)
		return other(before.user, now.user)
	case name == "setgid" && capability == unix.CAP_SETGID:
		now = idsOf(tid)
		return other(before.group, now.group)
	case name == "capset" && capability == unix.CAP_SETPCAP:
		now = idsOf(tid)
		return now.inheritable&^(before.inheritable|before.permitted) != 0
	}
	return true
}

// asked takes what a program has asked to keep, which it could not without having it, and what
// the kernel does not check but looks at: a new user namespace in which root may be mapped.
func (k *capabilities) asked(tid int, c ptrace.Call, call string) {
	flags := c.Args[0]
	if call == "clone3" {
		flags = k.word(tid, flags)
	}
	switch {
	case (call == "unshare" || call == "clone" || call == "clone3") && flags&unix.CLONE_NEWUSER != 0:
		k.use(unix.CAP_SETFCAP)
	case call == "capset":
		before, now := k.ids[tid], idsOf(tid)
		// A program that drops some of what it finds does not depend on the others.
		if kept := now.permitted; 2*bits.OnesCount64(kept) < bits.OnesCount64(before.permitted) && userNS(tid) == k.ns {
			k.used |= kept
		}
	case call == "prctl" && c.Args[0] == unix.PR_CAP_AMBIENT && c.Args[1] == unix.PR_CAP_AMBIENT_RAISE && c.Args[2] < 64 && userNS(tid) == k.ns:
		k.use(int(c.Args[2]))
	}
}

// program is for file capabilities: the kernel does not execute a program that is to have some
// of them from the start and cannot.
func (k *capabilities) program(tid int) {
	if k.stuck {
		return
	}
	b := make([]byte, 24)
	var n int
	var err error
	if !access.Patiently(func() { n, err = unix.Getxattr("/proc/"+strconv.Itoa(tid)+"/exe", "security.capability", b) }) {
		k.stuck = true
	} else if err == nil {
		k.used |= fileCaps(b[:n])
	}
}

// fileCaps are the permitted capabilities of struct vfs_cap_data, if they are to be effective.
func fileCaps(b []byte) (set uint64) {
	const effective = 1
	if len(b) < 12 || b[0]&effective == 0 {
		return 0
	}
	set = uint64(binary.LittleEndian.Uint32(b[4:]))
	if len(b) >= 20 {
		set |= uint64(binary.LittleEndian.Uint32(b[12:])) << 32
	}
	return set
}

// complete reports whether the kernel has told of each check.
func (k *capabilities) complete() bool { return k.checks != nil && !k.checks.lost }

// end takes what is left.
func (k *capabilities) end() {
	if k.checks == nil {
		return
	}
	for tid := range k.checks.rings {
		k.told(tid, "")
		k.checks.end(tid)
	}
}
