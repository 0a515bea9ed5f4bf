#include "textflag.h"

// start()
// The stack is as the kernel left it: argc, argv[0], ... begin may move them down by a word.
// What it needs of the registers of a Go function is that X15 is 0.
TEXT ·start(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ SP, ·entryStack(SB)
	SUBQ $16, SP
	XORPS X15, X15
	MOVQ ·beginFunc(SB), DX
	MOVQ (DX), AX
	CALL AX
	MOVQ ·entryStack(SB), SP
	MOVQ 0(SP), DI // argc
	LEAQ 8(SP), SI // argv
	MOVQ ·otherStack(SB), AX
	TESTQ AX, AX
	JZ   same
	MOVQ AX, SP
same:
	JMP  runtime·rt0_go(SB)

// func growStack()
TEXT ·growStack(SB), 0, $49152-0
	RET
