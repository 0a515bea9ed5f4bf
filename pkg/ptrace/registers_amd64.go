package ptrace

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const native = unix.AUDIT_ARCH_X86_64

// registers are those of a thread, also of one of i386, whose names for them are other ones.
type registers struct{ unix.PtraceRegs }

func (r *registers) read(tid int) error {
	return request(unix.PTRACE_GETREGS, tid, 0, uintptr(unsafe.Pointer(&r.PtraceRegs)))
}

func (r *registers) write(tid int) error {
	return request(unix.PTRACE_SETREGS, tid, 0, uintptr(unsafe.Pointer(&r.PtraceRegs)))
}

// call is the call that was not made. ok is false if the thread is in none.
func (r *registers) call(arch uint32, peek func(addr uint64, b []byte) int) (c Call, ok bool) {
	c = Call{Arch: arch, Nr: uint32(r.Orig_rax), Args: [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}}
	if arch == unix.AUDIT_ARCH_I386 {
		for i, v := range [6]uint64{r.Rbx, r.Rcx, r.Rdx, r.Rsi, r.Rdi, r.Rbp} {
			c.Args[i] = uint64(uint32(v))
		}
	}
	if arch == native && int32(r.Orig_rax) == -1 && r.leavesPage(peek) {
		c.Nr = uint32(r.Rax)
		return c, true
	}
	return c, int32(r.Orig_rax) >= 0
}

// leavesPage reports whether a thread comes from the vsyscall page, where the kernel makes the
// call and returns from it before the thread stops. Of a call that a filter has not let be made,
// its number remains, and below the stack the address to which it has returned.
func (r *registers) leavesPage(peek func(addr uint64, b []byte) int) bool {
	switch r.Rax {
	case unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_GETCPU:
		var to [8]byte
		return peek(r.Rsp-8, to[:]) == len(to) && binary.LittleEndian.Uint64(to[:]) == r.Rip
	}
	return false
}

// answer makes the call one that has returned, and is not to be made again.
func (r *registers) answer(result int64) { r.Rax, r.Orig_rax = uint64(result), ^uint64(0) }

// skip has the kernel not make the call that a thread enters.
func skip(int) error { return nil } // a number of -1 suffices
