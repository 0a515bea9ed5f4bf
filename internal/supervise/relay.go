package supervise

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// relayFD is where handler writes what it is called with.
var relayFD int32

// handlerPC and restorerPC are the addresses of the two functions in assembly.
//
// handler is a signal handler that writes the siginfo_t to relayFD: the Go
// runtime's handlers tell no one who has sent a signal. restorer returns from
// it.
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

// relayed are the signals that are passed on: all but those that say something
// about this process itself, and SIGTTIN and SIGTTOU, which stop it if it uses
// the terminal.
func relayed() []unix.Signal {
	list := []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE,
		unix.SIGALRM, unix.SIGTERM, unix.SIGCHLD, unix.SIGCONT, unix.SIGTSTP, unix.SIGURG, unix.SIGXCPU,
		unix.SIGXFSZ, unix.SIGWINCH, unix.SIGIO, unix.SIGPWR}
	for s := unix.Signal(34); s <= 64; s++ {
		list = append(list, s)
	}
	return list
}

// relay has every relayed signal written to fd. One that the caller ignores
// stays ignored, for us as for the payload.
func relay(fd int) error {
	relayFD = int32(fd)
	act := sigaction{handler: handlerPC, flags: saRestorer | saOnStack | saRestart | saSiginfo, restorer: restorerPC}
	for _, sig := range relayed() {
		var old sigaction
		if err := setAction(sig, nil, &old); err != nil {
			return err
		}
		if old.handler == sigIgn && sig != unix.SIGCHLD {
			continue
		}
		if err := setAction(sig, &act, nil); err != nil {
			return err
		}
	}
	return nil
}

// dieOf sends a signal to this process that nothing keeps it from dying of.
func dieOf(sig unix.Signal) {
	runtime.LockOSThread()
	_ = setAction(sig, &sigaction{handler: sigDfl}, nil)
	set := unix.Sigset_t{}
	set.Val[(sig-1)/64] |= 1 << ((sig - 1) % 64)
	unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil)
	unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}
