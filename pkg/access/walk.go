package access

import (
	"path"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A walk looks up a name component by component, so that a mount that the payload has made is
// seen before anything is asked of its file system.
type walk struct {
	root   unix.Statx_t
	rootFD int
	good   map[uint64]bool
	now    map[uint64]mountLine
	// at is the mount in which it is.
	at   atomic.Uint64
	rest []string

	// fd is what was found, or -1, with its attributes, and dirFD the directory in which that
	// is, with the last component. The base is empty if the last one was "..", or none.
	fd, dirFD int
	obj, dir  unix.Statx_t
	base      string
	there     bool
	// turned is set if a symbolic link was followed, or "..".
	turned bool
	links  int
}

const maxLinks = 40 // as path_resolution(7) has it

// walk looks up a name. The caller closes what it returns.
func (t *tree) walk(name string, follow bool) (*walk, error) {
	t.refresh()
	root := t.root.Mnt_id
	if !t.good[root] {
		if t.dead[root] {
			return nil, errStuck
		}
		return nil, errMounted
	}
	w := &walk{root: t.root, rootFD: t.fd, good: t.good, now: t.now, fd: -1, dirFD: -1, rest: components(name)}
	w.at.Store(root)
	var err error
	if late := t.try(&w.at, func() { err = w.run(follow) }); late != nil {
		return nil, late // it has the descriptors
	}
	if err != nil {
		w.close()
		if err == errMounted && t.dead[w.at.Load()] {
			err = errStuck
		}
		return nil, err
	}
	return w, nil
}

func components(name string) (list []string) {
	for _, c := range strings.Split(name, "/") {
		if c != "" && c != "." {
			list = append(list, c)
		}
	}
	return list
}

func (w *walk) close() {
	for _, fd := range []int{w.fd, w.dirFD} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	w.abandon()
}

// abandon leaves the descriptors open, for one who still uses them.
func (w *walk) abandon() { w.fd, w.dirFD = -1, -1 }

// spot is what was found by a name without symbolic links.
func (w *walk) spot(name string) spot {
	s := spot{base: w.base, there: w.there}
	if w.there {
		s.object = object{name, w.obj}
	}
	s.dir = object{path.Dir(name), w.dir}
	if w.base == "" {
		s.dir = s.object
	}
	return s
}

// start goes to the root directory.
func (w *walk) start() (err error) {
	w.close()
	w.fd, err = unix.FcntlInt(uintptr(w.rootFD), unix.F_DUPFD_CLOEXEC, 0)
	w.obj, w.base, w.there = w.root, "", true
	w.at.Store(w.root.Mnt_id)
	w.ask(w.fd)
	return err
}

// ask waits until the server of a FUSE mount answers, with a question that takes no lock: a
// lookup that is not answered would have the processes of the payload wait for its directory
// in a way that no signal ends.
func (w *walk) ask(fd int) {
	if strings.HasPrefix(w.now[w.at.Load()].kind, "fuse") {
		var st unix.Statfs_t
		_ = unix.Fstatfs(fd, &st)
	}
}

func (w *walk) run(follow bool) error {
	if err := w.start(); err != nil {
		return err
	}
	for len(w.rest) > 0 {
		c := w.rest[0]
		w.rest = w.rest[1:]
		if c == ".." {
			w.turned = true
			if idOf(&w.obj) == idOf(&w.root) && w.obj.Mnt_id == w.root.Mnt_id {
				continue
			}
		}
		if uint32(w.obj.Mode)&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		fd, err := unix.Openat(w.fd, c, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT && len(w.rest) == 0 {
			w.step(-1, c, unix.Statx_t{})
			w.there = false
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.enter(fd, c, follow); err != nil {
			return err
		}
	}
	return nil
}

// enter goes on to what was opened, or to where it points.
func (w *walk) enter(fd int, c string, follow bool) error {
	var st unix.Statx_t
	if err := statx(fd, "", &st); err != nil {
		unix.Close(fd)
		return err
	}
	w.at.Store(st.Mnt_id)
	if !w.good[st.Mnt_id] {
		unix.Close(fd)
		return errMounted
	}
	if st.Mnt_id != w.obj.Mnt_id {
		w.ask(fd)
	}
	if uint32(st.Mode)&unix.S_IFMT != unix.S_IFLNK || len(w.rest) == 0 && !follow {
		w.step(fd, c, st)
		return nil
	}
	defer unix.Close(fd)
	w.turned = true
	if w.links++; w.links > maxLinks || w.now[st.Mnt_id].kind == "proc" {
		return unix.ELOOP // a link of procfs leads to where its text does not
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return err
	}
	text := string(b[:n])
	w.rest = append(components(text), w.rest...)
	w.at.Store(w.obj.Mnt_id)
	if strings.HasPrefix(text, "/") {
		return w.start()
	}
	return nil
}

// step makes what was found the place where the walk is.
func (w *walk) step(fd int, c string, st unix.Statx_t) {
	if w.dirFD >= 0 {
		unix.Close(w.dirFD)
	}
	w.dirFD, w.dir = w.fd, w.obj
	w.fd, w.obj, w.base = fd, st, c
	if c == ".." {
		w.base = ""
	}
}
