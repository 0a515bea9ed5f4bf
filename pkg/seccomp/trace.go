package seccomp

import (
	"unsafe"

	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// A tracer records the system calls of processes with ptrace(2).
//
// Every stop says by itself what it is, so no state per thread is needed.
type tracer struct {
	recording *filter.Recording
	// between is the joiner, for as long as it is traced so that its child inherits the
	// tracer; or 0.
	between int
	// started is set once the payload has been executed.
	started bool
}

// traceOptions: descendants are traced too. PTRACE_O_EXITKILL is not set: the payload
// dies with the supervisor by other means, and processes that it leaves running
// continue, as they would without a tracer.
const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC

// syscallInfo is struct ptrace_syscall_info for the entry of a call.
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

func ptrace(request, tid int, addr, data uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// seize attaches to a process without stopping it.
func (t *tracer) seize(pid int) error {
	return ptrace(unix.PTRACE_SEIZE, pid, 0, traceOptions)
}

// stopped is plan.Watcher.Stopped. A thread that has been killed by now cannot be
// continued; its end will be reported.
func (t *tracer) stopped(tid int, status unix.WaitStatus) (group bool) {
	sig := status.StopSignal()
	if t.between != 0 && t.leave(tid, int(status)>>16) {
		return false
	}
	deliver := uintptr(0)
	switch event := int(status) >> 16; {
	case event == unix.PTRACE_EVENT_STOP && isStop(sig):
		_ = ptrace(unix.PTRACE_LISTEN, tid, 0, 0)
		return true
	case event == unix.PTRACE_EVENT_EXEC:
		t.started = true
	case event != 0:
		// A new process, or one that continues after a group-stop.
	case sig == unix.SIGTRAP|0x80:
		t.call(tid)
	default:
		deliver = uintptr(sig)
	}
	// Before the payload is executed, the process that stops is the child during the
	// set-up, whose calls are not recorded.
	request := unix.PTRACE_SYSCALL
	if !t.started {
		request = unix.PTRACE_CONT
	}
	_ = ptrace(request, tid, 0, deliver)
	return false
}

// leave detaches from the joiner once it has created the child, which is traced from
// its start. It reports whether that was the stop of tid.
func (t *tracer) leave(tid, event int) bool {
	joiner := t.between
	switch {
	case tid != joiner: // the child: the joiner will stop too
		_ = unix.Waitid(unix.P_PID, joiner, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WALL, nil)
	case event != unix.PTRACE_EVENT_FORK && event != unix.PTRACE_EVENT_CLONE:
		return false
	}
	t.between = 0
	_ = ptrace(unix.PTRACE_DETACH, joiner, 0, 0)
	return tid == joiner
}

func isStop(sig unix.Signal) bool {
	return sig == unix.SIGSTOP || sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU
}

// x32Bit is __X32_SYSCALL_BIT of <asm/unistd.h>.
const x32Bit = 0x40000000

func (t *tracer) call(tid int) {
	var info syscallInfo
	if ptrace(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))) == nil &&
		info.op == unix.PTRACE_SYSCALL_INFO_ENTRY {
		t.recording.Call(info.arch, uint32(info.nr), info.args)
		if uint32(info.nr)&^x32Bit == unix.SYS_CLONE3 { // on every architecture
			var flags uint64 // the start of struct clone_args
			_ = ptrace(unix.PTRACE_PEEKDATA, tid, uintptr(info.args[0]), uintptr(unsafe.Pointer(&flags)))
			t.recording.Cloned(flags)
		}
	}
}
