#include "textflag.h"

// func getrlimit(l *[2]uint64) int
TEXT ·getrlimit(SB), NOSPLIT, $0-16
	MOVL $0, DI
	MOVL $7, SI // RLIMIT_NOFILE
	MOVL $0, DX
	MOVQ l+0(FP), R10
	MOVL $302, AX
	SYSCALL
	MOVQ AX, ret+8(FP)
	RET
