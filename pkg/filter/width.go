package filter

import (
	"sort"
	"strings"
)

//go:generate go run mkwidths.go

// A takes says how the kernel takes the arguments of a call, a letter a register:
//
//	2 4 8  so many bytes of it: the ids of chown16, ints, and pointers, sizes and
//	       longs
//	?      4 or 8, as the operation has it, or nobody has looked
//	p d    2 or of these the permissions, of a directory without set-user-ID
//	u      4 or of these the mask of umask
//	v      4 with IPC_64, which tells a version, or without
//	l h    the lower and the upper half of one argument, which an architecture of
//	       32 bits has in two registers
//	H      such an upper half, where it counts as an argument
//	_      padding, which does not count
//	-      nothing
//
// and of arguments that are in no register:
//
//	m      in memory, where no filter looks
//	x      nowhere
//
// Arguments are counted as those of 64 bits: argument 3 of pread64(2) is the
// offset, on i386 in registers 3 and 4, on arm in 4 and 5.
//
// A filter that compares more than the kernel uses can be bypassed by a program
// that sets the other bits. One that compares less denies too much and, if it allows,
// too little.
type takes struct{ name, args string }

// An argument is where an architecture has an argument of a call.
type argument struct {
	// kind is one of 2 4 8 ? p d u v l m.
	kind byte
	// low is a register, and high is that of the upper half if kind is l.
	low, high int
}

// unseen is an argument that a filter cannot see.
const unseen = 'm'

// takes finds how the kernel takes the arguments of a call.
func (a *Arch) takes(name string) (args string, ok bool) {
	for _, table := range [][]takes{a.own, takesAll[:]} {
		i := sort.Search(len(table), func(i int) bool { return table[i].name >= name })
		if i < len(table) && table[i].name == name {
			return table[i].args, true
		}
	}
	return "", false
}

// argument finds an argument of a call. ok is false if the call does not have it, or
// the kernel ignores it.
//
// An argument on a 32-bit architecture has 32 bits, but an amd64 program that makes
// such a call with int 0x80 sets 64 bits of each register: the filter sees all of them,
// and the kernel then ignores the upper half.
func (a *Arch) argument(name string, n int) (arg argument, ok bool) {
	text, known := a.takes(name)
	switch {
	case !known && a.bits == 32: // the register of an argument is not known
		text = "mmmmmm"
	case !known:
		text = "??????"
	}
	register, index := 0, 0
	for i, kind := range []byte(text) {
		counts := strings.IndexByte("_h", kind) < 0
		if counts && index == n {
			if a.bits == 32 && (kind == '8' || kind == '?') {
				kind = '4'
			}
			arg = argument{kind, register, register + 1}
			return arg, strings.IndexByte("-Hx", text[i]) < 0
		}
		if counts {
			index++
		}
		if kind != 'm' && kind != 'x' {
			register++
		}
	}
	return argument{}, false
}

// A way is one of the ways in which the kernel may use an argument: a number of bytes,
// without the bits that it masks out.
type way struct {
	bytes int
	out   uint64
}

// ways are the possible ones, or none if a filter cannot see the argument.
func (arg argument) ways() []way {
	switch arg.kind {
	case unseen:
		return nil
	case '2':
		return []way{{2, 0}}
	case '4':
		return []way{{4, 0}}
	case '?':
		return []way{{4, 0}, {8, 0}}
	case 'p':
		return []way{{2, 0}, {2, 0o170000}}
	case 'd':
		return []way{{2, 0}, {2, 0o176000}}
	case 'u':
		return []way{{4, 0}, {4, ones(4) &^ 0o777}}
	case 'v':
		return []way{{4, 0}, {4, 0x100}}
	}
	return []way{{8, 0}}
}

// ones are all bits of a number of the given number of bytes.
func ones(bytes int) uint64 { return ^uint64(0) >> (64 - 8*bytes) }

// lookedAt are the bits that may be used of an argument that is in one register.
func (arg argument) lookedAt() (bits uint64) {
	for _, w := range arg.ways() {
		bits |= ones(w.bytes)
	}
	return bits
}
