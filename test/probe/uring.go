package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of io_uring(7): the offsets that io_uring_setup(2) gives, and an entry.
type (
	sqOffsets struct{ head, tail, mask, entries, flags, dropped, array, _ uint32 }
	cqOffsets struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
	uringParams struct {
		sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
		_                                                    [3]uint32
		sq                                                   sqOffsets
		_                                                    uint64
		cq                                                   cqOffsets
	}
	submission struct {
		op, flags      uint8
		ioprio         uint16
		fd             int32
		off, addr      uint64
		length, opflag uint32
		_              [4]uint64
	}
)

const openatOp = 18 // IORING_OP_OPENAT

// uringOpen opens a file for reading by a ring, and returns what came of it. flags are those of
// the entry, such as IOSQE_ASYNC, which is 16.
func uringOpen(path string, flags uint8) syscall.Errno {
	var p uringParams
	fd, _, e := syscall.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return e
	}
	at := func(offset int64, size uint32) ([]byte, error) {
		return unix.Mmap(int(fd), offset, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	}
	sq, err := at(0, p.sq.array+p.sqEntries*4)
	if err != nil {
		return err.(syscall.Errno)
	}
	cq, err := at(0x8000000, p.cq.cqes+p.cqEntries*16)
	if err != nil {
		return err.(syscall.Errno)
	}
	entries, err := at(0x10000000, p.sqEntries*uint32(unsafe.Sizeof(submission{})))
	if err != nil {
		return err.(syscall.Errno)
	}
	name := append([]byte(path), 0)
	*(*submission)(unsafe.Pointer(&entries[0])) = submission{op: openatOp, flags: flags, fd: unix.AT_FDCWD, addr: uint64(uintptr(unsafe.Pointer(&name[0])))}
	*(*uint32)(unsafe.Pointer(&sq[p.sq.array])) = 0
	*(*uint32)(unsafe.Pointer(&sq[p.sq.tail])) = 1
	if _, _, e := syscall.Syscall6(unix.SYS_IO_URING_ENTER, fd, 1, 1, 1, 0, 0); e != 0 {
		return e
	}
	runtime.KeepAlive(name)
	if res := *(*int32)(unsafe.Pointer(&cq[p.cq.cqes+8])); res < 0 {
		return syscall.Errno(-res)
	}
	return 0
}
