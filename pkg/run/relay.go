package run

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The data of handler. relayFD is where it writes the siginfo. chained are the
// runtime's handlers for signals raised by faults of this process: a fault is passed to
// them, and a signal that was sent is not. missed has a 1 for a signal for which
// relayFD had no room.
var (
	relayFD int32
	chained [numSignals + 1]uintptr
	missed  [numSignals + 1]uint8
)

const numSignals = 64

// handlerPC and restorerPC are the addresses of the two functions in assembly.
//
// handler is a signal handler that writes the siginfo_t to relayFD: the Go runtime's
// handlers do not reveal which process has sent a signal. restorer returns from it.
var handlerPC, restorerPC uintptr

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saSiginfo  = 0x00000004
	saRestorer = 0x04000000
	saOnStack  = 0x08000000
	saRestart  = 0x10000000

	sigDfl = 0
	sigIgn = 1
)

func setAction(sig unix.Signal, act, old *sigaction) error {
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if e != 0 {
		return fmt.Errorf("rt_sigaction of %s: %w", unix.SignalName(sig), e)
	}
	return nil
}

// isFault reports whether sig is raised by a fault of a process.
func isFault(sig unix.Signal) bool {
	switch sig {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		return true
	}
	return false
}

// relay makes every signal that can be caught be written to fd, except those that stop
// a background process when it uses the terminal, which this process may do until the
// payload exists. A child gets the caller's actions through its plan.
func relay(fd int) error {
	relayFD = int32(fd)
	for sig := unix.Signal(1); sig <= numSignals; sig++ {
		switch {
		case sig == unix.SIGKILL, sig == unix.SIGSTOP, sig == unix.SIGTTIN, sig == unix.SIGTTOU:
			continue
		case isFault(sig):
			// It must be known before the handler needs it.
			var old sigaction
			if err := setAction(sig, nil, &old); err != nil {
				return err
			}
			if old.handler > sigIgn {
				chained[sig] = old.handler
			}
		}
		if err := relayOne(sig); err != nil {
			return err
		}
	}
	return nil
}

func relayOne(sig unix.Signal) error {
	act := sigaction{handler: handlerPC, flags: saRestorer | saOnStack | saRestart | saSiginfo, restorer: restorerPC, mask: ^uint64(0)}
	return setAction(sig, &act, nil)
}

// dieOf terminates this process by a signal, whatever its action or mask is.
func dieOf(sig unix.Signal) {
	runtime.LockOSThread()
	_ = setAction(sig, &sigaction{handler: sigDfl}, nil)
	set := maskOf(sig)
	unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil)
	unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}

func maskOf(sig unix.Signal) (set unix.Sigset_t) {
	set.Val[(sig-1)/64] |= 1 << ((sig - 1) % 64)
	return set
}
