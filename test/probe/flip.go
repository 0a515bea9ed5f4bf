package main

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a tracer reads of the memory of a call need not be what the kernel reads: another thread
// changes it all the time.

// flips is how often a call is made.
const flips = 1500

// flip makes a call again and again while its memory flips between what is allowed and what is
// not, in the directory keys, and succeeds if some were allowed.
func flip(call string) error {
	runtime.LockOSThread()
	done := 0
	try := func(errno unix.Errno, fd uintptr) {
		if errno == 0 {
			done++
			if fd > 2 {
				unix.Close(int(fd))
			}
		}
	}
	switch call {
	case "truncate": // of what may not be written
		how := &unix.OpenHow{}
		stop := flipping(func() { atomic.StoreUint64(&how.Flags, unix.O_RDONLY) }, func() { atomic.StoreUint64(&how.Flags, unix.O_RDONLY|unix.O_TRUNC) })
		for range flips {
			fd, _, errno := openat2("keys/id", how)
			try(errno, fd)
		}
		stop()
	case "temporary": // in a directory that may only be listed
		how := &unix.OpenHow{}
		stop := flipping(func() { atomic.StoreUint64(&how.Flags, unix.O_RDONLY|unix.O_DIRECTORY) }, func() { atomic.StoreUint64(&how.Flags, unix.O_RDWR|unix.O_TMPFILE) })
		for range flips {
			fd, _, errno := openat2("keys", how)
			try(errno, fd)
		}
		stop()
	case "link": // of a file with two names
		name, stop := flippingName("open/ln", "keys/ln")
		to := []byte("open/new\x00")
		for range flips {
			_, _, errno := unix.Syscall6(unix.SYS_LINKAT, cwd, uintptr(unsafe.Pointer(&name[0])), cwd, uintptr(unsafe.Pointer(&to[0])), 0, 0)
			try(errno, 0)
			_ = unix.Unlink("open/new")
		}
		stop()
	case "script", "namesake": // one that is not executable
		other := "keys/id"
		if call == "script" {
			other = "keys/no"
		}
		name, _ := flippingName("open/id", other)
		argv := []*byte{&name[0], nil}
		env := []*byte{nil}
		for range flips {
			unix.Syscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
		}
	}
	if done == 0 {
		return errors.New("nothing was allowed")
	}
	return nil
}

const cwd = ^uintptr(99) // AT_FDCWD

func openat2(name string, how *unix.OpenHow) (fd, r uintptr, errno unix.Errno) {
	b := append([]byte(name), 0)
	return unix.Syscall6(unix.SYS_OPENAT2, cwd, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(how)), unsafe.Sizeof(*how), 0, 0)
}

// flipping has a thread do one of both after the other until stop.
func flipping(a, b func()) (stop func()) {
	var done atomic.Bool
	ended := make(chan struct{})
	a()
	go func() {
		runtime.LockOSThread()
		for !done.Load() {
			b()
			a()
		}
		close(ended)
	}()
	return func() {
		done.Store(true)
		<-ended
	}
}

// flippingName is a name that flips between two of the same length, eight bytes with the last
// one, which is null.
func flippingName(a, b string) (name []byte, stop func()) {
	word := new(uint64)
	value := func(s string) uint64 { return binary.NativeEndian.Uint64(append([]byte(s), 0)) }
	one, other := value(a), value(b)
	stop = flipping(func() { atomic.StoreUint64(word, one) }, func() { atomic.StoreUint64(word, other) })
	return unsafe.Slice((*byte)(unsafe.Pointer(word)), 8), stop
}
