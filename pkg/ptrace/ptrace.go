// Package ptrace follows a process and its descendants with ptrace(2), and shows the
// system calls that they make.
//
// It attaches with PTRACE_SEIZE and continues with PTRACE_SYSCALL, which does not affect
// job control or other filters, sees a call before any filter does, and leaves no traces;
// or, if a filter marks the calls that are of interest, continues without stopping for others,
// and has those fail with an errno that other filters trap in place of it.
// Its price: programs that use ptrace(2) themselves fail, set-user-ID programs gain no
// privileges from the kernel, and an ignored signal still interrupts a call.
package ptrace

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Tracer follows processes from the first execve(2) on that succeeds. Its methods are
// for one thread, which has attached.
type Tracer struct {
	// Memory reads that of the threads.
	Memory

	// Entered is called for each call, and Left when one returns, with its result, or with
	// its errno if it has failed. The thread is stopped. Either may be nil.
	Entered func(tid int, c Call)
	Left    func(tid int, c Call, result int64, errno unix.Errno)
	// Executed is called for each execve(2) that succeeds, whose thread is then at the
	// beginning of the new program; or it is nil. Left is not called for it.
	Executed func(tid int)

	// Began is called for a new thread before it does anything, and may be called for it again;
	// or it is nil. It is not called for the process that is attached to.
	Began func(tid int)

	// Marked is set, by Executed at the latest, if a filter makes the calls stop that are
	// shown, with SECCOMP_RET_TRACE and [Mark]; others do not stop. Kill is set before Attach
	// for that: the processes die with the tracer, because they could make no more such calls.
	Marked, Kill bool

	// Denies is the errno with which a call is denied, if filters that return
	// SECCOMP_RET_TRAP and [Mark] were loaded in place of others that deny calls so, or it is
	// nil. The tracer has the call fail; Denied is called for it. Killed is called for the
	// last call of a thread that gets SIGSYS, and ends. Both may be nil, and Kill must be set.
	Denies func(c Call) (errno unix.Errno, denied bool)
	Denied func(tid int, c Call, errno unix.Errno)
	Killed func(tid int, c Call)

	// between is a process that is traced only so that its child inherits the tracer; it
	// is left once that exists. 0 means none.
	between int
	// started is set once the payload has been executed.
	started bool
	// calls are those in which threads are, if Left needs them.
	calls map[int]Call
	// masks are those that threads get back, and handlers whether they have one for SIGSYS.
	masks    map[int]uint64
	handlers map[int]bool
}

// A Call is a system call: the AUDIT_ARCH value of its architecture, its number and its
// arguments.
type Call struct {
	Arch, Nr uint32
	Args     [6]uint64
}

// options: descendants are traced too. PTRACE_O_EXITKILL is not set: the payload
// dies with the supervisor by other means, and processes that it leaves running
// continue, as they would without a tracer.
const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC

// syscallInfo is struct ptrace_syscall_info for the entry of a call. At its exit nr is the
// result, and the first byte of args is set if that is an error.
type syscallInfo struct {
	op       uint8
	_        [3]uint8
	arch     uint32
	ip, sp   uint64
	nr       uint64
	args     [6]uint64
	_        [3]uint32 // PTRACE_SYSCALL_INFO_SECCOMP has more
	reserved uint32
}

func request(request, tid int, addr, data uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// Attach attaches to a process without stopping it. between is set for one that is traced
// only so that its child inherits the tracer. alive returns an error if the number is not that
// of the process any more.
func (t *Tracer) Attach(pid int, between bool, alive func() error) error {
	options := uintptr(options)
	if t.Kill {
		options |= unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL
	}
	if t.Denies != nil {
		options |= unix.PTRACE_O_TRACEEXIT
	}
	if err := request(unix.PTRACE_SEIZE, pid, 0, options); err != nil {
		err = fmt.Errorf("ptrace(PTRACE_SEIZE, %d): %w", pid, err)
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (is this traced already, or is kernel.yama.ptrace_scope above 1?)", err)
		}
		return err
	}
	if err := alive(); err != nil {
		return err // its PID has been reused
	}
	if between {
		t.between = pid
	}
	return nil
}

