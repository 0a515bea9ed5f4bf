package main

import (
	"fmt"
	"os/exec"
	"runtime"

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
