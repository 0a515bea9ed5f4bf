package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stuck mounts a file system on a directory, in a mount namespace of its own, whose server
// never answers, and becomes a program, which keeps that server. As root.
func stuck(dir string, argv, env []string) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return mountStuck(dir, argv, env)
}

// mountStuck is stuck in the mount namespace that there is.
func mountStuck(dir string, argv, env []string) error {
	if err := fuse(dir); err != nil {
		return err
	}
	return become(argv, env)
}

// mountDetached is stuck with a mount that has no place, and is open as descriptor 5.
func mountDetached(dir string, argv, env []string) error {
	if err := fuse(dir); err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	if err := unix.Dup3(fd, 5, 0); err != nil {
		return err
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		return err
	}
	return become(argv, env)
}

// fuse mounts a file system whose server never answers, and leaves that open.
func fuse(dir string) error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	return unix.Mount("stuck", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options)
}

func become(argv, env []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, argv, env)
}

// fault makes n calls of mkdir(2) at the same time whose paths are in memory that userfaultfd(2)
// is to provide, and does not. As root.
func fault(n int) error {
	const newFD, api, register = 0xaa00, 0xc018aa3f, 0xc020aa00
	control := func(fd, request, arg uintptr) (uintptr, error) {
		r, _, e := unix.Syscall(unix.SYS_IOCTL, fd, request, arg)
		if e != 0 {
			return 0, e
		}
		return r, nil
	}
	dev, err := unix.Open("/dev/userfaultfd", unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	fd, err := control(uintptr(dev), newFD, unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	version := [3]uint64{0xaa}
	if _, err := control(fd, api, uintptr(unsafe.Pointer(&version))); err != nil {
		return err
	}
	page := os.Getpagesize()
	pages, err := unix.Mmap(-1, 0, n*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	missing := [4]uint64{uint64(uintptr(unsafe.Pointer(&pages[0]))), uint64(len(pages)), 1}
	if _, err := control(fd, register, uintptr(unsafe.Pointer(&missing))); err != nil {
		return err
	}
	for i := range n {
		go unix.Syscall(unix.SYS_MKDIRAT, ^uintptr(0), uintptr(unsafe.Pointer(&pages[i*page])), 0)
	}
	select {}
}
