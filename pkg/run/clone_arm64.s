#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr, h unsafe.Pointer, stage uintptr) uintptr
TEXT ·clone3(SB), NOSPLIT, $0-40
	MOVD args+0(FP), R0
	MOVD size+8(FP), R1
	MOVD h+16(FP), R10
	MOVD stage+24(FP), R11
	MOVD $435, R8
	SVC
	CBZ  R0, child
	MOVD R0, ret+32(FP)
	RET

child:
	// On the new stack, whose end is aligned. Nothing of the parent's frame
	// may be used.
	MOVD ZR, R29
	SUB  $32, RSP
	MOVD R10, 8(RSP)
	MOVD R11, 16(RSP)
	MOVD ·childPC(SB), R9 // by pointer: the linker takes a direct call for recursion
	BL   (R9)
	BRK

// func fault()
TEXT ·fault(SB), NOSPLIT, $0-0
	UNDEF
	RET


DATA ·childPC(SB)/8, $·childMain(SB)
GLOBL ·childPC(SB), RODATA|NOPTR, $8
