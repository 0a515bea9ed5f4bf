package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inject types a byte into the terminal on standard input, and into the
// controlling terminal.
func inject() {
	stdin := tiocsti(0)
	tty, err := unix.Open("/dev/tty", unix.O_RDWR, 0)
	if err == nil {
		err = tiocsti(tty)
	}
	fmt.Printf("stdin %s, tty %s;\n", name(stdin), name(err))
}

func tiocsti(fd int) error {
	b := byte('x')
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, uintptr(unsafe.Pointer(&b)))
	if e != 0 {
		return e
	}
	return nil
}

// pending tells how much there is to be read from standard input.
func pending() {
	n, err := unix.IoctlGetInt(0, unix.TIOCINQ)
	if err != nil {
		fmt.Println(name(err))
		return
	}
	fmt.Println(n, "bytes to read")
}

// tioclinux asks a virtual console for the state of its shift keys.
func tioclinux() {
	const (
		number        = 0x541C // TIOCLINUX
		getShiftState = 6
	)
	b := byte(getShiftState)
	_, _, e := unix.Syscall(unix.SYS_IOCTL, 0, number, uintptr(unsafe.Pointer(&b)))
	say(e)
}

func name(err error) string {
	e, ok := err.(syscall.Errno)
	switch {
	case err == nil:
		return "ok"
	case ok:
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// clock prints a clock in nanoseconds.
func clock(which string) {
	id := map[string]int32{"monotonic": unix.CLOCK_MONOTONIC, "boottime": unix.CLOCK_BOOTTIME, "realtime": unix.CLOCK_REALTIME}[which]
	var ts unix.Timespec
	if _, _, e := unix.Syscall(unix.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		fmt.Println(unix.ErrnoName(e))
		os.Exit(1)
	}
	fmt.Println(ts.Nano())
}
