package execdeps

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A Root is a root directory in which names are looked up. It may belong to a user who
// wants other files to be read: no symbolic link leads outside it, only regular files
// are opened, and the work is limited.
type Root struct {
	fd int
	// lookups is the number of names that the kernel was asked for.
	lookups int
}

// NewRoot returns a root for the descriptor of its directory. The caller keeps the
// descriptor, and must keep it open for as long as the root is used.
func NewRoot(fd int) *Root { return &Root{fd: fd} }

// maxLookups is much more than real programs need: 300 libraries, each searched for in
// 60 directories, are 100000 lookups.
const maxLookups = 1 << 19

var errEndless = errors.New("more names to look up than any program has")

// maxLinks is the kernel's MAXSYMLINKS.
const maxLinks = 40

const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS

// openat opens a name that has no symbolic links in it.
func (r *Root) openat(name string, flags uint64) (int, unix.Stat_t, error) {
	var st unix.Stat_t
	if r.lookups++; r.lookups > maxLookups {
		return -1, st, errEndless
	}
	name = strings.TrimPrefix(name, "/")
	if name == "" {
		name = "."
	}
	fd, err := unix.Openat2(r.fd, name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: beneath})
	for tries := 0; err == unix.EAGAIN && tries < 100; tries++ { // something is being renamed
		fd, err = unix.Openat2(r.fd, name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: beneath})
	}
	if err != nil {
		return -1, st, err
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// resolve follows the symbolic links in an absolute name.
func (r *Root) resolve(name string) (string, unix.Stat_t, error) {
	var st unix.Stat_t
	if len(name) >= unix.PathMax {
		return "", st, unix.ENAMETOOLONG
	}
	var done []string
	todo := strings.Split(name, "/")
	links := 0
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			done = done[:max(len(done)-1, 0)]
			continue
		}
		fd, s, err := r.openat(strings.Join(append(done, c), "/"), unix.O_PATH|unix.O_NOFOLLOW)
		if err != nil {
			return "", st, err
		}
		st = s
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			var b [unix.PathMax]byte
			n, err := unix.Readlinkat(fd, "", b[:])
			unix.Close(fd)
			if links++; err == nil && links > maxLinks {
				err = unix.ELOOP
			}
			if err != nil {
				return "", st, err
			}
			target := string(b[:n])
			if path.IsAbs(target) {
				done = nil
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		case unix.S_IFDIR:
		default:
			if len(todo) > 0 {
				unix.Close(fd)
				return "", st, unix.ENOTDIR
			}
		}
		unix.Close(fd)
		done = append(done[:len(done):len(done)], c)
	}
	return "/" + strings.Join(done, "/"), st, nil
}

// executable returns an error if a name does not lead to a file that the current user
// may execute.
func (r *Root) executable(name string) error {
	real, st, err := r.resolve(name)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return errors.New("not an executable file")
	}
	fd, _, err := r.openat(real, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Faccessat(fd, "", unix.X_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS)
}

// OpenPath opens a file that a [Finder] has found, with O_PATH. It is an error if the
// file is no longer a regular file.
func (r *Root) OpenPath(name string) (fd int, err error) {
	return r.openRegular(name, unix.O_PATH)
}

func (r *Root) openRegular(name string, flags uint64) (fd int, err error) {
	fd, st, err := r.openat(name, flags)
	if err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, errors.New("not a regular file any more")
	}
	return fd, nil
}

// A regular is a regular file that is open for reading.
type regular int

// open opens a file that resolve has found.
func (r *Root) open(name string) (regular, error) {
	// If the file was replaced by a device, it is opened with as little effect as
	// possible, and then rejected.
	fd, err := r.openRegular(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	return regular(fd), err
}

func (f regular) close() { unix.Close(int(f)) }

// ReadAt is pread(2). Package os would start its poller for a file.
func (f regular) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		m, err := unix.Pread(int(f), b[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// maxText is the maximum size of a file that is read as a whole.
const maxText = 4 << 20

// readFile reads a whole file. It is an error if it does not exist.
func (r *Root) readFile(name string) ([]byte, error) {
	real, st, err := r.resolve(name)
	if err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("not a regular file")
	}
	f, err := r.open(real)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if st.Size > maxText {
		return nil, fmt.Errorf("larger than %d bytes", maxText)
	}
	b := make([]byte, st.Size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}
