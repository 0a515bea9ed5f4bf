package why

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/ptrace"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// unrefused are calls that fail for no reason that is judged, or on a descriptor that was
// opened before. They are most of the calls that a program makes.
const unrefused = ` accept accept4 alarm arch_prctl brk capget clock_getres clock_gettime clock_nanosleep close
 close_range dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
 eventfd eventfd2 exit exit_group fadvise64 fcntl fdatasync flock fstat fstatfs fsync futex
 futex_waitv getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid
 getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
 getsockopt gettid gettimeofday getuid lseek madvise membarrier mincore mremap msync
 munmap nanosleep pause pipe pipe2 poll ppoll pread64 preadv preadv2 pselect6 pwrite64 pwritev
 pwritev2 read readahead readv recvfrom recvmmsg recvmsg restart_syscall rseq rt_sigpending
 rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_getparam
 sched_getscheduler sched_yield select sendfile set_robust_list set_tid_address setitimer shutdown
 sigaltstack socketpair splice sync sysinfo tee time timer_create timer_delete timer_gettime
 timer_settime timerfd_create timerfd_gettime timerfd_settime times umask uname vmsplice wait4
 waitid write writev `

// marker is a filter of hk-why's own, with which the calls stop that may be refused, and no
// others: one of the native architecture in unrefused, or mmap(2) of what is not executed. If
// filters trap what they deny, those stop too by which the tracer knows whether a process
// blocks SIGSYS, and has a handler for it; and those in also.
func marker(traps bool, also []string) []unix.SockFilter {
	const load, equal = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	arch := native()
	trace := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRACE | ptrace.Mark}
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	word := func(arg, half uint32) unix.SockFilter { return unix.SockFilter{Code: load, K: 16 + 8*arg + 4*half} }
	code := []unix.SockFilter{
		{Code: load, K: 4}, // the architecture
		{Code: equal, K: arch.Audit, Jt: 1},
		trace,
		{Code: load, K: 0}, // the number
	}
	with := func(name string, then ...unix.SockFilter) {
		if nr, ok := arch.Number(name); ok {
			code = append(append(code, unix.SockFilter{Code: equal, K: nr, Jf: uint8(len(then))}), then...)
		}
	}
	if !slices.Contains(also, "mmap") {
		with("mmap", word(2, 0), unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.PROT_EXEC, Jf: 1}, trace, allow)
	}
	names := slices.DeleteFunc(strings.Fields(unrefused), func(n string) bool { return slices.Contains(also, n) })
	if traps {
		with("rt_sigaction", word(0, 0), unix.SockFilter{Code: equal, K: uint32(unix.SIGSYS), Jf: 1}, trace, allow)
		with("rt_sigprocmask", word(1, 0), unix.SockFilter{Code: equal, Jf: 2}, word(1, 1), unix.SockFilter{Code: equal, Jt: 1}, trace, allow)
	} else {
		names = append(names, "rt_sigaction", "rt_sigprocmask", "rt_sigreturn")
	}
	var skip []uint32
	for _, name := range names {
		if nr, ok := arch.Number(name); ok {
			skip = append(skip, nr)
		}
	}
	for i, nr := range skip {
		code = append(code, unix.SockFilter{Code: equal, K: nr, Jt: uint8(len(skip) - i)})
	}
	return append(code, trace, allow)
}

// mark adds the loading of the marker, as the last thing before the payload is executed. A
// kernel that refuses it is no reason to fail: then all calls stop.
//
// It is only for a chain without a filter, and without one around hk-why; see trap for others.
// A process can make no more marked calls once the tracer has ended, so it must not outlive
// that.
func (f *follower) mark(s *stage.State) {
	s.Child.Last = append(s.Child.Last, func() {
		if filtered() || f.filters || len(s.Filters) > 0 || s.Child.Outlive || s.Next.Stage || !s.NoNewPrivs && s.Cred.Effective>>unix.CAP_SYS_ADMIN&1 == 0 {
			return
		}
		f.marked, f.tracer.Kill = true, true
		s.Add(plan.SeccompFilter(marker(false, counted(s)), 0).Tolerate(unix.EACCES, unix.EPERM, unix.ENOSYS, unix.EINVAL))
	})
}

// filtered reports whether this process has filters, which the payload then has too. What they
// deny would not stop.
func filtered() bool {
	status, err := ptrace.ReadStatus("/proc/self")
	return err != nil || !slices.Equal(status.Field("Seccomp"), []string{"0"})
}

// isMarked reports whether a thread has loaded the marker: it has a filter more than this.
func isMarked(tid int) bool {
	count := func(proc string) (n int) {
		status, _ := ptrace.ReadStatus(proc)
		n, _ = strconv.Atoi(strings.Join(status.Field("Seccomp_filters"), " "))
		return n
	}
	return count(fmt.Sprintf("/proc/%d", tid)) > count("/proc/self")
}
