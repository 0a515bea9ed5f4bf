package filter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Decode parses a filter in the form written by [Encode], and checks it with [Check].
func Decode(data []byte) ([]unix.SockFilter, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("an empty filter")
	case len(data)%8 != 0:
		return nil, fmt.Errorf("%d bytes are not a filter: an instruction has 8", len(data))
	case len(data)/8 > MaxInstructions:
		return nil, tooLong(len(data) / 8)
	}
	code := decode(string(data))
	return code, Check(code)
}

func tooLong(n int) error {
	return fmt.Errorf("the filter has %d instructions; the kernel accepts at most %d", n, MaxInstructions)
}

// seccompData is the size of struct seccomp_data.
const seccompData = 64

// memWords is BPF_MEMWORDS: the number of words of scratch memory.
const memWords = 16

// Check returns why the kernel would not accept a program as a filter: it rejects what
// bpf_check_classic and seccomp_check_filter of Linux reject.
func Check(code []unix.SockFilter) error {
	if len(code) == 0 {
		return errors.New("an empty filter")
	}
	if len(code) > MaxInstructions {
		return tooLong(len(code))
	}
	for pc, i := range code {
		if err := checkInstruction(i, len(code)-1-pc); err != nil {
			return fmt.Errorf("instruction %d: %w", pc, err)
		}
	}
	if last := code[len(code)-1].Code; last != unix.BPF_RET|unix.BPF_K && last != unix.BPF_RET|unix.BPF_A {
		return errors.New("the last instruction returns nothing")
	}
	return checkMemory(code)
}

// checkInstruction checks one instruction, which is followed by the given number of
// others.
func checkInstruction(i unix.SockFilter, after int) error {
	class := i.Code & 0x07
	if i.Code > 0xff {
		return unknownCode(i.Code)
	}
	switch class {
	case unix.BPF_LD, unix.BPF_LDX:
		switch i.Code &^ class {
		case unix.BPF_W | unix.BPF_ABS:
			if class == unix.BPF_LDX {
				return unknownCode(i.Code)
			}
			if i.K >= seccompData || i.K%4 != 0 {
				return fmt.Errorf("there is no word at %d of struct seccomp_data", i.K)
			}
			return nil
		case unix.BPF_W | unix.BPF_MEM:
			return checkWord(i.K)
		case unix.BPF_W | unix.BPF_IMM, unix.BPF_W | unix.BPF_LEN:
			return nil
		}
	case unix.BPF_ST, unix.BPF_STX:
		if i.Code == class {
			return checkWord(i.K)
		}
	case unix.BPF_ALU:
		return checkArithmetic(i)
	case unix.BPF_JMP:
		return checkJump(i, after)
	case unix.BPF_RET:
		switch i.Code {
		case unix.BPF_RET | unix.BPF_A, unix.BPF_RET | unix.BPF_K:
			return nil
		}
	case unix.BPF_MISC:
		if i.Code == unix.BPF_MISC|unix.BPF_TAX || i.Code == unix.BPF_MISC|unix.BPF_TXA {
			return nil
		}
	}
	return unknownCode(i.Code)
}

func checkArithmetic(i unix.SockFilter) error {
	constant := i.Code&unix.BPF_X == 0
	switch i.Code &^ (unix.BPF_ALU | unix.BPF_X) {
	case unix.BPF_ADD, unix.BPF_SUB, unix.BPF_MUL, unix.BPF_AND, unix.BPF_OR, unix.BPF_XOR:
		return nil
	case unix.BPF_DIV:
		if constant && i.K == 0 {
			return errors.New("a division by 0")
		}
		return nil
	case unix.BPF_LSH, unix.BPF_RSH:
		if constant && i.K >= 32 {
			return fmt.Errorf("a shift by %d", i.K)
		}
		return nil
	case unix.BPF_NEG:
		if constant {
			return nil
		}
	}
	return unknownCode(i.Code)
}

// checkJump checks a jump, which is followed by the given number of instructions.
func checkJump(i unix.SockFilter, after int) error {
	switch i.Code &^ (unix.BPF_JMP | unix.BPF_X) {
	case unix.BPF_JA:
		if i.Code&unix.BPF_X != 0 {
			break
		}
		if i.K >= uint32(after) {
			return errors.New("a jump past the end")
		}
		return nil
	case unix.BPF_JEQ, unix.BPF_JGT, unix.BPF_JGE, unix.BPF_JSET:
		if int(max(i.Jt, i.Jf)) >= after {
			return errors.New("a jump past the end")
		}
		return nil
	}
	return unknownCode(i.Code)
}

func unknownCode(code uint16) error {
	return fmt.Errorf("seccomp(2) has no instruction of code %#x", code)
}

func checkWord(k uint32) error {
	if k >= memWords {
		return fmt.Errorf("there is no word %d of memory", k)
	}
	return nil
}

// checkMemory rejects a load of a word of memory that is not stored on every path to
// it.
func checkMemory(code []unix.SockFilter) error {
	// stored are the words that are stored on all paths to an instruction, as bits.
	stored := make([]uint16, len(code)+1)
	for i := range stored {
		stored[i] = ^uint16(0)
	}
	stored[0] = 0
	for pc, i := range code {
		have := stored[pc]
		reach := func(skip uint32) { stored[pc+1+int(skip)] &= have }
		switch i.Code & 0x07 {
		case unix.BPF_ST, unix.BPF_STX:
			have |= 1 << i.K
			reach(0)
		case unix.BPF_JMP:
			if i.Code == unix.BPF_JMP|unix.BPF_JA {
				reach(i.K)
				break
			}
			reach(uint32(i.Jt))
			reach(uint32(i.Jf))
		case unix.BPF_LD, unix.BPF_LDX:
			if i.Code&0xe0 == unix.BPF_MEM && have>>i.K&1 == 0 {
				return fmt.Errorf("instruction %d: word %d of memory is not stored before", pc, i.K)
			}
			reach(0)
		default: // after a return too, as in the kernel
			reach(0)
		}
	}
	return nil
}

// Encode is the form of a filter in a file: an array of struct sock_filter, as written
// by libseccomp's seccomp_export_bpf(3).
func Encode(code []unix.SockFilter) []byte {
	var b []byte
	for _, i := range code {
		b = binary.LittleEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.LittleEndian.AppendUint32(b, i.K)
	}
	return b
}

func decode(s string) []unix.SockFilter {
	code := make([]unix.SockFilter, len(s)/8)
	for i := range code {
		b := []byte(s[8*i : 8*i+8])
		code[i] = unix.SockFilter{Code: binary.LittleEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.LittleEndian.Uint32(b[4:])}
	}
	return code
}
