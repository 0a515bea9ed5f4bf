// Probe does one thing inside a sandbox and prints the result: the name of the errno,
// or ok.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("usage: probe syscall|int80|uring|uring-async|connect|listen|abstract|sleep ...")
		os.Exit(2)
	}
	args := os.Args[2:]
	switch os.Args[1] {
	case "syscall": // probe syscall NAME|NUMBER [ARG...]
		say(call(args))
	case "int80": // probe int80 NUMBER [ARG...]: a call of i386 by a program of amd64
		say(callInt80(args))
	case "vsyscall": // probe vsyscall 0|1|2: gettimeofday(2), time(2) or getcpu(2), as old programs make them
		say(callVsyscall(atoi(args[0])))
	case "socketcall": // probe386 socketcall FAMILY TYPE PROTOCOL: socket(2) as old C libraries make it
		say(socketcall(args))
	case "uring": // probe uring PATH: opens it without openat(2)
		say(uringOpen(args[0], 0))
	case "uring-async": // probe uring-async PATH: a thread of the kernel does it
		say(uringOpen(args[0], 16))
	case "stuck": // probe stuck DIR COMMAND: with a file system there that never answers
		sayErr(stuck(args[0], args[1:], os.Environ()))
	case "fault": // probe fault N: so many calls name memory that nobody provides
		sayErr(fault(atoi(args[0])))
	case "forge": // probe forge HOW WORD...: have one file taken for another one
		sayErr(forge(args[0], args[1:]))
	case "exists":
		_, err := os.Stat(args[0])
		sayErr(err)
	case "connect": // probe connect tcp ADDRESS
		d := net.Dialer{Timeout: time.Minute}
		d.SetMultipathTCP(false)
		c, err := d.Dial(args[0], args[1])
		if err == nil {
			c.Close()
		}
		sayErr(err)
	case "listen":
		l, err := listen(args[0], args[1])
		if err == nil {
			l.Close()
		}
		sayErr(err)
	case "serve": // probe serve NETWORK ADDRESS FILE: listens until killed
		l, err := listen(args[0], args[1])
		if err != nil {
			sayErr(err)
			return
		}
		os.WriteFile(args[2], []byte(l.Addr().String()), 0o644)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	case "echo": // probe echo NETWORK ADDRESS FILE: until killed
		sayErr(echo(args[0], args[1], args[2]))
	case "stream": // probe stream NETWORK ADDRESS CONNECTIONS BYTES
		sayErr(stream(args[0], args[1], atoi(args[2]), atoi(args[3])))
	case "sink": // probe sink NETWORK ADDRESS FILE TO
		sayErr(sink(args[0], args[1], args[2], args[3]))
	case "throw": // probe throw NETWORK ADDRESS BYTES
		sayErr(throw(args[0], args[1], atoi(args[2])))
	case "bind": // probe bind udp ADDRESS
		c, err := net.ListenPacket(args[0], args[1])
		if err == nil {
			c.Close()
		}
		sayErr(err)
	case "sendto": // probe sendto FROM TO: a datagram from one address to another
		sayErr(sendto(args[0], args[1]))
	case "rename": // probe rename A B: and back, as long as the caller lives
		for parent := os.Getppid(); os.Getppid() == parent; {
			for range 100 {
				os.Rename(args[0], args[1])
				os.Rename(args[1], args[0])
			}
		}
	case "fixture":
		sayErr(fixture(args[0]))
	case "right": // probe right NAME DIR, or DEVICE
		sayErr(tryRight(args[0], args[1]))
	case "tiocsti":
		inject()
	case "pending":
		pending()
	case "tioclinux":
		tioclinux()
	case "clock": // probe clock monotonic|boottime|realtime
		clock(args[0])
	case "userns": // probe userns clone|clone3: make a user namespace
		say(clone(args[0], unix.CLONE_NEWUSER))
	case "untraced": // probe untraced clone|clone3: make a process that no tracer of ours sees
		say(clone(args[0], unix.CLONE_UNTRACED))
	case "trap": // probe trap WHAT: what depends on a tracer
		trap(args[0])
	case "pidfd": // probe pidfd PID FD PROGRAM...: execute with the descriptor
		pid, _ := strconv.Atoi(args[0])
		to, _ := strconv.Atoi(args[1])
		fd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			err = unix.Dup3(fd, to, 0)
		}
		if err == nil {
			var path string
			if path, err = exec.LookPath(args[2]); err == nil {
				err = unix.Exec(path, args[2:], os.Environ())
			}
		}
		sayErr(err)
	case "numbered": // probe numbered PID PROGRAM...: as a process of that number
		sayErr(numbered(args[0], args[1:]))
	case "withkey": // probe withkey PROGRAM...: a key in a session keyring
		sayErr(withKey(args))
	case "keys": // probe keys N PROGRAM...: N keys in the session keyring
		n, _ := strconv.Atoi(args[0])
		sayErr(withKeys(n, args[1:]))
	case "findkey":
		sayErr(findKey())
	case "attach": // probe attach PID
		pid, _ := strconv.Atoi(args[0])
		attach(pid)
	case "kill":
		pid, _ := strconv.Atoi(args[0])
		sayErr(syscall.Kill(pid, 0))
	case "mask":
		b, _ := os.ReadFile("/proc/self/status")
		for _, line := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(line, "Sig") {
				fmt.Println(line)
			}
		}
	case "inherit": // probe inherit IGNORED BLOCKED CLOSED PROGRAM...
		sayErr(inherit(args[0], args[1], args[2], args[3:]))
	case "notify": // probe notify WORD...: messages to the service manager
		sayErr(tell(os.Getenv("NOTIFY_SOCKET"), args))
	case "service":
		if err := service(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "notify-to": // probe notify-to ADDRESS WORD...
		sayErr(tell(args[0], args[1:]))
	case "picture": // probe picture LEAVE,... [KEEP...]
		picture(strings.Split(args[0], ","), args[1:])
	case "getpgrp":
		fmt.Println(unix.Getpgrp(), os.Getpid())
	default:
		fmt.Println("unknown probe")
		os.Exit(2)
	}
}

// listen disables Multipath TCP, which Landlock does not treat as TCP.
func listen(network, address string) (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	return c.Listen(context.Background(), network, address)
}

func sendto(from, to string) error {
	c, err := net.ListenPacket("udp", from)
	if err != nil {
		return err
	}
	defer c.Close()
	addr, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		return err
	}
	_, err = c.WriteTo([]byte("x"), addr)
	return err
}

// clone clones a child with flags, which does nothing.
func clone(how string, flags uintptr) syscall.Errno {
	// struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, ...
	args := [8]uint64{0: uint64(flags), 4: uint64(unix.SIGCHLD)}
	nr, a, b := uintptr(unix.SYS_CLONE), flags|uintptr(unix.SIGCHLD), uintptr(0)
	if how == "clone3" {
		nr, a, b = unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args)
	}
	pid, _, e := syscall.RawSyscall6(nr, a, b, 0, 0, 0, 0)
	if e == 0 && pid == 0 {
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return e
}

func sayErr(err error) {
	var e syscall.Errno
	for err != nil {
		if x, ok := err.(syscall.Errno); ok {
			e = x
			break
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			fmt.Println(err)
			return
		}
		err = u.Unwrap()
	}
	say(e)
}

func say(e syscall.Errno) {
	if e == 0 {
		fmt.Println("ok")
		return
	}
	fmt.Println(unix.ErrnoName(e))
}
