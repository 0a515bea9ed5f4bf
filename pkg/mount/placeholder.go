package mount

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A placeholder is an empty directory at a name of the host that must not come into
// being while a payload runs: only what exists can be mounted on. git(1) and many other
// programs take no notice of an empty directory.
//
// Each run that needs it holds a shared flock(2) on it. A run that gets the lock
// exclusively at its end is the last one, and removes it. The kernel drops the locks of
// a run that is killed, so another run removes what that has left.
type placeholder struct {
	// dir is the descriptor of the directory that it is in, which is not the placeholder's.
	dir, fd int
	name    string
	stat    unix.Stat_t
}

// placeholderMode makes a directory a placeholder, from the moment of its creation.
// Nobody but its owner can create anything in it, and that only after a change of its
// mode, after which it is not a placeholder any more.
const placeholderMode = 0o1555

// isPlaceholder reports whether a directory has that mode. A umask, or an access control
// list, may have removed what it gives to others, and set-group-ID is inherited.
func isPlaceholder(mode uint32) bool {
	return mode&unix.S_IFMT == unix.S_IFDIR && mode&0o7777&^0o2055 == 0o1500
}

// lockPatience is how long a lock is waited for. It is held exclusively for the time of
// a removal only.
const lockPatience = 2 * time.Second

var (
	errAppeared = errors.New("it did not exist when it was looked at, and does now: start again")
	errLocked   = errors.New("another process keeps a lock on it")
	errMode     = errors.New("its file system does not keep the mode 1555, by which hk recognizes the empty directory that it needs there: create it yourself")
)

// hold creates a placeholder, or finds that of another run, and locks it. dir is a
// descriptor of the directory, which must be open until the release.
func hold(dir int, name string) (*placeholder, error) {
	p := &placeholder{dir: dir, fd: -1, name: name}
	for end := time.Now().Add(lockPatience); ; time.Sleep(time.Millisecond) {
		err := unix.Mkdirat(dir, name, placeholderMode)
		made := err == nil
		if made || err == unix.EEXIST {
			if err = p.lock(made); err == nil {
				return p, nil
			}
		} else {
			err = fmt.Errorf("mkdirat: %w", err)
		}
		p.close()
		if err != errRemoved && err != unix.EWOULDBLOCK || time.Now().After(end) {
			if err == unix.EWOULDBLOCK || err == errRemoved {
				err = errLocked
			}
			return nil, err
		}
	}
}

// errRemoved means that another run has removed the placeholder in the meantime.
var errRemoved = errors.New("removed")

// lock opens what is at the name and locks it. If it was just made and cannot be used,
// it is removed.
func (p *placeholder) lock(made bool) error {
	fd, err := unix.Openat2(p.dir, p.name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
	switch err {
	case nil:
	case unix.ENOENT:
		return errRemoved
	case unix.ENOTDIR, unix.ELOOP:
		return errAppeared
	default:
		p.undo(made)
		return fmt.Errorf("openat2: %w", err)
	}
	p.fd = fd
	if made {
		// Whether it can be locked exclusively is better known now than at the end: NFS
		// needs a file that is open for writing.
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil || err == unix.EWOULDBLOCK {
		err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	}
	if err == unix.EWOULDBLOCK {
		return err
	}
	if err != nil {
		p.undo(made)
		return fmt.Errorf("flock: %w: create it yourself: hk could not know when to remove it", err)
	}
	same, err := p.isThere()
	switch {
	case err != nil:
		return err
	case !same:
		return errRemoved
	case !isPlaceholder(p.stat.Mode) && made:
		p.undo(true)
		return errMode
	case !isPlaceholder(p.stat.Mode) || !isEmpty(fd):
		return errAppeared
	}
	return nil
}

// isThere reports whether the name still refers to the open directory.
func (p *placeholder) isThere() (bool, error) {
	var there unix.Stat_t
	if err := unix.Fstat(p.fd, &p.stat); err != nil {
		return false, fmt.Errorf("fstat: %w", err)
	}
	err := unix.Fstatat(p.dir, p.name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("fstatat: %w", err)
	}
	return there.Dev == p.stat.Dev && there.Ino == p.stat.Ino, nil
}

func isEmpty(fd int) bool {
	b := make([]byte, 4096)
	n, err := unix.ReadDirent(fd, b)
	if err != nil {
		return false
	}
	_, _, names := unix.ParseDirent(b[:n], 1, nil)
	return len(names) == 0
}

// undo removes what was made, if it is empty.
func (p *placeholder) undo(made bool) {
	if made {
		unix.Unlinkat(p.dir, p.name, unix.AT_REMOVEDIR)
	}
}

// release removes the placeholder if no other run needs it. Of two runs that end at the
// same time at least one gets the lock, because flock(2) drops the shared lock before
// it looks for those of others. Whoever gets it looks whether the directory is still
// the one that it has locked; the kernel removes it only if it is empty.
func (p *placeholder) release() error {
	defer p.close()
	switch err := unix.Flock(p.fd, unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
	case unix.EWOULDBLOCK:
		return nil
	default:
		return fmt.Errorf("flock: %w", err)
	}
	same, err := p.isThere()
	if err != nil || !same || !isPlaceholder(p.stat.Mode) {
		return err
	}
	switch err := unix.Unlinkat(p.dir, p.name, unix.AT_REMOVEDIR); err {
	case nil, unix.ENOENT, unix.ENOTDIR, unix.ENOTEMPTY, unix.EEXIST:
		return nil
	default:
		return fmt.Errorf("unlinkat: %w", err)
	}
}

// close drops the lock and leaves the placeholder.
func (p *placeholder) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}
