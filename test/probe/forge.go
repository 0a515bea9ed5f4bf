package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a payload can do to have a tracer take one file for another one.

// forge executes one of them.
func forge(how string, args []string) error {
	runtime.LockOSThread()
	switch how {
	case "memfd": // NAME PROGRAM...: execute the program as memory with a name
		return forgeMemory(args[0], args[1:])
	case "pretend": // DIR: calls that succeed without being made
		return forgeCalls(args[0])
	case "replace": // FD: put it in the place of what another thread opens
		fd, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return forgeDescriptor(fd)
	case "flip": // CALL: change its memory meanwhile
		return flip(args[0])
	case "stuck": // DIR PROGRAM...: as stuck, in the mount namespace that there is
		return mountStuck(args[0], args[1:], os.Environ())
	case "answering": // DIR PROGRAM...: until it gets SIGUSR1
		return answering(args[0], false, args[1:])
	case "lazily": // DIR PROGRAM...: the same, unmounted with MNT_DETACH
		return answering(args[0], true, args[1:])
	case "detached": // DIR PROGRAM...: the same, and lazily unmounted, as descriptor 5
		return mountDetached(args[0], args[1:], os.Environ())
	}
	return unix.ENOSYS
}

func forgeMemory(name string, argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate(name, 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, data); err != nil {
		return err
	}
	return unix.Exec("/proc/self/fd/"+strconv.Itoa(fd), argv, os.Environ())
}

// forgeCalls makes calls on a directory and a file in it that a filter lets return 0.
func forgeCalls(dir string) error {
	calls := []uint32{unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_TRUNCATE, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_OPENAT2}
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for i, nr := range calls {
		code = append(code, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: uint8(len(calls) - i)})
	}
	code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000})
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	file := filepath.Join(dir, "id")
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return err
	}
	_, err := unix.Openat2(unix.AT_FDCWD, file, &unix.OpenHow{Flags: unix.O_RDONLY}) // descriptor 0, it says
	for _, e := range []error{
		err,
		unix.Mkdirat(unix.AT_FDCWD, filepath.Join(dir, "made"), 0o755),
		unix.Unlinkat(unix.AT_FDCWD, file, 0),
		unix.Truncate(file, 0),
		unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, file+"2", 0),
		unix.Linkat(unix.AT_FDCWD, file, unix.AT_FDCWD, file+"3", 0),
		unix.Symlinkat("x", unix.AT_FDCWD, file+"4"),
	} {
		if e != nil {
			return e
		}
	}
	return nil
}

// forgeDescriptor opens a file again and again, while another thread puts another file at
// its number.
func forgeDescriptor(old int) error {
	at, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var done atomic.Bool
	ended := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		for !done.Load() {
			_ = unix.Dup3(old, at, unix.O_CLOEXEC)
		}
		close(ended)
	}()
	for range 500 {
		unix.Close(at)
		fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil && fd != at {
			unix.Close(fd)
		}
	}
	done.Store(true)
	<-ended
	return nil
}
