package seccomp

import (
	"encoding/binary"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// x32Bit is __X32_SYSCALL_BIT of <asm/unistd.h>.
const x32Bit = 0x40000000

// call records a call.
func (l *learner) call(tid int, c ptrace.Call) {
	l.recording.Call(c.Arch, c.Nr, c.Args)
	if c.Nr&^x32Bit == unix.SYS_CLONE3 { // on every architecture
		var flags [8]byte // the start of struct clone_args
		ptrace.Peek(tid, c.Args[0], flags[:])
		l.recording.Cloned(binary.NativeEndian.Uint64(flags[:]))
	}
}
