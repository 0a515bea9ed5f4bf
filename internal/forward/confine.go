package forward

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// dropCapabilities drops the capabilities of all threads, and makes the process not
// dumpable, as begin does.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0); e != 0 {
		return os.NewSyscallError("capset", e)
	}
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return os.NewSyscallError("prctl", e)
	}
	return nil
}

// confine leaves the process only what it needs: it opens no files but what the ports
// connect to, connects to no other TCP ports, and makes no other system calls.
func confine(ports []*port) error {
	if err := restrictFiles(ports); err != nil {
		return err
	}
	return filterCalls(ports[0].inode != 0)
}

// rights are the access rights of files and of ports by the ABI of Landlock that introduced
// them. That of signals is not among the scopes: the runtime sends them to threads, which
// are not of one domain.
var rights = []struct{ files, net, scopes uint64 }{
	{files: 1<<13 - 1}, {files: unix.LANDLOCK_ACCESS_FS_REFER}, {files: unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP},
	{files: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}, {scopes: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET},
}

// restrictFiles denies, as far as this kernel's Landlock can, all files but the removal of
// the sockets that this process has created, and all TCP ports but those to connect to. To
// connect to a UNIX socket is not restricted by the rights that are handled.
func restrictFiles(ports []*port) error {
	abi, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return nil
	}
	var attr [3]uint64
	for _, r := range rights[:min(int(abi), len(rights))] {
		attr[0], attr[1], attr[2] = attr[0]|r.files, attr[1]|r.net, attr[2]|r.scopes
	}
	length := uintptr(8) // older kernels have a shorter struct
	if attr[2] != 0 {
		length = 24
	} else if attr[1] != 0 {
		length = 16
	}
	set, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), length, 0)
	if e != 0 {
		return os.NewSyscallError("landlock_create_ruleset", e)
	}
	defer unix.Close(int(set))
	for _, p := range ports {
		if p.inode == 0 {
			continue
		}
		if err := addRule(set, unix.LANDLOCK_RULE_PATH_BENEATH, unix.LANDLOCK_ACCESS_FS_REMOVE_FILE, uint64(p.dir)); err != nil {
			return err
		}
		if attr[1] != 0 {
			if err := addRule(set, landlockRuleNetPort, unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(p.address.Port())); err != nil {
				return err
			}
		}
	}
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); e != 0 {
		return os.NewSyscallError("landlock_restrict_self", e)
	}
	return nil
}

// landlockRuleNetPort is LANDLOCK_RULE_NET_PORT of <linux/landlock.h>, an enum of which
// x/sys has only the first value.
const landlockRuleNetPort = 2

// addRule adds a rule: for the directory or the port that what is.
func addRule(set uintptr, kind int, access, what uint64) error {
	attr := binary.NativeEndian.AppendUint64(nil, access)
	attr = binary.NativeEndian.AppendUint64(attr, what) // a descriptor is 32 bits, little-endian
	if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, uintptr(kind), uintptr(unsafe.Pointer(&attr[0])), 0, 0, 0); e != 0 {
		return os.NewSyscallError("landlock_add_rule", e)
	}
	return nil
}

// calls are those of the Go runtime, of package net, and of this package. A signal is only
// sent to this process.
var calls = []string{
	"read", "write", "close", "fcntl", "accept4", "socket", "connect", "setsockopt", "getsockopt", "getsockname",
	"getpeername", "shutdown", "recvfrom", "openat2", "fstat", "newfstatat", "unlinkat",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "pipe2", "futex", "nanosleep", "clock_gettime", "clock_nanosleep",
	"mmap", "munmap", "mprotect", "madvise", "brk", "mincore", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_yield", "sched_getaffinity", "getpid", "gettid", "set_robust_list", "rseq", "getrandom", "restart_syscall",
	"timer_create", "timer_settime", "timer_delete", "exit", "exit_group",
}

// filterCalls denies all other calls.
func filterCalls(exposes bool) error {
	thread := filter.Cond{Arg: 0, Op: filter.MaskedEQ, Value: unix.CLONE_THREAD, Mask: unix.CLONE_THREAD}
	name := filter.Cond{Arg: 0, Op: filter.EQ, Value: unix.PR_SET_VMA}
	self := filter.Cond{Arg: 0, Op: filter.EQ, Value: uint64(os.Getpid())}
	family := []uint64{unix.AF_UNIX}
	if exposes {
		family = []uint64{unix.AF_INET, unix.AF_INET6}
	}
	p := &filter.Policy{Default: filter.Errno(unix.EPERM), Newer: filter.Errno(unix.ENOSYS), Arches: []*filter.Arch{filter.Native(runtime.GOARCH)},
		Rules: []filter.Rule{
			{Names: []string{"clone"}, Action: filter.Allow, Conds: []filter.Cond{thread}},
			{Names: []string{"prctl"}, Action: filter.Allow, Conds: []filter.Cond{name}},
			{Names: []string{"tgkill"}, Action: filter.Allow, Conds: []filter.Cond{self}},
		}}
	for _, call := range calls {
		if call != "socket" {
			p.Rules = append(p.Rules, filter.Rule{Names: []string{call}, Action: filter.Allow})
			continue
		}
		for _, f := range family {
			is := filter.Cond{Arg: 0, Op: filter.EQ, Value: f}
			p.Rules = append(p.Rules, filter.Rule{Names: []string{call}, Action: filter.Allow, Conds: []filter.Cond{is}})
		}
	}
	code, err := filter.Compile(p)
	if err != nil {
		return fmt.Errorf("the filter: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	return nil
}
