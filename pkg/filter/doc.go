// Package filter makes filters of system calls for seccomp(2), checks ready ones, and
// says what they answer.
//
// A [Policy] is a list of rules, of which the first that matches says what happens
// with a call. It comes from a profile of the Open Container Initiative
// ([ReadProfile]), from one that is built in ([Builtin]), or from calls that were
// recorded ([Recording]); overrides can go on top of it ([Policy.Override]).
// [Compile] makes classic BPF of it: a binary search over the system call numbers of
// each architecture, then the tests of arguments. [Encode] and [MarshalProfile] write
// what was made, [Disassemble] prints it, [Answers] follows a filter through its
// branches.
//
//	p, notes, err := filter.ReadProfile(data, filter.Target{Arch: filter.Native(runtime.GOARCH)})
//	…
//	code, err := filter.Compile(p)
//
// Nothing here loads a filter, and nothing reads the machine. Architectures are
// x86_64, x86, x32, aarch64 and arm; a filter is right for little-endian machines.
//
// A rule means what the kernel looks at: of an argument that it takes as an int, 32
// bits of the register count. What a rule denies it denies by the other names that a
// call has for programs of 32 bits too.
//
// # What it does not stop
//
// A filter sees numbers and registers, and nothing in memory: no path, no structure,
// no argument of clone3(2) or openat2(2). What io_uring(7) does is not a system call;
// a policy that allows io_uring_setup(2) allows what a ring can do. A descriptor that
// is open already is not looked at again, and a call that is made in another process,
// by a request over a socket, is that process's. A filter that allows a call does not
// make it harmless: it lessens what of the kernel can be reached.
//
// # When not to use it
//
// To restrict which files or ports are used, use landlock(7), for names and addresses
// do not reach a filter. To answer calls in another process (SECCOMP_RET_USER_NOTIF),
// or for other machines, use libseccomp.
package filter
