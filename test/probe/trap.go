package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// trap does what depends on how a tracer handles the denial of personality(2), and prints what
// came of it. It is done on one thread.
func trap(what string) {
	runtime.LockOSThread()
	switch what {
	case "blocked": // with a handler, and without: what a denied call changes of the signals
		all := ^uint64(0)
		before := signalState(&all)
		e := personality()
		after := signalState(nil)
		say(e)
		fmt.Println("the same", before == after, before[0] != 0)
		none := [4]uint64{}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
		before = signalState(nil)
		e = personality()
		after = signalState(nil)
		say(e)
		fmt.Println("the same", before == after, before[0] == 0)
	case "pending": // the signal of a denied call waits already, with a handler and without
		all := ^uint64(0)
		signalState(&all)
		fmt.Println(deniedPending())
		none := [4]uint64{}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
		fmt.Println(deniedPending())
	case "own": // a filter of its own sends SIGSYS
		load(unix.SECCOMP_RET_TRAP|7, 0)
		say(personality())
	case "traced": // a filter of its own leaves it to a tracer, or lets it fail without one
		load(unix.SECCOMP_RET_TRACE|5, 0)
		say(personality())
	case "listener": // a filter of its own lets the call be made
		say(listener())
	case "forged": // the same signal, without a denied call
		info := struct {
			signo, errno, code, _ int32
			addr                  uint64
			nr                    int32
			arch                  uint32
			_                     [96]byte
		}{signo: int32(unix.SIGSYS), errno: 0x686b, code: 1, nr: unix.SYS_PERSONALITY, arch: unix.AUDIT_ARCH_X86_64}
		_, _, e := unix.RawSyscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(os.Getpid()), uintptr(unix.Gettid()), uintptr(unix.SIGSYS), uintptr(unsafe.Pointer(&info)), 0, 0)
		say(e)
	case "sent": // a signal that nobody has forged, to a thread that only looks like one in a denied call
		fmt.Println("the same", sent())
	case "untraced": // a child that no tracer sees
		say(untraced())
	default:
		fmt.Println("unknown trap")
	}
}

func personality() syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	return e
}

// signalState is the handler of SIGSYS and the mask, which is set before if set is not nil.
func signalState(set *uint64) (state [2]uint64) {
	var old [4]uint64
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	if set != nil {
		unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(set)), 0, 8, 0, 0)
	}
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, 0, uintptr(unsafe.Pointer(&state[1])), 8, 0, 0)
	state[0] = old[0]
	return state
}

// deniedPending sends this thread SIGSYS, which it blocks, and returns what personality(2) returns, and
// whether the state of the signals is the same afterwards.
func deniedPending() (result uintptr, e syscall.Errno, same bool) {
	unix.RawSyscall(unix.SYS_TGKILL, uintptr(os.Getpid()), uintptr(unix.Gettid()), uintptr(unix.SIGSYS))
	state := func() (s [3]uint64) {
		now := signalState(nil)
		unix.RawSyscall(unix.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&s[2])), 8, 0)
		return [3]uint64{now[0], now[1], s[2] >> (unix.SIGSYS - 1) & 1}
	}
	before := state()
	result, _, e = unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	return result, e, state() == before && before[2] == 1
}

// load loads a filter with an answer for personality(2), and returns what seccomp(2) does.
func load(action uint32, flags uintptr) int {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PERSONALITY, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	n, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		fmt.Println("seccomp:", e)
		os.Exit(1)
	}
	return int(n)
}

// listener loads a filter whose listener, another thread, lets personality(2) be made.
func listener() syscall.Errno {
	fd := load(unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	go func() {
		// struct seccomp_notif and seccomp_notif_resp.
		var in [80]byte
		const receive, send = 0xc0502100, 0xc0182101
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), receive, uintptr(unsafe.Pointer(&in))); e != 0 {
			return
		}
		out := struct {
			id    uint64
			val   int64
			error int32
			flags uint32
		}{id: *(*uint64)(unsafe.Pointer(&in)), flags: 1} // SECCOMP_USER_NOTIF_FLAG_CONTINUE
		unix.Syscall(unix.SYS_IOCTL, uintptr(fd), send, uintptr(unsafe.Pointer(&out)))
	}()
	_, _, e := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	return e
}

// untraced is ENOSYS if a child with CLONE_UNTRACED was ended by SIGSYS, and otherwise what it
// got for personality(2).
func untraced() syscall.Errno {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_UNTRACED|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		ignored := [4]uint64{1}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), uintptr(unsafe.Pointer(&ignored)), 0, 8, 0, 0)
		_, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(e), 0, 0)
		}
	}
	var status unix.WaitStatus
	unix.Wait4(int(pid), &status, 0, nil)
	if status.Signaled() && status.Signal() == unix.SIGSYS {
		return unix.ENOSYS
	}
	return syscall.Errno(status.ExitStatus())
}
