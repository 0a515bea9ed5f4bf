package run

import (
	"syscall"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// noResult is the error of an op that lacks a result of an earlier one.
const noResult = ^uintptr(unix.ENODATA) + 1

// perform performs the ops [from, to) and reports whether all succeeded. A failure is
// left in the header.
//
// It runs in a clone that may share the Go runtime's memory but is not one of its
// threads: no allocation, no growing stack, no write barrier, no preemption.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func perform(h *header, from, to uintptr) bool {
	for i := from; i < to; i++ {
		r := (*record)(unsafe.Add(h.records, i*unsafe.Sizeof(record{})))
		if r.skip != 0 {
			r.done = 1
			if r.skip == observes {
				if i = observe(h, i, r); h.failed != 0 {
					return false
				}
			}
			continue
		}
		if r.needs != 0 {
			r.result, r.done = noResult, 1
			h.failed = i + 1
			return false
		}
		v, _, e := syscall.RawSyscall6(r.nr, r.args[0], r.args[1], r.args[2], r.args[3], r.args[4], r.args[5])
		for n := r.retries; n > 0 && e == syscall.EAGAIN; n-- {
			v, _, e = syscall.RawSyscall6(r.nr, r.args[0], r.args[1], r.args[2], r.args[3], r.args[4], r.args[5])
		}
		if e != 0 {
			v = -uintptr(e)
		}
		r.result = v
		r.done = 1
		if e != 0 {
			ok := false
			for j := 0; j < plan.MaxTolerated; j++ {
				if *(*uint16)(unsafe.Add(unsafe.Pointer(&r.tolerated), uintptr(j)*2)) == uint16(e) {
					ok = true
				}
			}
			if !ok {
				h.failed = i + 1
				switch {
				case r.logs == 0:
				case r.nr != syscall.SYS_EXECVE:
					readLog(h, r.args[0])
				case e == syscall.ENOENT:
					readHead(h, from, i)
				}
				return false
			}
			v = ^uintptr(0)
		} else if r.exact != 0 && v != r.want && (r.exact != succeeds || statusAt(r.want) != 0) {
			h.failed = i + 1
			return false
		}
		keep(r, v)
	}
	return true
}

// keep stores a result where it is used.
//
//go:nosplit
//go:norace
//go:nocheckptr
func keep(r *record, v uintptr) {
	for j := uintptr(0); j < r.count; j++ {
		s := (*store)(unsafe.Add(r.stores, j*unsafe.Sizeof(store{})))
		*(*uintptr)(s.needs)--
		write(s.addr, s.size, uint64(v))
	}
}

// write writes a result to a place of a size: [plan.Reference].
//
//go:nosplit
//go:norace
//go:nocheckptr
func write(to unsafe.Pointer, size uintptr, v uint64) {
	switch size {
	case 4:
		*(*uint32)(to) = uint32(v)
	case plan.Decimal:
		n := uintptr(1)
		for rest := v / 10; rest > 0; rest /= 10 {
			n++
		}
		for ; n > 0; n-- {
			*(*byte)(unsafe.Add(to, n-1)) = '0' + byte(v%10)
			v /= 10
		}
	default:
		*(*uint64)(to) = v
	}
}

// readLog reads the kernel's messages on a file system context, one at a time:
// fsopen(2). Each is followed by a null byte. No other process can read them: the
// descriptor is closed when this process ends.
//
//go:nosplit
//go:norace
//go:nocheckptr
func readLog(h *header, fd uintptr) {
	for h.logged < logSize {
		n, _, e := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(h.log)+h.logged, logSize-h.logged)
		if e != 0 || n == 0 {
			return
		}
		h.logged += n + 1
	}
}

