// Package filter compiles system call filters for seccomp(2), checks compiled ones, and
// determines their results.
//
// A [Policy] is a list of rules, of which the first that matches a call says what
// happens to it. It comes from a profile of the Open Container Initiative
// ([ReadProfile]), from a built-in profile ([Builtin]), or from recorded calls
// ([Recording]); overrides can be added on top of it ([Policy.Override]). [Compile]
// compiles it to classic BPF: a binary search over the system call numbers of each
// architecture, then the tests of arguments. [Encode] and [MarshalProfile] write the
// result, [Disassemble] prints it, and [Answers] follows a filter through its branches.
//
//	p, notes, err := filter.ReadProfile(data, filter.Target{Arch: filter.Native(runtime.GOARCH)})
//	…
//	code, err := filter.Compile(p)
//
// This package does not load filters and reads nothing from the machine. The
// architectures are x86_64, x86, x32, aarch64 and arm; filters are for little-endian
// machines.
//
// A rule compares what the kernel uses: if the kernel takes an argument as an int, 32
// bits of the register are compared. A call that a rule denies is also denied by the
// other names that it has for 32-bit programs.
//
// # What it does not stop
//
// A filter sees numbers in registers, and nothing in memory: no paths, no structures,
// no arguments of clone3(2) or openat2(2). Operations of io_uring(7) are not system
// calls; a policy that allows io_uring_setup(2) allows everything that a ring can do. A
// descriptor that is already open is not checked again, and a call that another process
// makes on request, over a socket, is that process's call. A filter that allows a call
// does not make it harmless: it only reduces the kernel interface that can be reached.
//
// # When not to use it
//
// To restrict which files or ports are used, use landlock(7): a filter does not see
// names and addresses. To answer calls in another process (SECCOMP_RET_USER_NOTIF), or
// for other machines, use libseccomp.
package filter
