#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr, h unsafe.Pointer, stage uintptr) uintptr
TEXT ·clone3(SB), NOSPLIT, $0-40
	MOVQ args+0(FP), DI
	MOVQ size+8(FP), SI
	MOVQ h+16(FP), R12
	MOVQ stage+24(FP), R13
	MOVL $435, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, ret+32(FP)
	RET

child:
	// On the new stack, whose end is aligned. Nothing of the parent's frame
	// may be used. R14 and X15 are set up by the wrapper of childMain.
	XORL BP, BP
	SUBQ $32, SP
	MOVQ R12, 0(SP)
	MOVQ R13, 8(SP)
	MOVQ ·childPC(SB), AX // by pointer: the linker takes a direct call for recursion
	CALL AX
	INT  $3

// func fault()
TEXT ·fault(SB), NOSPLIT, $0-0
	UNDEF
	RET


DATA ·childPC(SB)/8, $·childMain(SB)
GLOBL ·childPC(SB), RODATA|NOPTR, $8
