package keeper

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// What is locked of a cgroup: bytes of files that other users cannot open for writing, so they
// cannot hold the locks.
const (
	// A keeper holds the lock of its group as long as it lives. One that gets the lock of
	// a group knows that its keeper has ended, in whichever PID namespace it was. It is one of
	// cgroup.kill, which version 1 does not have, and there of cgroup.procs.
	livesByte = iota
	// While a group is made in a cgroup or removed from it, its controllers stay enabled. It is
	// one of cgroup.subtree_control: where a cgroup is delegated, cgroup.kill remains root's.
	changesByte
)

// lock takes the lock that shows that the keeper of a group lives. The descriptor that it
// returns holds it.
func lock(d *dir) (int, error) {
	file := "cgroup.kill"
	if !d.isV2() {
		file = "cgroup.procs"
	}
	return lockByte(d, file, livesByte)
}

func lockByte(d *dir, file string, at int64) (int, error) {
	fd, err := d.open(file, unix.O_WRONLY)
	if err != nil {
		return -1, err
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET, Start: at, Len: 1}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l); err != nil {
		unix.Close(fd)
		return -1, d.error("lock", file, err)
	}
	return fd, nil
}

// patience is how long to wait for another keeper that makes or removes a group. The
// supervisor waits for 30 s.
const patience = 10 * time.Second

// hold keeps other keepers from making and removing groups in a cgroup until release is
// called. The root of the hierarchy needs no lock, because nothing is disabled there.
func hold(parent *dir) (release func(), err error) {
	if !parent.isV2() || !parent.has("cgroup.kill") {
		return func() {}, nil
	}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		fd, err := lockByte(parent, "cgroup.subtree_control", changesByte)
		switch {
		case err == nil:
			return func() { unix.Close(fd) }, nil
		case !errors.Is(err, unix.EAGAIN), time.Now().After(end):
			return nil, err
		}
	}
}
