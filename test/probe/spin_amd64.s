#include "textflag.h"

// func spin(nr uint64, end *uint32) uint64
TEXT ·spin(SB), NOSPLIT, $0-24
	MOVQ nr+0(FP), AX
	MOVQ end+8(FP), DI
loop:
	PAUSE
	MOVL 0(DI), CX
	CMPL CX, $0
	JEQ  loop
	MOVQ AX, ret+16(FP)
	RET