// readHead reads the beginning of a file that could not be executed although it exists:
// of the last of the records from first to last, all of which execute. The log then has
// the record's index in 8 bytes, and after it that beginning.
//
// A filter may deny these calls, and no more can be said then. If it kills, the failure is
// in the header already.
//
//go:nosplit
//go:norace
//go:nocheckptr
func readHead(h *header, first, last uintptr) {
	for i := last; ; i-- {
		r := (*record)(unsafe.Add(h.records, i*unsafe.Sizeof(record{})))
		if r.nr != syscall.SYS_EXECVE {
			return
		}
		// It is no FIFO or device: execve(2) fails with EACCES for these.
		at := int64(unix.AT_FDCWD)
		fd, _, e := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), r.args[0], unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0, 0, 0)
		if e == 0 && int64(r.result) == -int64(syscall.ENOENT) {
			n, _, e := syscall.RawSyscall(unix.SYS_READ, fd, uintptr(h.log)+8, logSize-8)
			if e == 0 {
				*(*uint64)(h.log) = uint64(i)
				h.logged = 8 + n
			}
			return
		}
		if i == first {
			return
		}
	}
}

// The addresses of what clone3 calls in a child, for calls with arguments in registers,
// as Go code makes them.
var (
	childPC  = func() uintptr { f := childMain; return **(**uintptr)(unsafe.Pointer(&f)) }()
	clonedPC = func() uintptr { f := cloned; return **(**uintptr)(unsafe.Pointer(&f)) }()
)

// childMain runs in a clone. stage 0 is the caller's clone, stage 1 that of init or of
// the joiner, and so on; an observer has a higher one. If that is another clone it returns the arguments of clone3(2),
// otherwise it does not return.
//
//go:nosplit
//go:norace
//go:nocheckptr
func childMain(h *header, stage uintptr) (args, size uintptr) {
	if stage >= beside {
		performBeside(h, stage-beside)
	}
	if stage >= h.nforks {
		perform(h, h.child, h.count)
		end()
	}
	from, to := h.between, forkOf(h, stage)
	if stage > 0 {
		from = forkOf(h, stage-1) + 1 + plan.Leaving
	}
	if !perform(h, from, to) {
		end()
	}
	r := (*record)(unsafe.Add(h.records, to*unsafe.Sizeof(record{})))
	return r.args[0], r.args[1]
}

// forkOf is the index of a clone, without a check that could panic.
//
//go:nosplit
//go:norace
//go:nocheckptr
func forkOf(h *header, stage uintptr) uintptr {
	return *(*uintptr)(unsafe.Add(unsafe.Pointer(&h.forks), stage*unsafe.Sizeof(h.nforks)))
}

// cloned is init or the joiner after its clone, the process of that stage, which has
// returned pid: it reaps until the child has ended, or all processes of the namespace have.
// As PID 1 of a namespace it ends the namespace with itself. A process whose place has
// been taken only waits.
//
//go:nosplit
//go:norace
//go:nocheckptr
func cloned(h *header, pid, stage uintptr) {
	at := forkOf(h, stage-1)
	r := (*record)(unsafe.Add(h.records, at*unsafe.Sizeof(record{})))
	r.result, r.done = pid, 1
	if int(pid) < 0 {
		h.failed = at + 1
		end()
	}
	last := stage == h.nforks
	if last {
		h.payload = pid
	}
	if !perform(h, at+1, at+1+plan.Leaving) {
		end()
	}
	for {
		var status uint32
		got, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&status)), unix.WALL, 0, 0, 0)
		if e != 0 && e != syscall.EINTR {
			end()
		}
		if e == 0 && got == pid {
			if !last {
				end()
			}
			h.status = uintptr(status) + 1
			if h.lingers == 0 {
				end()
			}
		}
	}
}

// end ends a process with one thread, whatever a filter denies it.
//
//go:nosplit
//go:norace
//go:nocheckptr
func end() {
	syscall.RawSyscall(unix.SYS_EXIT_GROUP, 125, 0, 0)
	syscall.RawSyscall(unix.SYS_EXIT, 125, 0, 0)
	fault()
}

// fault executes an undefined instruction, which needs no system call. A child has no
// signal handlers.
//
//go:noescape
func fault()

// clone3 is clone3(2) for flags that give the child its own stack; the child continues
// in childMain. It returns the PID or -errno.
//
// Preconditions: all signals are blocked, and between runtime_BeforeFork and
// runtime_AfterFork.
//
//go:noescape
func clone3(args unsafe.Pointer, size uintptr, h unsafe.Pointer, stage uintptr) uintptr
