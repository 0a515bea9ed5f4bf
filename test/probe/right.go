package main

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// fixture makes a directory anew with what the rights are tried on.
func fixture(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, d := range []string{"", "empty", "from", "to"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, f := range []string{"file", "from/file"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("text"), 0o644); err != nil {
			return err
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "prog"), self, 0o755)
}

// tryRight does what one of Landlock's rights on files is about, and that alone.
func tryRight(name, dir string) error {
	in := func(f string) string { return filepath.Join(dir, f) }
	open := func(path string, flags int) error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	node := func(mode uint32, dev uint64) error { return unix.Mknod(in("new"), mode|0o600, int(dev)) }
	switch name {
	case "execute":
		// The new program says ok.
		return unix.Exec(in("prog"), []string{"prog", "exists", "/"}, nil)
	case "write_file":
		return open(in("file"), unix.O_WRONLY)
	case "read_file":
		return open(in("file"), unix.O_RDONLY)
	case "read_dir":
		return open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	case "remove_dir":
		return unix.Rmdir(in("empty"))
	case "remove_file":
		return unix.Unlink(in("file"))
	case "make_char":
		return node(unix.S_IFCHR, unix.Mkdev(1, 3))
	case "make_dir":
		return unix.Mkdir(in("new"), 0o755)
	case "make_reg":
		return node(unix.S_IFREG, 0)
	case "make_sock":
		return node(unix.S_IFSOCK, 0)
	case "make_fifo":
		return node(unix.S_IFIFO, 0)
	case "make_block":
		return node(unix.S_IFBLK, unix.Mkdev(7, 0))
	case "make_sym":
		return unix.Symlink("target", in("new"))
	case "refer":
		return unix.Rename(in("from/file"), in("to/file"))
	case "truncate":
		return unix.Truncate(in("file"), 1)
	case "ioctl_dev": // dir is the device
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == unix.ENOTTY { // the device was asked
			return nil
		}
		return err
	}
	return syscall.ENOSYS
}
