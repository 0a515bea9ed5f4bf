// Package exit ends the process.
package exit

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit is os.Exit, but also ends the process under a filter that denies exit_group(2):
// os.Exit would then return, and nothing would stop the program. It may be called
// before the Go runtime has started, and by a clone of a Go process.
//
//go:nosplit
//go:norace
//go:nocheckptr
func Exit(status int) {
	syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(status), 0, 0)
	faultTwice()
}

// faultTwice executes an undefined instruction, and makes the Go runtime's handler for
// it execute another: that ends the process.
//
//go:noescape
func faultTwice()
