// Package exit ends the process.
package exit

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit is os.Exit, but ends the process also under a filter that denies
// exit_group(2): os.Exit goes on after that, and then nothing stops what goes on. It
// may be called before the Go runtime has started, and by a clone of a Go process.
//
//go:nosplit
//go:norace
//go:nocheckptr
func Exit(status int) {
	syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(status), 0, 0)
	faultTwice()
}

// faultTwice executes an undefined instruction, and makes the handler of the Go runtime
// for that do so too: that ends the process.
//
//go:noescape
func faultTwice()
