package filter

import (
	"fmt"
	"runtime"
	"slices"
	"sort"

	"golang.org/x/sys/unix"
)

// An Arch is a system call table.
type Arch struct {
	// Name is libseccomp's name: "x86_64".
	Name string
	// OCI is the name in profiles: "SCMP_ARCH_X86_64".
	OCI string
	// Audit is AUDIT_ARCH_* of seccomp(2).
	Audit uint32
	bits  int
	table []call
	// own says how it takes the arguments of calls, where that differs from other
	// architectures.
	own []takes
}

// A call is a name and a number of a table, which is sorted by name.
type call struct {
	name string
	nr   uint32
}

//go:generate go run mksyscalls.go

// x32Bit is set in the number of every call of the x32 ABI, which has the AUDIT_ARCH
// value of x86_64.
const x32Bit = 0x40000000

var (
	X86_64  = &Arch{"x86_64", "SCMP_ARCH_X86_64", unix.AUDIT_ARCH_X86_64, 64, callsAMD64[:], nil}
	X86     = &Arch{"x86", "SCMP_ARCH_X86", unix.AUDIT_ARCH_I386, 32, calls386[:], takes386[:]}
	X32     = &Arch{"x32", "SCMP_ARCH_X32", unix.AUDIT_ARCH_X86_64, 64, callsX32[:], takesX32[:]}
	AArch64 = &Arch{"aarch64", "SCMP_ARCH_AARCH64", unix.AUDIT_ARCH_AARCH64, 64, callsARM64[:], nil}
	ARM     = &Arch{"arm", "SCMP_ARCH_ARM", unix.AUDIT_ARCH_ARM, 32, callsARM[:], takesARM[:]}
)

var arches = []*Arch{X86_64, X86, X32, AArch64, ARM}

// Native is the architecture for a GOARCH: amd64 or arm64. For any other it is nil.
func Native(goarch string) *Arch {
	switch goarch {
	case "amd64":
		return X86_64
	case "arm64":
		return AArch64
	}
	return nil
}

// armPrivate is the first of ARM's private numbers, which are far above those that are
// assigned in sequence.
const armPrivate = 0xf0000

// private reports whether a number does not show how new the call is.
func (a *Arch) private(nr uint32) bool { return a == ARM && nr >= armPrivate }

// newest is the call with the highest number.
func (a *Arch) newest() string {
	var last call
	for _, c := range a.table {
		if !a.private(c.nr) && c.nr >= last.nr {
			last = c
		}
	}
	return last.name
}

// Runs reports whether a machine of this architecture runs programs of another.
func (a *Arch) Runs(b *Arch) bool {
	return a == b || a == X86_64 && (b == X86 || b == X32) || a == AArch64 && b == ARM
}

// Number is the number of a call on the architecture.
func (a *Arch) Number(name string) (uint32, bool) {
	low, high := 0, len(a.table) // a profile asks a thousand times
	for low < high {
		switch middle := (low + high) / 2; {
		case a.table[middle].name == name:
			return a.table[middle].nr, true
		case a.table[middle].name < name:
			low = middle + 1
		default:
			high = middle
		}
	}
	return 0, false
}

// Known reports whether any architecture of Linux has the call.
func Known(name string) bool {
	for _, a := range arches {
		if _, ok := a.Number(name); ok {
			return true
		}
	}
	i := sort.SearchStrings(elsewhere[:], name)
	return i < len(elsewhere) && elsewhere[i] == name
}

// gone are calls that profiles name and that no architecture has any more, or that a C
// library implemented with other calls.
var gone = []string{"nice", "oldwait4", "swapcontext", "multiplexer", "rtas", "sysmips", "timerfd"}

// exists reports whether a name is, or was, that of a call.
func exists(name string) bool { return Known(name) || slices.Contains(gone, name) }

// ParseArch parses a name used by libseccomp, or one that only systemd uses.
func ParseArch(name string) (*Arch, error) {
	switch name {
	case "native":
		if a := Native(runtime.GOARCH); a != nil {
			return a, nil
		}
	case "x86-64":
		return X86_64, nil
	case "arm64":
		return AArch64, nil
	}
	for _, a := range arches {
		if a.Name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%q is not x86_64, x86, x32, aarch64, arm or native", name)
}
