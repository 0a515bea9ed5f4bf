#include "textflag.h"

// func clone3(args unsafe.Pointer, size uintptr, h unsafe.Pointer, stage uintptr) uintptr
TEXT ·clone3(SB), NOSPLIT, $0-40
	MOVQ args+0(FP), AX
	MOVQ size+8(FP), BX
	MOVQ h+16(FP), CX
	MOVQ stage+24(FP), DI
	CALL ·cloneRegisters(SB)
	MOVQ AX, ret+32(FP)
	RET

// func cloneRegisters()
//
// It is clone3 with its arguments in registers, as Go code calls Go code. After a call of
// clone3, Go code reads g from the memory of the thread, which is on the heap: that is not
// for a child.
TEXT ·cloneRegisters(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ CX, R12
	MOVQ DI, R13
	MOVQ AX, DI
	MOVQ BX, SI
	MOVL $435, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	RET

child:
	// On the new stack, whose end is aligned. Nothing of the parent's frame
	// may be used. Go code is called here as Go code calls it, with room for its
	// arguments: the wrappers for assembly read g too.
	XORL BP, BP
	XORL R14, R14
	XORPS X15, X15
	SUBQ $32, SP
	MOVQ R12, 16(SP)
	MOVQ R13, 24(SP)
	MOVQ R12, AX
	MOVQ R13, BX
	MOVQ ·childPC(SB), CX
	CALL CX

	// It has returned, so there is another clone.
	MOVQ AX, DI
	MOVQ BX, SI
	MOVQ 16(SP), R12
	MOVQ 24(SP), R13
	INCQ R13
	MOVL $435, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, BX
	MOVQ R12, AX
	MOVQ R13, CX
	MOVQ ·clonedPC(SB), DX
	CALL DX
	INT  $3

DATA ·cloneRegistersPC(SB)/8, $·cloneRegisters(SB)
GLOBL ·cloneRegistersPC(SB), NOPTR, $8

// func fault()
TEXT ·fault(SB), NOSPLIT, $0-0
	UNDEF
	RET
