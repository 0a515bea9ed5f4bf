package filter_test

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"unsafe"

	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// A built-in profile with a rule on top, and what the filter answers.
func Example() {
	p, err := filter.Builtin("podman", filter.Target{Arch: filter.X86_64})
	if err != nil {
		log.Fatal(err)
	}
	o, err := filter.ParseOverride(filter.Errno(unix.EPERM), "mkdir,mkdirat:EXDEV")
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Override([]filter.Override{o}, nil); err != nil {
		log.Fatal(err)
	}
	code, err := filter.Compile(p)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"mkdir", "rmdir", "kexec_load"} {
		nr, _ := filter.X86_64.Number(name)
		answers, _ := filter.Answers(code, filter.X86_64.Audit, filter.Call{Nr: nr})
		fmt.Println(name, answers[0].Action)
	}
	// Output:
	// mkdir errno(EXDEV)
	// rmdir allow
	// kexec_load errno(EPERM)
}

// To load a filter into the calling thread, and the programs that it executes.
func Example_load() {
	code, err := filter.BuiltinFilter("podman", filter.Target{Arch: filter.Native(runtime.GOARCH)})
	if err != nil {
		log.Fatal(err)
	}
	runtime.LockOSThread() // a filter is a thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		log.Fatal(err)
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); e != 0 {
		log.Fatal(e)
	}
	log.Fatal(unix.Exec("/bin/sh", []string{"sh"}, os.Environ()))
}

// A condition compares what the kernel looks at: the argument of socket(2) is an int.
func ExamplePolicy_Evaluate() {
	p := &filter.Policy{
		Default: filter.Allow, Newer: filter.Allow, Arches: []*filter.Arch{filter.X86_64},
		Rules: []filter.Rule{{
			Names: []string{"socket"}, Action: filter.Errno(unix.EPERM),
			Conds: []filter.Cond{{Arg: 0, Op: filter.EQ, Value: unix.AF_VSOCK}},
		}},
	}
	nr, _ := filter.X86_64.Number("socket")
	for _, family := range []uint64{unix.AF_UNIX, unix.AF_VSOCK, 1<<32 | unix.AF_VSOCK} {
		fmt.Printf("%#x: %v\n", family, p.Evaluate(filter.X86_64.Audit, nr, [6]uint64{family}))
	}
	// Output:
	// 0x1: allow
	// 0x28: errno(EPERM)
	// 0x100000028: errno(EPERM)
}

// What a program was seen to do becomes the profile that it needs.
func ExampleRecording() {
	var r filter.Recording
	for _, name := range []string{"read", "write", "openat"} {
		r.Add(filter.X86_64, name, 0)
	}
	data, err := r.Profile(filter.X86_64)
	if err != nil {
		log.Fatal(err)
	}
	p, _, err := filter.ReadProfile(data, filter.Target{Arch: filter.X86_64})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(&r)
	fmt.Println(p.Default, p.Rules[0].Names)
	// Output:
	// openat read write
	// errno(EPERM) [execve exit exit_group openat read restart_syscall rt_sigreturn write]
}
