package ptrace

import (
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
func (r *registers) call(arch uint32) (c Call, ok bool) {
	c = Call{Arch: arch, Nr: uint32(r.Orig_rax), Args: [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}}
	if arch == unix.AUDIT_ARCH_I386 {
		for i, v := range [6]uint64{r.Rbx, r.Rcx, r.Rdx, r.Rsi, r.Rdi, r.Rbp} {
			c.Args[i] = uint64(uint32(v))
		}
	}
	return c, int32(r.Orig_rax) >= 0
}

// answer makes the call one that has returned, and is not to be made again.
func (r *registers) answer(result int64) { r.Rax, r.Orig_rax = uint64(result), ^uint64(0) }

// skip has the kernel not make the call that a thread enters.
func skip(int) error { return nil } // a number of -1 suffices
