#include "textflag.h"

// func int80(n *[7]uintptr) int32
//
// The frame is there to have BP saved, which is the sixth argument.
TEXT ·int80(SB), NOSPLIT, $8-12
	MOVQ n+0(FP), R11
	MOVQ 0(R11), AX
	MOVQ 8(R11), BX
	MOVQ 16(R11), CX
	MOVQ 24(R11), DX
	MOVQ 32(R11), SI
	MOVQ 40(R11), DI
	MOVQ 48(R11), BP
	INT  $0x80
	MOVL AX, ret+8(FP)
	RET
