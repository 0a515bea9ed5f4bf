package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inherit executes a program that has signals ignored and blocked, and
// descriptors closed: lists of numbers, "all" signals, or "none".
func inherit(ignored, blocked, closed string, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	mask := uint64(0)
	for _, sig := range numbers64(blocked) {
		mask |= 1 << (sig - 1)
	}
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
	list := numbers64(ignored)
	for sig := 1; sig <= 64; sig++ {
		// Not all that are not named are as they usually are: posix_spawn(3) has
		// two ignored.
		action := [4]uint64{0} // SIG_DFL
		if slices.Contains(list, sig) {
			action[0] = 1 // SIG_IGN
		}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
	env := os.Environ()
	for _, fd := range numbers64(closed) {
		unix.Close(fd)
	}
	return syscall.Exec(path, command, env)
}

func numbers64(list string) []int {
	var out []int
	switch list {
	case "none":
	case "all":
		for n := 1; n <= 64; n++ {
			out = append(out, n)
		}
	default:
		for _, s := range strings.Split(list, ",") {
			n, err := strconv.Atoi(s)
			if err != nil {
				fmt.Println("probe: no number:", s)
				os.Exit(2)
			}
			out = append(out, n)
		}
	}
	return out
}
