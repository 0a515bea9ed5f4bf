#include "textflag.h"

// func spin(nr uint64, end *uint32) uint64
TEXT ·spin(SB), NOSPLIT, $0-24
	MOVD nr+0(FP), R8
	MOVD R8, R0
	MOVD end+8(FP), R1
loop:
	YIELD
	MOVWU 0(R1), R2
	CBZ   R2, loop
	MOVD  R0, ret+16(FP)
	RET
