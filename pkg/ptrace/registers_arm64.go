package ptrace

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Register sets, ELF(5).
const (
	ntPrstatus      = 1
	ntARMSystemCall = 0x404
)

const native = unix.AUDIT_ARCH_AARCH64

// registers are those of a thread: x0 to x30, sp, pc and pstate, or of a 32-bit one r0 to r15,
// cpsr and the former r0.
type registers struct {
	bytes [34 * 8]byte
	iov   unix.Iovec
}

func (r *registers) read(tid int) error {
	r.iov = unix.Iovec{Base: &r.bytes[0], Len: uint64(len(r.bytes))}
	return request(unix.PTRACE_GETREGSET, tid, ntPrstatus, uintptr(unsafe.Pointer(&r.iov)))
}

func (r *registers) write(tid int) error {
	return request(unix.PTRACE_SETREGSET, tid, ntPrstatus, uintptr(unsafe.Pointer(&r.iov)))
}

func (r *registers) at(n int) uint64 {
	if r.iov.Len < uint64(len(r.bytes)) {
		return uint64(binary.LittleEndian.Uint32(r.bytes[4*n:]))
	}
	return binary.LittleEndian.Uint64(r.bytes[8*n:])
}

// call is the call that was not made. ok is false if the thread is in none. The kernel has
// forgotten its number, but not the register in which it was: which is that of a call only after
// the instruction that makes one.
func (r *registers) call(arch uint32, peek func(addr uint64, b []byte) int) (c Call, ok bool) {
	number := 8
	if arch == unix.AUDIT_ARCH_ARM {
		number = 7
	}
	c = Call{Arch: arch, Nr: uint32(r.at(number))}
	for i := range c.Args {
		c.Args[i] = r.at(i)
	}
	return c, int32(c.Nr) >= 0 && r.afterSVC(peek)
}

// afterSVC reports whether the instruction before the current one is svc, of arm64, or of arm
// with or without Thumb.
func (r *registers) afterSVC(peek func(addr uint64, b []byte) int) bool {
	pc, size, is32 := 32, uint64(4), r.iov.Len < uint64(len(r.bytes))
	if is32 {
		if pc = 15; r.at(16)>>5&1 != 0 {
			size = 2
		}
	}
	var code [4]byte
	if peek(r.at(pc)-size, code[:size]) < int(size) {
		return false
	}
	switch word := binary.LittleEndian.Uint32(code[:]); {
	case size == 2:
		return word>>8 == 0xdf
	case is32:
		return word>>24&0xf == 0xf
	default:
		return word&0xffe0001f == 0xd4000001
	}
}

// answer makes the call one that has returned.
func (r *registers) answer(result int64) {
	if r.iov.Len < uint64(len(r.bytes)) {
		binary.LittleEndian.PutUint32(r.bytes[:], uint32(result))
		return
	}
	binary.LittleEndian.PutUint64(r.bytes[:], uint64(result))
}

// skip has the kernel not make the call that a thread enters.
func skip(tid int) error {
	none := int32(-1)
	iov := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: uint64(unsafe.Sizeof(none))}
	return request(unix.PTRACE_SETREGSET, tid, ntARMSystemCall, uintptr(unsafe.Pointer(&iov)))
}
