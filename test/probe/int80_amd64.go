package main

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// int80 makes a system call of i386 from 64 bits, with all 64 of each register:
// the number, then the arguments.
//
//go:noescape
func int80(n *[7]uintptr) int32

// callInt80 makes a call of i386 by its number. Arguments are numbers, of 64
// bits; CWD; or words:1,2,3, which stands for where these words of 32 bits lie.
func callInt80(args []string) syscall.Errno {
	low, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_32BIT)
	if err != nil {
		return err.(syscall.Errno)
	}
	used := 0
	var n [7]uintptr
	for i, a := range args {
		used = (used + 7) &^ 7
		at := uintptr(unsafe.Pointer(&low[used]))
		words, isWords := strings.CutPrefix(a, "words:")
		v, err := strconv.ParseUint(a, 0, 64)
		switch {
		case err == nil:
			n[i] = uintptr(v)
		case a == "CWD":
			cwd := int32(unix.AT_FDCWD)
			n[i] = uintptr(uint32(cwd))
		case isWords:
			n[i] = at
			used += copy(low[used:], wordsOf(words))
		default:
			n[i] = at
			used += copy(low[used:], a) + 1
		}
	}
	if r := int80(&n); r < 0 && r > -4096 {
		return syscall.Errno(-r)
	}
	return 0
}
