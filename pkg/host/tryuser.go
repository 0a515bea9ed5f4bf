package host

import (
	"math"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args of clone3(2), version 0.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
}

// tryUserNS returns why no user namespace can be created, or nil. The kernel creates one for
// a process, and then refuses that process, because there is no such place for its pidfd.
func tryUserNS() error {
	args := cloneArgs{flags: unix.CLONE_NEWUSER | unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD, pidfd: math.MaxUint64}
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == unix.EFAULT {
		return nil
	}
	return errno
}

// forkNothing creates a process that ends at once because it executes nothing, and returns
// why it did not come that far.
//
// The process shares its memory with this one. If this one has privileges, processes that
// may not trace it could trace the other one in a new user namespace, so neither is dumpable
// meanwhile. A program that continues to run, and may have another reason not to be
// dumpable just then, must be ordinary.
func forkNothing(how *syscall.SysProcAttr) error {
	if on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); (err != nil || on == 1) && !ordinary() {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return err
		}
		defer unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
	pid, err := syscall.ForkExec("", []string{""}, &syscall.ProcAttr{Sys: how})
	if err == unix.ENOENT {
		return nil // of execve(2): clone(2) does not return it
	}
	if err != nil {
		return err
	}
	for _, err = unix.Wait4(pid, nil, 0, nil); err == unix.EINTR; {
		_, err = unix.Wait4(pid, nil, 0, nil)
	}
	return nil
}

// ordinary reports whether this process has no more privileges than others of its user.
func ordinary() bool {
	var h Host
	h.capabilities()
	return os.Geteuid() != 0 && h.Unread == nil && h.Permitted == 0 && hasOneUser()
}
