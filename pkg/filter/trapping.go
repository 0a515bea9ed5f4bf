package filter

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Trapping returns a filter that answers with SECCOMP_RET_TRAP and data where another one
// answers with SECCOMP_RET_ERRNO, and what that allows as a third one does, unless that is
// nil. Neither runs the call, and no other filter can make it run; but only a tracer can tell
// the process which errno it was.
//
// ok is false for a filter of which that cannot be known, or whose other answers would be
// lost: one that looks at where a call is made from, that returns what it has computed, or shifts
// by it, or that logs, traps, traces or notifies; or if the result would be too long.
func Trapping(code []unix.SockFilter, data uint16, then []unix.SockFilter) (trapping []unix.SockFilter, ok bool) {
	trapping = slices.Clone(code)
	for pc := range trapping {
		switch i := &trapping[pc]; i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if i.K > offsetArch && i.K < offsetArgs {
				return nil, false
			}
		case unix.BPF_RET | unix.BPF_A, unix.BPF_ALU | unix.BPF_LSH | unix.BPF_X, unix.BPF_ALU | unix.BPF_RSH | unix.BPF_X:
			return nil, false
		case unix.BPF_RET | unix.BPF_K:
			switch Action(i.K).kind() {
			case Allow:
				if then != nil {
					*i = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(code) - 1 - pc)}
				}
			case errnoAction:
				i.K = uint32(Trap) | uint32(data)
			case KillThread, KillProcess:
			default:
				return nil, false
			}
		}
	}
	trapping = append(trapping, then...)
	return trapping, len(trapping) <= MaxInstructions
}
