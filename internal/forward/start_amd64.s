#include "textflag.h"

// start()
// The stack is as the kernel left it: argc, argv[0], ... What begin needs of the
// registers of a Go function is that X15 is 0.
TEXT ·start(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ SP, ·entryStack(SB)
	XORPS X15, X15
	MOVQ ·beginFunc(SB), DX
	MOVQ (DX), AX
	CALL AX
	MOVQ ·entryStack(SB), SP
	MOVQ 0(SP), DI // argc
	LEAQ 8(SP), SI // argv
	JMP  runtime·rt0_go(SB)
