package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigwait waits by rt_sigtimedwait(2), in the first thread, for a signal that has
// its default action, and exits with 7. It must be called in an init function, and
// the signal be blocked before the start, so that all threads block it.
func sigwait(sig int) {
	var dfl [4]uint64
	for s := uintptr(1); s <= 64; s++ {
		if s != uintptr(unix.SIGURG) {
			syscall.RawSyscall6(unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&dfl)), 0, 8, 0, 0)
		}
	}
	set := uint64(1) << (sig - 1)
	fmt.Println("ready")
	for {
		var info [32]int32 // siginfo_t
		got, _, e := syscall.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&info)), 0, 8, 0, 0)
		if e == 0 {
			if info[2] == -1 { // SI_QUEUE
				fmt.Println("value", info[6])
			}
			fmt.Println("got", got)
			os.Exit(7)
		}
	}
}

func init() {
	if len(os.Args) == 3 && os.Args[1] == "sigwait" {
		var sig int
		fmt.Sscan(os.Args[2], &sig)
		sigwait(sig)
	}
}
