package run

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args up to set_tid_size.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize uint64
}

// sleeper makes a child with that PID, which sleeps until it is killed.
func sleeper(t *testing.T, pid int) {
	t.Helper()
	tid := int32(pid)
	args := &cloneArgs{exitSignal: uint64(unix.SIGCHLD), setTID: uint64(uintptr(unsafe.Pointer(&tid))), setTIDSize: 1}
	var got int
	for range 1000 { // while it is a zombie the number is not free
		if got = sleepIn(args); got != -int(unix.EEXIST) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	runtime.KeepAlive(&tid)
	if got != pid {
		t.Fatalf("clone3 of process %d = %d", pid, got)
	}
	t.Cleanup(func() {
		unix.Kill(pid, unix.SIGKILL)
		unix.Wait4(pid, nil, 0, nil)
	})
}

//go:noinline
//go:norace
func sleepIn(args *cloneArgs) int {
	runtimeBeforeFork()
	pid, _, e := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if e == 0 && pid == 0 {
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
		for {
			syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
	runtimeAfterFork()
	if e != 0 {
		return -int(e)
	}
	return int(pid)
}

// TestNumberReused has another process get the number of a payload whose init was killed
// and has not been reaped: no signal for the payload gets there.
func TestNumberReused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to choose the number of a process")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, kill := range []string{"init", "Signal"} {
		t.Run(kill, func(t *testing.T) {
			p := plan.New()
			p.CloneInit("test", unix.CLONE_NEWPID, nil)
			c := begin(t, p, "exec sleep 1000")
			payload := c.Payload
			if kill == "init" {
				unix.Kill(c.PID, unix.SIGKILL)
			} else if err := c.Signal(unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			sleeper(t, payload)
			c.Signal(unix.SIGKILL)
			s := &Supervisor{Process: c, queue: queue{pipe: -1}, terminal: terminal{fd: -1}, payload: c.payloadFD(), rest: rest{sock: -1}}
			s.send(unix.SIGKILL) // it blocks the others
			s.sendGroup(unix.SIGKILL)
			s.KillTree()
			if _, err := s.Wait(); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
			var status unix.WaitStatus
			if pid, err := unix.Wait4(payload, &status, unix.WNOHANG, nil); pid != 0 || err != nil {
				t.Errorf("another process with the number of the payload has got a signal: %#x, %v", status, err)
			}
		})
	}
}
