package seccomp

// widths tells how many bytes of each argument the kernel looks at, a digit an
// argument: 8 for pointers, sizes and longs, 4 for ints, 2 for file modes, which
// are umode_t. A filter that compares more is passed by a program that sets the
// rest. The facts are the kernel's SYSCALL_DEFINE lines; of the flags of clone,
// mmap and mount, which are longs there, nobody looks at the upper half.
//
// A condition on the argument of a call that is not here is an error.
var widths = [...]struct{ name, bytes string }{
	{"accept", "488"}, {"accept4", "4884"}, {"access", "84"}, {"add_key", "88884"},
	{"arch_prctl", "48"}, {"bind", "484"}, {"bpf", "484"}, {"brk", "8"},
	{"capget", "88"}, {"capset", "88"}, {"chmod", "82"}, {"chown", "844"},
	{"clock_adjtime", "48"}, {"clock_gettime", "48"}, {"clock_nanosleep", "4488"}, {"clock_settime", "48"},
	{"clone", "48888"}, {"clone3", "88"}, {"close", "4"}, {"close_range", "444"},
	{"connect", "484"}, {"copy_file_range", "484884"}, {"creat", "82"}, {"delete_module", "84"},
	{"dup", "4"}, {"dup2", "44"}, {"dup3", "444"}, {"epoll_create1", "4"}, {"epoll_ctl", "4448"},
	{"eventfd", "4"}, {"eventfd2", "44"}, {"execve", "888"}, {"execveat", "48884"}, {"exit", "4"}, {"exit_group", "4"},
	{"faccessat", "484"}, {"faccessat2", "4844"}, {"fadvise64", "4884"}, {"fallocate", "4488"},
	{"fanotify_init", "44"}, {"fanotify_mark", "44848"}, {"fchdir", "4"}, {"fchmod", "42"}, {"fchmodat", "482"},
	{"fchmodat2", "4824"}, {"fchown", "444"}, {"fchownat", "48444"}, {"fcntl", "448"}, {"fcntl64", "448"},
	{"fgetxattr", "4888"}, {"finit_module", "484"}, {"flock", "44"}, {"fremovexattr", "48"},
	{"fsconfig", "44884"}, {"fsetxattr", "48884"}, {"fsmount", "444"}, {"fsopen", "84"}, {"fspick", "484"},
	{"fstat", "48"}, {"fstatfs", "48"}, {"ftruncate", "48"}, {"futex", "844884"}, {"futex_waitv", "84484"},
	{"getcpu", "888"}, {"getdents", "484"}, {"getdents64", "484"}, {"getgroups", "48"}, {"getitimer", "48"},
	{"getpgid", "4"}, {"getpriority", "44"}, {"getrandom", "884"}, {"getrlimit", "48"}, {"getrusage", "48"},
	{"getsid", "4"}, {"getsockopt", "44488"}, {"init_module", "888"}, {"inotify_add_watch", "484"}, {"inotify_init1", "4"},
	{"io_uring_enter", "444488"}, {"io_uring_register", "4484"}, {"io_uring_setup", "48"},
	{"ioctl", "448"}, {"ioperm", "884"}, {"iopl", "4"}, {"ioprio_get", "44"}, {"ioprio_set", "444"}, {"ipc", "448888"},
	{"kcmp", "44488"}, {"kexec_file_load", "44888"}, {"kexec_load", "8888"}, {"keyctl", "48888"}, {"kill", "44"},
	{"landlock_add_rule", "4484"}, {"landlock_create_ruleset", "884"}, {"landlock_restrict_self", "44"},
	{"lchown", "844"}, {"link", "88"}, {"linkat", "48484"}, {"listen", "44"}, {"lookup_dcookie", "888"}, {"lseek", "484"},
	{"madvise", "884"}, {"mbind", "884884"}, {"membarrier", "444"}, {"memfd_create", "84"}, {"memfd_secret", "4"},
	{"migrate_pages", "4888"}, {"mkdir", "82"}, {"mkdirat", "482"}, {"mknod", "824"}, {"mknodat", "4824"},
	{"mlock2", "884"}, {"mlockall", "4"}, {"mmap", "884448"}, {"mmap2", "884448"}, {"modify_ldt", "488"},
	{"mount", "88848"}, {"mount_setattr", "48488"}, {"move_mount", "48484"}, {"move_pages", "488884"},
	{"mprotect", "888"}, {"mq_open", "8428"}, {"mremap", "88888"}, {"msgctl", "448"}, {"msgget", "44"},
	{"msgrcv", "48884"}, {"msgsnd", "4884"}, {"msync", "884"}, {"munmap", "88"}, {"name_to_handle_at", "48884"},
	{"nanosleep", "88"}, {"newfstatat", "4884"}, {"open", "842"}, {"open_by_handle_at", "484"}, {"open_tree", "484"},
	{"openat", "4842"}, {"openat2", "4888"}, {"perf_event_open", "84448"}, {"personality", "4"},
	{"pidfd_getfd", "444"}, {"pidfd_open", "44"}, {"pidfd_send_signal", "4484"}, {"pipe", "8"}, {"pipe2", "84"},
	{"pivot_root", "88"}, {"pkey_mprotect", "8884"}, {"prctl", "48888"}, {"pread64", "4888"}, {"preadv", "48888"},
	{"prlimit64", "4488"}, {"process_madvise", "48844"}, {"process_vm_readv", "488888"}, {"process_vm_writev", "488888"},
	{"ptrace", "8888"}, {"pwrite64", "4888"}, {"pwritev", "48888"}, {"quotactl", "4848"}, {"read", "488"},
	{"readlinkat", "4884"}, {"readv", "488"}, {"reboot", "4448"}, {"recvfrom", "488488"}, {"recvmmsg", "48448"},
	{"recvmsg", "484"}, {"renameat", "4848"}, {"renameat2", "48484"}, {"request_key", "8884"},
	{"rt_sigaction", "4888"}, {"rt_sigprocmask", "4888"}, {"rt_sigqueueinfo", "448"}, {"rt_tgsigqueueinfo", "4448"},
	{"sched_setaffinity", "448"}, {"sched_setattr", "484"}, {"sched_setparam", "48"}, {"sched_setscheduler", "448"},
	{"seccomp", "448"}, {"semctl", "4448"}, {"semget", "444"}, {"semop", "484"}, {"sendfile", "4488"},
	{"sendmmsg", "4844"}, {"sendmsg", "484"}, {"sendto", "488484"}, {"set_mempolicy", "488"}, {"setdomainname", "84"},
	{"setfsgid", "4"}, {"setfsuid", "4"}, {"setgid", "4"}, {"setgroups", "48"}, {"sethostname", "84"}, {"setitimer", "488"},
	{"setns", "44"}, {"setpgid", "44"}, {"setpriority", "444"}, {"setregid", "44"}, {"setresgid", "444"},
	{"setresuid", "444"}, {"setreuid", "44"}, {"setrlimit", "48"}, {"setsockopt", "44484"}, {"setuid", "4"},
	{"setxattr", "88884"}, {"shmat", "484"}, {"shmctl", "448"}, {"shmget", "484"}, {"shutdown", "44"},
	{"signalfd4", "4884"}, {"socket", "444"}, {"socketcall", "48"}, {"socketpair", "4448"}, {"splice", "484884"},
	{"statx", "48448"}, {"swapoff", "8"}, {"swapon", "84"}, {"symlinkat", "848"}, {"sync_file_range", "4884"},
	{"syslog", "484"}, {"tee", "4484"}, {"tgkill", "444"}, {"timer_create", "488"}, {"timer_settime", "4488"},
	{"timerfd_create", "44"}, {"timerfd_settime", "4488"}, {"tkill", "44"}, {"truncate", "88"}, {"umask", "4"},
	{"umount2", "84"}, {"unlinkat", "484"}, {"unshare", "8"}, {"userfaultfd", "4"}, {"utimensat", "4884"},
	{"vmsplice", "4884"}, {"wait4", "4848"}, {"waitid", "44848"}, {"waitpid", "484"}, {"write", "488"}, {"writev", "488"},
}

// width is the number of bytes of an argument that the kernel looks at on the
// architecture. ok is false if that is not known.
//
// An argument of a 32 bit architecture has 32 bits, but a program of amd64 that
// makes such a call by int 0x80 fills 64 of each register: the filter sees them
// all, and the kernel leaves the upper half out after that.
func (a *Arch) width(name string, arg int) (bytes int, ok bool) {
	bytes, ok = width(name, arg)
	return min(bytes, a.bits/8), ok
}

// width is that of 64 bit architectures.
func width(name string, arg int) (bytes int, ok bool) {
	for _, w := range widths {
		if w.name == name && arg < len(w.bytes) {
			return int(w.bytes[arg] - '0'), true
		}
	}
	return 0, false
}
