package host

import (
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	atSecure = 23
	atExecFn = 31
)

func ptr[T any](p *T) unsafe.Pointer { return unsafe.Pointer(p) }

func auxv(tag uintptr) (uintptr, bool) {
	list, err := unix.Auxv()
	if err != nil {
		return 0, false
	}
	for _, e := range list {
		if e[0] == tag {
			return e[1], true
		}
	}
	return 0, false
}

// Secure reports whether the kernel gave this program more privileges than its
// caller has (AT_SECURE of getauxval(3)). hk is not made for that.
func Secure() bool {
	v, ok := auxv(atSecure)
	return ok && v != 0
}

// ExecutedAs is the name by which the kernel was told to execute this program
// (AT_EXECFN), or "".
func ExecutedAs() string {
	v, ok := auxv(atExecFn)
	if !ok {
		return ""
	}
	return unix.BytePtrToString((*byte)(unsafe.Add(unsafe.Pointer(nil), v)))
}

// selfFD is the descriptor by which this program was executed and which is
// still open: execveat(2) with AT_EMPTY_PATH says so in AT_EXECFN. -1 if there
// is none.
func selfFD() int { return fdOf(ExecutedAs()) }

// fdOf is the descriptor of a name that execveat(2) has made. One that closes at
// execve(2) is another by now: this program has opened it.
func fdOf(name string) int {
	number, ok := strings.CutPrefix(name, "/dev/fd/")
	if !ok {
		return -1
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return -1
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC != 0 {
		return -1
	}
	return fd
}
