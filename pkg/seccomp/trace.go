package seccomp

import (
	"encoding/binary"

	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// x32Bit is __X32_SYSCALL_BIT of <asm/unistd.h>.
const x32Bit = 0x40000000

// call records a call.
func (l *learner) call(tid int, c ptrace.Call) { Record(l.recording, &l.tracer.Memory, tid, c) }

// Record records a call of a thread that enters it.
func Record(r *filter.Recording, m *ptrace.Memory, tid int, c ptrace.Call) {
	r.Call(c.Arch, c.Nr, c.Args)
	if c.Nr&^x32Bit == unix.SYS_CLONE3 { // on every architecture
		var flags [8]byte // the start of struct clone_args
		m.Peek(tid, c.Args[0], flags[:])
		r.Cloned(binary.NativeEndian.Uint64(flags[:]))
	}
}
