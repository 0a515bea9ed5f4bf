#include "textflag.h"

// handler(sig int, info *siginfo_t, context *ucontext_t)
// The kernel calls it with the signal in R0 and the siginfo_t in R1.
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVWU ·relayFD(SB), R0
	MOVD  $128, R2
	MOVD  $64, R8 // write
	SVC
	RET

// restorer()
TEXT ·restorer(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD $139, R8 // rt_sigreturn
	SVC
	BRK

DATA ·handlerPC(SB)/8, $·handler(SB)
GLOBL ·handlerPC(SB), NOPTR, $8
DATA ·restorerPC(SB)/8, $·restorer(SB)
GLOBL ·restorerPC(SB), NOPTR, $8
