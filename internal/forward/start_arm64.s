#include "textflag.h"

// start()
// The stack is as the kernel left it: argc, argv[0], ...
TEXT ·start(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD RSP, R0
	MOVD R0, ·entryStack(SB)
	MOVD ZR, g
	MOVD ·beginFunc(SB), R26
	MOVD (R26), R1
	BL   (R1)
	MOVD ·entryStack(SB), R2
	MOVD R2, RSP
	MOVD 0(R2), R0 // argc
	ADD  $8, R2, R1 // argv
	B    runtime·rt0_go(SB)
