#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr, h unsafe.Pointer, stage uintptr) uintptr
TEXT ·clone3(SB), NOSPLIT, $0-40
	MOVD args+0(FP), R0
	MOVD size+8(FP), R1
	MOVD h+16(FP), R2
	MOVD stage+24(FP), R3
	BL   ·cloneRegisters(SB)
	MOVD R0, ret+32(FP)
	RET

// func cloneRegisters()
//
// It is clone3 with its arguments in registers, as Go code calls Go code. After a call of
// clone3, Go code may read g from the memory of the thread, which is on the heap: that is not
// for a child.
TEXT ·cloneRegisters(SB), NOSPLIT|NOFRAME, $0-0
	MOVD R2, R10
	MOVD R3, R11
	MOVD $435, R8
	SVC
	CBZ  R0, child
	RET

child:
	// On the new stack, whose end is aligned. Nothing of the parent's frame
	// may be used. Go code is called here as Go code calls it, with room for its
	// arguments.
	MOVD ZR, R29
	SUB  $48, RSP
	MOVD R10, 32(RSP)
	MOVD R11, 40(RSP)
	MOVD R10, R0
	MOVD R11, R1
	MOVD ·childPC(SB), R9
	BL   (R9)

	// It has returned, so there is another clone.
	MOVD 32(RSP), R10
	MOVD 40(RSP), R11
	ADD  $1, R11
	MOVD $435, R8
	SVC
	CBZ  R0, child
	MOVD R0, R1
	MOVD R10, R0
	MOVD R11, R2
	MOVD ·clonedPC(SB), R9
	BL   (R9)
	BRK

DATA ·cloneRegistersPC(SB)/8, $·cloneRegisters(SB)
GLOBL ·cloneRegistersPC(SB), NOPTR, $8

// func fault()
TEXT ·fault(SB), NOSPLIT, $0-0
	UNDEF
	RET
