#include "textflag.h"

// start()
// The stack is as the kernel left it: argc, argv[0], ... begin may move them down by a word.
TEXT ·start(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD RSP, R0
	MOVD R0, ·entryStack(SB)
	SUB  $16, R0
	MOVD R0, RSP
	MOVD ZR, g
	MOVD ·beginFunc(SB), R26
	MOVD (R26), R1
	BL   (R1)
	MOVD ·entryStack(SB), R2
	MOVD ·otherStack(SB), R3
	AND  $~15, R2, R4 // a stack pointer is aligned
	CMP  $0, R3
	CSEL EQ, R4, R3, R3
	MOVD R3, RSP
	MOVD 0(R2), R0 // argc
	ADD  $8, R2, R1 // argv
	B    runtime·rt0_go(SB)

// func growStack()
TEXT ·growStack(SB), 0, $49152-0
	RET
