package ptrace

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNotStopped is the error for a thread that does not stop in time, as one that waits for
// a file system in a way that no signal interrupts.
var ErrNotStopped = errors.New("the process did not stop in time")

// maxFilters is more than a process can have: together they have at most 32768 instructions,
// and each counts as four more.
const maxFilters = 32768 / 5

// Filters reads the seccomp filters of a thread, the oldest first: PTRACE_SECCOMP_GET_FILTER.
// It stops the thread for that, and continues it in any case, also if this process is
// killed; a call in which the thread waits is restarted, except for those that signal(7)
// says a stop signal interrupts. alive returns an error if the number is not that of the
// thread any more.
//
// It needs CAP_SYS_ADMIN in the initial user namespace, may not be traced already, and the
// calling process must have no filters.
func Filters(tid int, wait time.Duration, alive func() error) (list [][]unix.SockFilter, err error) {
	done := make(chan struct{})
	go func() {
		// The kernel detaches from what a thread traces when that ends: this one ends with
		// the function, because it stays locked to it.
		runtime.LockOSThread()
		defer close(done)
		list, err = readFilters(tid, wait, alive)
	}()
	<-done
	return list, err
}

func readFilters(tid int, wait time.Duration, alive func() error) ([][]unix.SockFilter, error) {
	if err := request(unix.PTRACE_SEIZE, tid, 0, 0); err != nil {
		return nil, fmt.Errorf("ptrace(PTRACE_SEIZE): %w", err)
	}
	if err := request(unix.PTRACE_INTERRUPT, tid, 0, 0); err != nil {
		return nil, fmt.Errorf("ptrace(PTRACE_INTERRUPT): %w", err)
	}
	sig, err := waitStopped(tid, wait)
	if err != nil {
		return nil, err
	}
	var list [][]unix.SockFilter
	if err = alive(); err == nil {
		list, err = filtersOf(tid)
	}
	if e := request(unix.PTRACE_DETACH, tid, 0, uintptr(sig)); err == nil && e != nil && e != unix.ESRCH {
		err = fmt.Errorf("ptrace(PTRACE_DETACH): %w", e)
	}
	return list, err
}

// waitStopped waits for a thread to stop. The signal is one that it is about to receive, and
// gets when it is continued, or 0.
func waitStopped(tid int, wait time.Duration) (unix.Signal, error) {
	for end := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		var status unix.WaitStatus
		got, err := unix.Wait4(tid, &status, unix.WNOHANG|unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("wait4: %w", err)
		case got == tid && !status.Stopped():
			return 0, errors.New("the process has ended")
		case got == tid && int(status)>>16 == unix.PTRACE_EVENT_STOP:
			return 0, nil
		case got == tid:
			return status.StopSignal(), nil
		case time.Now().After(end):
			return 0, ErrNotStopped
		}
	}
}

// filtersOf reads the filters of a stopped thread. The kernel counts from the oldest, other
// than ptrace(2) says.
func filtersOf(tid int) ([][]unix.SockFilter, error) {
	var list [][]unix.SockFilter
	for n := range maxFilters {
		length, err := getFilter(tid, n, nil)
		if err == unix.ENOENT {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ptrace(PTRACE_SECCOMP_GET_FILTER): %w", err)
		}
		code := make([]unix.SockFilter, length)
		if _, err := getFilter(tid, n, code); err != nil {
			return nil, fmt.Errorf("ptrace(PTRACE_SECCOMP_GET_FILTER): %w", err)
		}
		list = append(list, code)
	}
	return list, nil
}

// getFilter returns the length of a filter, and writes it to code unless that is empty.
func getFilter(tid, n int, code []unix.SockFilter) (int, error) {
	const maxLength = 4096 // BPF_MAXINSNS
	length, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SECCOMP_GET_FILTER, uintptr(tid), uintptr(n), uintptr(unsafe.Pointer(unsafe.SliceData(code))), 0, 0)
	switch {
	case e == unix.EINVAL && n == 0:
		return 0, errors.New("it has no filter, or the kernel was built without CONFIG_CHECKPOINT_RESTORE")
	case e != 0:
		return 0, e
	case length == 0, length > maxLength:
		return 0, unix.EIO
	}
	return int(length), nil
}
