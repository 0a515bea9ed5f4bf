package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// numbered executes a program in a child with a given PID in this PID namespace, and
// ends in the same way as that: set_tid of clone3(2), Linux 5.5.
func numbered(number string, command []string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	file, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(command)
	if err != nil {
		return err
	}
	envp, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	tid := int32(n)
	// struct clone_args: ..., exit_signal, ..., set_tid, set_tid_size
	args := [11]uint64{4: uint64(unix.SIGCHLD), 8: uint64(uintptr(unsafe.Pointer(&tid))), 9: 1}
	pid, _, e := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(file)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
		}
	}
	var status unix.WaitStatus
	_, err = unix.Wait4(int(pid), &status, 0, nil)
	return err
}
