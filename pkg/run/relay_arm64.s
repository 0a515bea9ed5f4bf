#include "textflag.h"

// handler(sig int, info *siginfo_t, context *ucontext_t)
// The kernel calls it with the signal in R0 and the siginfo_t in R1. What it
// changes of the registers is given back by rt_sigreturn(2).
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW 8(R1), R9 // si_code: above 0 only the kernel can send
	CMPW $0, R9
	BLE  sent
	MOVD $·chained(SB), R10
	MOVWU R0, R11
	MOVD (R10)(R11<<3), R12
	CBZ  R12, sent
	JMP  (R12)

sent:
	MOVWU R0, R13
	MOVWU ·relayFD(SB), R0
	MOVD  $128, R2
	MOVD  $64, R8 // write
	SVC
	TBZ   $63, R0, done
	// What reads may have read all before it looks for what was missed.
	MOVD  $·missed(SB), R10
	MOVD  $1, R11
	MOVB  R11, (R10)(R13)
	MOVWU ·relayFD(SB), R0
	SVC

done:
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
