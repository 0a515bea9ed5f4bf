package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A dir is an open directory of a cgroup file system. Everything in it is reached by the
// descriptor, so that it stays the same cgroup whatever becomes of its path.
type dir struct {
	fd int
	// path is for messages.
	path string
}

// openDir opens the directory of an existing cgroup. Symbolic links are refused: another
// user may have made them.
func openDir(path string) (*dir, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err == unix.ELOOP {
		return nil, fmt.Errorf("%s: has a symbolic link in it", path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &dir{fd: fd, path: path}
	if !d.isCgroup() {
		d.close()
		return nil, fmt.Errorf("%s: is not a directory of a cgroup file system", path)
	}
	return d, nil
}

func (d *dir) close() { unix.Close(d.fd) }

func (d *dir) magic() int64 {
	var st unix.Statfs_t
	if unix.Fstatfs(d.fd, &st) != nil {
		return 0
	}
	return int64(st.Type)
}

func (d *dir) isCgroup() bool { return d.isV2() || d.magic() == unix.CGROUP_SUPER_MAGIC }
func (d *dir) isV2() bool     { return d.magic() == unix.CGROUP2_SUPER_MAGIC }

// procPath is a path by which code that takes paths reaches the open directory.
func (d *dir) procPath() string { return fmt.Sprintf("/proc/self/fd/%d", d.fd) }

func (d *dir) error(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: d.path + "/" + name, Err: err}
}

// open opens a file that exists. Cgroup file systems have no symbolic links.
func (d *dir) open(name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(d.fd, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR:
		default:
			return -1, d.error("open", name, err)
		}
	}
}

func (d *dir) read(name string) (string, error) {
	fd, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var text []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", d.error("read", name, err)
		case n == 0:
			return string(text), nil
		default:
			text = append(text, buf[:n]...)
		}
	}
}

// write writes text with one call, as the files of cgroups require.
func (d *dir) write(name, text string) error {
	fd, err := d.open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, err = unix.Write(fd, []byte(text))
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return d.error("write", name, err)
		}
	}
}

// words are the words in a file, or nil if it cannot be read.
func (d *dir) words(name string) []string {
	text, _ := d.read(name)
	return strings.Fields(text)
}

func (d *dir) has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// writable reports whether the caller may make cgroups here and move processes.
func (d *dir) writable() error {
	for _, name := range []string{".", "cgroup.procs"} {
		if err := unix.Faccessat(d.fd, name, unix.W_OK, unix.AT_EACCESS); err != nil {
			return d.error("write", name, err)
		}
	}
	return nil
}

// child opens a cgroup in this one.
func (d *dir) child(name string) (*dir, error) {
	fd, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &dir{fd: fd, path: d.path + "/" + name}, nil
}

// make makes a cgroup, which must not exist, in this one.
func (d *dir) make(name string) (*dir, error) {
	if err := unix.Mkdirat(d.fd, name, 0o755); err != nil {
		return nil, d.error("mkdir", name, err)
	}
	c, err := d.child(name)
	if err != nil {
		d.remove(name)
	}
	return c, err
}

func (d *dir) remove(name string) error {
	if err := unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return d.error("rmdir", name, err)
	}
	return nil
}

// children are the names of the cgroups in this one.
func (d *dir) children() ([]string, error) {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// errLost is the error of walk if a cgroup was removed while walk was in it.
var errLost = errors.New("a cgroup was removed meanwhile")

// walk calls f for this cgroup and all below it, the lowest first. A payload may have made
// thousands, each in another: only one of them is open at a time. One that is removed
// meanwhile is left out.
func (d *dir) walk(f func(*dir) error) error {
	names, err := d.children()
	if err != nil {
		return err
	}
	at, left := d, [][]string{names} // what is left to visit at each level
	for {
		i := len(left) - 1
		if len(left[i]) > 0 {
			name := left[i][0]
			left[i] = left[i][1:]
			c, names, err := at.enter(name)
			switch {
			case err == nil:
				at.leave(d)
				at, left = c, append(left, names)
			case ignoreAbsent(err) != nil:
				at.leave(d)
				return err
			}
			continue
		}
		if err := f(at); err != nil || i == 0 {
			at.leave(d)
			return err
		}
		up := d
		if i > 1 {
			up, err = at.above()
		}
		at.leave(d)
		if err != nil {
			return err
		}
		at, left = up, left[:i]
	}
}

// enter opens a cgroup in this one, and lists those in it.
func (d *dir) enter(name string) (*dir, []string, error) {
	c, err := d.child(name)
	if err != nil {
		return nil, nil, err
	}
	names, err := c.children()
	if err != nil {
		c.close()
		return nil, nil, err
	}
	return c, names, nil
}

// leave closes a cgroup unless it is the one where a walk has begun.
func (d *dir) leave(begun *dir) {
	if d != begun {
		d.close()
	}
}

// above opens the cgroup above. The kernel moves none.
func (d *dir) above() (*dir, error) {
	fd, err := d.open("..", unix.O_RDONLY|unix.O_DIRECTORY)
	if ignoreAbsent(err) == nil && err != nil {
		return nil, errLost
	}
	if err != nil {
		return nil, err
	}
	return &dir{fd: fd, path: path.Dir(d.path)}, nil
}

// removeAll removes a cgroup in this one, and all below it. None may have a process.
func (d *dir) removeAll(name string) error {
	c, err := d.child(name)
	if err != nil {
		return ignoreAbsent(err)
	}
	err = c.walk(func(at *dir) error {
		names, err := at.children()
		for _, n := range names {
			err = errors.Join(err, at.remove(n))
		}
		return err
	})
	c.close()
	if ignoreAbsent(err) != nil {
		return err
	}
	return d.remove(name)
}
