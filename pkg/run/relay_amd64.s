#include "textflag.h"

// handler(sig int, info *siginfo_t, context *ucontext_t)
// The kernel calls it with the signal in DI and the siginfo_t in SI. What it
// changes of the registers is given back by rt_sigreturn(2).
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL 8(SI), AX // si_code: above 0 only the kernel can send
	CMPL AX, $0
	JLE  sent
	MOVLQZX DI, CX
	LEAQ ·chained(SB), R8
	MOVQ (R8)(CX*8), R9
	TESTQ R9, R9
	JZ   sent
	JMP  R9

sent:
	MOVLQZX DI, BX
	MOVL ·relayFD(SB), DI
	MOVL $128, DX
	MOVL $1, AX // write
	SYSCALL
	TESTQ AX, AX
	JGE  done
	// What reads may have read all before it looks for what was missed.
	LEAQ ·missed(SB), R8
	MOVB $1, (R8)(BX*1)
	MOVL $1, AX
	SYSCALL

done:
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
