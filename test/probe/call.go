package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// numbers are those of the architecture that this program is for.
var numbers = map[string]uintptr{
	"clock_settime":  unix.SYS_CLOCK_SETTIME,
	"fchmodat":       unix.SYS_FCHMODAT,
	"fremovexattr":   unix.SYS_FREMOVEXATTR,
	"fsetxattr":      unix.SYS_FSETXATTR,
	"lremovexattr":   unix.SYS_LREMOVEXATTR,
	"fcntl":          unix.SYS_FCNTL,
	"getgid":         unix.SYS_GETGID,
	"getpid":         unix.SYS_GETPID,
	"getppid":        unix.SYS_GETPPID,
	"getsid":         unix.SYS_GETSID,
	"io_uring_setup": unix.SYS_IO_URING_SETUP,
	"ioctl":          unix.SYS_IOCTL,
	"kexec_load":     unix.SYS_KEXEC_LOAD,
	"keyctl":         unix.SYS_KEYCTL,
	"memfd_create":   unix.SYS_MEMFD_CREATE,
	"mkdirat":        unix.SYS_MKDIRAT,
	"mount":          unix.SYS_MOUNT,
	"mprotect":       unix.SYS_MPROTECT,
	"openat":         unix.SYS_OPENAT,
	"personality":    unix.SYS_PERSONALITY,
	"mseal":          462, // the same everywhere
	"prctl":          unix.SYS_PRCTL,
	"ptrace":         unix.SYS_PTRACE,
	"readv":          unix.SYS_READV,
	"sched_setattr":  unix.SYS_SCHED_SETATTR,
	"seccomp":        unix.SYS_SECCOMP,
	"setns":          unix.SYS_SETNS,
	"setxattr":       unix.SYS_SETXATTR,
	"setxattrat":     463, // the same everywhere
	"setuid":         unix.SYS_SETUID,
	"socket":         unix.SYS_SOCKET,
	"unlinkat":       unix.SYS_UNLINKAT,
}

// call makes a system call, of a name or number; arguments are numbers, CWD for
// AT_FDCWD, words:1,2,3 for where these words of 32 bits lie, or strings.
func call(args []string) syscall.Errno {
	var n [7]uintptr
	var keep [][]byte
	for i, a := range args {
		v, err := strconv.ParseUint(a, 0, 64)
		nr, named := numbers[a]
		switch {
		case err == nil:
			n[i] = uintptr(v)
		case i == 0 && !named:
			fmt.Println("probe: no number for", a)
			os.Exit(2)
		case i == 0:
			n[i] = nr
		case a == "CWD":
			cwd := unix.AT_FDCWD
			n[i] = uintptr(cwd)
		default:
			b := append([]byte(a), 0)
			if words, ok := strings.CutPrefix(a, "words:"); ok {
				b = wordsOf(words)
			}
			keep = append(keep, b)
			n[i] = uintptr(unsafe.Pointer(&b[0]))
		}
	}
	_, _, e := syscall.Syscall6(n[0], n[1], n[2], n[3], n[4], n[5], n[6])
	_ = keep
	return e
}

// wordsOf is numbers of 32 bits, separated by commas, as they lie in memory.
func wordsOf(text string) []byte {
	var b []byte
	for _, w := range strings.Split(text, ",") {
		n, err := strconv.ParseUint(w, 0, 32)
		if err != nil {
			fmt.Println("probe:", err)
			os.Exit(2)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b
}

// socketcall makes a socket by the call of i386 that takes a pointer to the
// arguments.
func socketcall(args []string) syscall.Errno {
	var list [3]uintptr
	for i, a := range args {
		n, _ := strconv.Atoi(a)
		list[i] = uintptr(n)
	}
	_, _, e := syscall.Syscall(102, 1, uintptr(unsafe.Pointer(&list)), 0)
	return e
}
