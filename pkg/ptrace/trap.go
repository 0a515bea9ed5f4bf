package ptrace

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mark is the data with which the filters of a tracer return SECCOMP_RET_TRACE, for calls that
// are to be shown, and SECCOMP_RET_TRAP, for those that are denied with an errno. It tells them
// apart from what filters of the payload return, and decides about nothing else.
const Mark = 0x686b

// siginfo is the start of siginfo_t.
type siginfo struct {
	signo, errno, code int32
	_                  [116]byte
}

const sysSeccomp = 1 // SYS_SECCOMP

// trapped answers a call which the filters deny that were loaded in place of those of which
// Denies tells, and reports whether that is why a thread gets SIGSYS. The kernel has not made
// the call. A process can send itself the same signal, so it is the registers that tell which
// call it was, and Denies whether it is denied.
func (t *Tracer) trapped(tid int) bool {
	var info siginfo
	var r registers
	if t.Denies == nil || request(unix.PTRACE_GETSIGINFO, tid, 0, uintptr(unsafe.Pointer(&info))) != nil ||
		info.code != sysSeccomp || info.errno != Mark || r.read(tid) != nil {
		return false
	}
	c, ok := r.call(archOf(tid))
	if !ok {
		return false
	}
	errno, denied := t.Denies(c)
	if !denied {
		return false
	}
	if t.started && t.Denied != nil {
		t.Denied(tid, c, errno)
	}
	r.answer(-int64(errno))
	_ = r.write(tid)
	t.giveMask(tid)
	return true
}

// archOf is the AUDIT_ARCH value of the call in which a stopped thread is.
func archOf(tid int) uint32 {
	var info syscallInfo
	_ = request(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)))
	return info.arch
}

// refuse has a call fail as it does without a tracer: another filter than that of the tracer
// has returned SECCOMP_RET_TRACE for it.
func refuse(tid int) {
	var r registers
	if r.read(tid) != nil {
		_ = unix.Kill(tid, unix.SIGKILL)
		return
	}
	r.answer(-int64(unix.ENOSYS))
	if r.write(tid) != nil || skip(tid) != nil {
		_ = unix.Kill(tid, unix.SIGKILL)
	}
}

// dies tells of a thread that ends by a filter.
func (t *Tracer) dies(tid int) {
	var r registers
	if t.Killed == nil || !t.started || unix.Signal(message(tid)&0x7f) != unix.SIGSYS || r.read(tid) != nil {
		return
	}
	if c, ok := r.call(archOf(tid)); ok {
		t.Killed(tid, c)
	}
}

// A thread that gets SIGSYS from a filter although it blocks it, as around clone3(2) in the C
// library, loses its handler and no longer blocks it. So a thread with a handler stops at every
// call for as long as it blocks the signal, and does not block it while it makes a call that is
// denied; and one without a handler gets its mask back.

// maskSize is that of a set of signals.
const maskSize = 8

const sysBit = uint64(1) << (unix.SIGSYS - 1)

// usual are the signals that a program blocks which blocks all it can: those of the C library
// are not among them.
const usual = (1<<31 - 1) &^ (1<<(unix.SIGKILL-1) | 1<<(unix.SIGSTOP-1) | sysBit)

func mask(tid int) (set uint64, ok bool) {
	return set, request(unix.PTRACE_GETSIGMASK, tid, maskSize, uintptr(unsafe.Pointer(&set))) == nil
}

func setMask(tid int, set uint64) {
	_ = request(unix.PTRACE_SETSIGMASK, tid, maskSize, uintptr(unsafe.Pointer(&set)))
}

// blocksSys reports whether a thread blocks SIGSYS. Filters make the calls stop that change
// the mask.
func blocksSys(tid int) bool {
	set, ok := mask(tid)
	return !ok || set&sysBit != 0
}

// unheeded is for a call that a thread enters, and reports whether its return does not matter:
// it is denied, or only of interest for a process with a handler.
func (t *Tracer) unheeded(tid int, c Call) bool {
	if _, denied := t.Denies(c); denied {
		t.openMask(tid)
		return true
	}
	changesMask := c.Arch == native && (c.Nr == unix.SYS_RT_SIGPROCMASK || c.Nr == unix.SYS_RT_SIGRETURN)
	return t.Marked && changesMask && !t.handles(tid)
}

// openMask lets SIGSYS through to a thread that enters a call which is denied.
func (t *Tracer) openMask(tid int) {
	set, ok := mask(tid)
	if !ok || set&sysBit == 0 {
		return
	}
	if t.masks == nil {
		t.masks = map[int]uint64{}
	}
	t.masks[tid] = set
	setMask(tid, set&^sysBit)
}

// giveMask gives a thread its mask back. For one that was not stopped before it is the kernel
// that has changed it: whether it had blocked SIGSYS can only be told from the rest.
func (t *Tracer) giveMask(tid int) {
	if set, ok := t.masks[tid]; ok {
		delete(t.masks, tid)
		setMask(tid, set)
		return
	}
	if set, ok := mask(tid); ok && set&usual == usual && !t.handles(tid) {
		setMask(tid, set|sysBit)
	}
}

// setsHandler reports whether a call may change the handler of SIGSYS. Of another architecture
// the numbers are other ones, and so are those of x32.
func (c Call) setsHandler() bool {
	const x32 = 1 << 30
	return uint32(c.Args[0]) == uint32(unix.SIGSYS) && (c.Nr == unix.SYS_RT_SIGACTION || c.Nr >= x32 || c.Arch != native)
}

// A process as far as its signals go.
type process struct {
	group   int
	handles bool // SIGSYS
}

// handles reports whether the process of a thread has a handler for SIGSYS, as it was when
// that was looked at: at the first stop, and whenever the process changes it.
func (t *Tracer) handles(tid int) bool {
	p, ok := t.processes[tid]
	if !ok {
		if t.processes == nil {
			t.processes = map[int]process{}
		}
		p = lookAt(tid)
		t.processes[tid] = p
	}
	return p.handles
}

// changes looks again at the process of a thread that may have changed its handler.
func (t *Tracer) changes(tid int) {
	now := lookAt(tid)
	for other, p := range t.processes {
		if p.group == now.group {
			t.processes[other] = now
		}
	}
}

// lookAt reads what procfs tells. What it does not tell is taken to be there.
func lookAt(tid int) (p process) {
	p = process{tid, true}
	status, _ := ReadStatus("/proc/" + strconv.Itoa(tid))
	if f := status.Field("Tgid"); len(f) == 1 {
		p.group, _ = strconv.Atoi(f[0])
	}
	if f := status.Field("SigCgt"); len(f) == 1 {
		set, err := strconv.ParseUint(f[0], 16, 64)
		p.handles = err != nil || set&sysBit != 0
	}
	return p
}
