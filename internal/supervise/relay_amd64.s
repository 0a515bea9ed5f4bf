#include "textflag.h"

// handler(sig int, info *siginfo_t, context *ucontext_t)
// The kernel calls it with the signal in DI and the siginfo_t in SI.
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL ·relayFD(SB), DI
	MOVL $128, DX
	MOVL $1, AX // write
	SYSCALL
	RET

// restorer()
TEXT ·restorer(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL $15, AX // rt_sigreturn
	SYSCALL
	INT  $3

DATA ·handlerPC(SB)/8, $·handler(SB)
GLOBL ·handlerPC(SB), NOPTR, $8
DATA ·restorerPC(SB)/8, $·restorer(SB)
GLOBL ·restorerPC(SB), NOPTR, $8