// Stopped is for a thread that wait4(2) has reported to have stopped, and continues it. In
// a group-stop it leaves it stopped and returns true. A thread that has been killed by now
// cannot be continued; its end will be reported.
func (t *Tracer) Stopped(tid int, status unix.WaitStatus) (group bool) {
	sig := status.StopSignal()
	if t.between != 0 && t.leave(tid, int(status)>>16) {
		return false
	}
	deliver := uintptr(0)
	switch event := int(status) >> 16; {
	case event == unix.PTRACE_EVENT_STOP && isStop(sig):
		_ = request(unix.PTRACE_LISTEN, tid, 0, 0)
		return true
	case event == unix.PTRACE_EVENT_EXEC:
		if t.Executed != nil {
			t.Executed(tid)
		}
		t.started = true
		t.Gone(tid)
		t.Gone(int(message(tid))) // the thread that has executed, which has the PID now
	case event == unix.PTRACE_EVENT_SECCOMP && message(tid) != Mark:
		refuse(tid)
	case event == unix.PTRACE_EVENT_SECCOMP:
		if t.Marked && t.started {
			t.call(tid)
		}
	case event == unix.PTRACE_EVENT_EXIT:
		t.dies(tid)
	case event == unix.PTRACE_EVENT_STOP:
		// A new process, or one that continues after a group-stop.
		if t.Began != nil {
			t.Began(tid)
		}
	case event != 0:
	case sig == unix.SIGTRAP|0x80:
		t.call(tid)
	case sig == unix.SIGSYS:
		if trapped, sent := t.trapped(tid); !trapped || sent {
			deliver = uintptr(sig)
		}
	default:
		deliver = uintptr(sig)
	}
	_ = request(t.next(tid, deliver != 0), tid, 0, deliver)
	return false
}

// next is how a thread continues. Before the payload is executed, the process that stops is
// the child during the set-up, whose calls are not shown. handler is set if it gets a signal.
func (t *Tracer) next(tid int, handler bool) int {
	_, in := t.calls[tid]
	switch {
	case !t.started:
		return unix.PTRACE_CONT
	case in, !t.Marked, t.Denies != nil && t.handles(tid) && (handler || blocksSys(tid)):
		return unix.PTRACE_SYSCALL
	}
	return unix.PTRACE_CONT
}

// message is what PTRACE_GETEVENTMSG tells of an event.
func message(tid int) (m uint64) {
	_ = request(unix.PTRACE_GETEVENTMSG, tid, 0, uintptr(unsafe.Pointer(&m)))
	return m
}

// Gone is for a thread that wait4(2) has reported to have ended.
func (t *Tracer) Gone(tid int) {
	delete(t.calls, tid)
	delete(t.masks, tid)
	delete(t.handlers, tid)
}

// leave detaches from the process between once it has created the child, which is traced
// from its start. It reports whether that was the stop of tid.
func (t *Tracer) leave(tid, event int) bool {
	between := t.between
	switch {
	case tid != between: // the child: the other will stop too
		_ = unix.Waitid(unix.P_PID, between, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
	case event != unix.PTRACE_EVENT_FORK && event != unix.PTRACE_EVENT_CLONE:
		return false
	}
	t.between = 0
	_ = request(unix.PTRACE_DETACH, between, 0, 0)
	return tid == between
}

func isStop(sig unix.Signal) bool {
	return sig == unix.SIGSTOP || sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

// call shows the call that a thread enters or leaves. Every stop says by itself which of
// both it is.
func (t *Tracer) call(tid int) {
	var info syscallInfo
	if request(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))) != nil {
		return
	}
	switch info.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY, unix.PTRACE_SYSCALL_INFO_SECCOMP:
		c := Call{info.arch, uint32(info.nr), info.args}
		if t.Entered != nil {
			t.Entered(tid, c)
		}
		if t.Denies != nil && t.unheeded(tid, c) {
			return
		}
		if t.Left != nil || t.Denies != nil {
			if t.calls == nil {
				t.calls = map[int]Call{}
			}
			t.calls[tid] = c
		}
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		c, ok := t.calls[tid]
		delete(t.calls, tid)
		if !ok {
			return
		}
		if t.Denies != nil && c.setsHandler() {
			clear(t.handlers)
		}
		if t.Left == nil {
			return
		}
		result, errno := int64(info.nr), unix.Errno(0)
		if failed := *(*uint8)(unsafe.Pointer(&info.args[0])) != 0; failed {
			errno = unix.Errno(-result)
		}
		t.Left(tid, c, result, errno)
	}
}
