package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is the error for a file that is not a regular file.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens a file, which may be untrusted, for reading: devices are not
// touched, and a FIFO does not block until it has a writer. An error does not name the
// path.
func OpenRegular(path string) (*os.File, error) { return openFile(path, false, 0) }

// OpenInput is like OpenRegular, but also accepts an unnamed pipe: one of the caller's
// descriptors, such as a shell's <(command).
func OpenInput(path string) (*os.File, error) { return openFile(path, true, 0) }

// openFile opens a file; resolve is as for openat2(2).
func openFile(path string, pipes bool, resolve uint64) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return nil, unix.EISDIR
	}
	if kind != unix.S_IFREG && (kind != unix.S_IFIFO || !pipes) {
		return nil, ErrNotRegular
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Resolve: resolve})
	if err != nil {
		return nil, err
	}
	if err := usable(fd, pipes); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadInput reads a file as opened by [OpenInput], or standard input for "-", of at
// most max bytes. An error does not name the path.
func ReadInput(name string, max int64) ([]byte, error) {
	if name == "-" {
		return read(os.Stdin, max)
	}
	f, err := OpenInput(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, max)
}

// Read is [ReadInput] for a file that was found by a loose path.
func (f Found) Read(max int64) ([]byte, error) {
	in, err := openFile(f.Path, true, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return read(in, max)
}

func read(in *os.File, max int64) ([]byte, error) {
	content, err := io.ReadAll(&Bounded{R: in, Max: max})
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return content, err
}

// pipefs is PIPEFS_MAGIC of magic.h.
const pipefs = 0x50495045

// usable checks a file again after it was opened, and makes its reads blocking.
func usable(fd int, pipes bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		var fs unix.Statfs_t
		if !pipes || unix.Fstatfs(fd, &fs) != nil || fs.Type != pipefs {
			return ErrNotRegular
		}
	}
	return unix.SetNonblock(fd, false)
}

// OpenIn opens a path in a directory that is treated as the root: no symbolic link
// leads outside it. The kernel gives up at a .. if anything on the system was renamed
// or mounted in the meantime; then the call is repeated.
func OpenIn(root int, path string, flags uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 10000 {
		if fd, err = unix.Openat2(root, path, &how); err != unix.EAGAIN {
			break
		}
	}
	return fd, err
}

// Content reads a regular file up to its reported size. Files whose content the kernel
// generates, such as most of procfs, have no size: nothing of them is read, because
// reading could block, or consume what is meant for others.
func Content(f *os.File, max int64) (io.Reader, error) {
	fi, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, ErrNotRegular
	}
	return &Bounded{R: io.LimitReader(f, fi.Size()), Max: max}, nil
}

// A Bounded reads at most a number of bytes from R, and fails at the next one.
type Bounded struct {
	R    io.Reader
	Max  int64
	read int64
}

func (b *Bounded) Read(p []byte) (int, error) {
	left := b.Max - b.read
	if int64(len(p)) > left+1 {
		p = p[:left+1]
	}
	n, err := b.R.Read(p)
	b.read += int64(n)
	if b.read > b.Max {
		return n, fmt.Errorf("larger than %d bytes", b.Max)
	}
	return n, err
}

// maxNames is more than the number of directories in a root.
const maxNames = 1000

func readDir(path string) ([]fs.DirEntry, error) {
	d, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.ReadDir(maxNames + 1)
	switch {
	case err == io.EOF:
		err = nil
	case err == nil && len(list) > maxNames:
		err = fmt.Errorf("%s: more than %d names", path, maxNames)
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}
