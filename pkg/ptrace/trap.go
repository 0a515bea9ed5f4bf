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
// Denies tells, and reports whether that is why a thread gets SIGSYS, and whether it gets the
// signal nevertheless. The kernel has not made the call. A process can send itself the same
// signal, so it is the registers that tell which call it was, and Denies whether it is denied.
//
// If the same signal was sent to the thread before, which blocks it, the kernel sends no other
// one for the call: that one is then the answer, and waits again until it is not blocked.
func (t *Tracer) trapped(tid int) (trapped, sent bool) {
	var info siginfo
	var r registers
	if t.Denies == nil || request(unix.PTRACE_GETSIGINFO, tid, 0, uintptr(unsafe.Pointer(&info))) != nil || r.read(tid) != nil {
		return false, false
	}
	if sent = info.code != sysSeccomp; !sent && info.errno != Mark {
		delete(t.masks, tid) // a filter of the payload has trapped
		return false, false
	}
	c, ok := t.unmade(tid, &r)
	if !ok {
		return false, false
	}
	errno, denied := t.Denies(c)
	if !denied {
		return false, false
	}
	if t.started && t.Denied != nil {
		t.Denied(tid, c, errno)
	}
	r.answer(-int64(errno))
	_ = r.write(tid)
	t.giveMask(tid, sent)
	return true, sent
}

// unmade is the call of a stopped thread that the kernel has not made.
func (t *Tracer) unmade(tid int, r *registers) (c Call, ok bool) {
	return r.call(archOf(tid), func(addr uint64, b []byte) int { return t.Peek(tid, addr, b) })
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
	if c, ok := t.unmade(tid, &r); ok {
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
// that has changed it: whether it had blocked SIGSYS can only be told from the rest, or from one
// that was sent before.
func (t *Tracer) giveMask(tid int, sent bool) {
	if set, ok := t.masks[tid]; ok {
		delete(t.masks, tid)
		setMask(tid, set)
		return
	}
	if set, ok := mask(tid); ok && (sent || set&usual == usual) && !t.handles(tid) {
		setMask(tid, set|sysBit)
	}
}

// setsHandler reports whether a call may change the handler of SIGSYS. Of another architecture
// the numbers are other ones, and so are those of x32.
func (c Call) setsHandler() bool {
	const x32 = 1 << 30
	return uint32(c.Args[0]) == uint32(unix.SIGSYS) && (c.Nr == unix.SYS_RT_SIGACTION || c.Nr >= x32 || c.Arch != native)
}

// handles reports whether the process of a thread has a handler for SIGSYS, as it was when
// that was looked at: at the first stop, and whenever a process changes its own, which other
// processes may share.
func (t *Tracer) handles(tid int) bool {
	handles, ok := t.handlers[tid]
	if !ok {
		if t.handlers == nil {
			t.handlers = map[int]bool{}
		}
		handles = hasHandler(tid)
		t.handlers[tid] = handles
	}
	return handles
}

// hasHandler reads what procfs tells. What it does not tell is taken to be there.
func hasHandler(tid int) bool {
	status, _ := ReadStatus("/proc/" + strconv.Itoa(tid))
	f := status.Field("SigCgt")
	if len(f) != 1 {
		return true
	}
	set, err := strconv.ParseUint(f[0], 16, 64)
	return err != nil || set&sysBit != 0
}
