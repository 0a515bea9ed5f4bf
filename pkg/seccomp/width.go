package seccomp

import (
	"sort"
	"strings"
)

//go:generate go run mkwidths.go

// A takes says how the kernel takes the arguments of a call, a letter a register:
//
//	2 4 8  so many bytes of it: file modes and the ids of chown16, ints, and
//	       pointers, sizes and longs
//	?      4 or 8, as the operation has it, or nobody has looked
//	v      4 but for IPC_64, which tells a version
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
// A filter that compares more than the kernel looks at is passed by a program
// that sets the rest. One that compares less denies too much.
type takes struct{ name, args string }

// An argument is where an architecture has an argument of a call.
type argument struct {
	// kind is one of 2 4 8 ? v l m.
	kind byte
	// low is a register, and high that of the upper half if kind is l.
	low, high int
}

// unseen is an argument that no filter sees.
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

// argument finds an argument of a call. ok is false if the call has none such, or
// the kernel does not look at it.
//
// An argument of a 32 bit architecture has 32 bits, but a program of amd64 that
// makes such a call by int 0x80 fills 64 of each register: the filter sees them
// all, and the kernel leaves the upper half out after that.
func (a *Arch) argument(name string, n int) (arg argument, ok bool) {
	text, known := a.takes(name)
	switch {
	case !known && a.bits == 32: // which register an argument is in is not known
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

// ones are the bits of an argument that count, if it is taken as so many bytes.
func ones(bytes int) uint64 { return ^uint64(0) >> (64 - 8*bytes) }

// ipc64 is IPC_64, which is not part of the operation.
const ipc64 = 0x100

// lookedAt are the bits of the first register that count. Of kind ? it is not
// known whether it is all of them.
func (arg argument) lookedAt() uint64 {
	switch arg.kind {
	case '2':
		return ones(2)
	case '4':
		return ones(4)
	case 'v':
		return ones(4) &^ ipc64
	}
	return ones(8)
}
