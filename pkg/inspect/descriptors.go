package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readFDs reads the section, without the descriptors of this program: its own file, and
// those that are closed by execve(2), which it cannot have inherited.
func (r *Report) readFDs(p *process) {
	names, err := p.list("fd")
	if err != nil && p.own {
		names, err = p.openFDs(), nil
	}
	if err != nil {
		r.unreadable("fds", err)
		return
	}
	r.FDs = []FD{}
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fd, err := p.descriptor(n)
		if err == unix.ENOENT || err == unix.EBADF || p.own && (fd.CloseOnExec || n == p.host.SelfFD) {
			continue // closed meanwhile, or this program's
		}
		if err != nil {
			r.unreadable("fds."+name, err)
		}
		r.FDs = append(r.FDs, fd)
	}
	slices.SortFunc(r.FDs, func(a, b FD) int { return cmp.Compare(a.FD, b.FD) })
}

// openFDs tries all descriptors that this process may have, because there is no procfs: its
// limit may have been higher when it opened them, up to fs.nr_open, which is taken for what
// it is unless somebody changes it.
func (p *process) openFDs() []string {
	const most = 1 << 20
	var names []string
	for fd := range uint64(most) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			names = append(names, strconv.FormatUint(fd, 10))
		}
	}
	return names
}

func (p *process) descriptor(n int) (FD, error) {
	fd := FD{FD: n, Kind: "unknown"}
	target, err := p.link(fmt.Sprintf("fd/%d", n))
	if err == nil {
		fd.Target = target
	} else if !p.own {
		return fd, err
	}
	if p.own {
		return fd.ofOwn()
	}
	text, err := p.read(fmt.Sprintf("fdinfo/%d", n))
	if err != nil {
		return fd, err
	}
	flags, err := parseFDInfo(text)
	if err != nil {
		return fd, err
	}
	fd.Access, fd.CloseOnExec = access(flags), flags&unix.O_CLOEXEC != 0
	fd.Kind = kindOf(target, func() (uint32, error) {
		return typeOf(p.dir, p.of(fmt.Sprintf("fd/%d", n)), 0)
	})
	return fd, nil
}

// typeOf is the type of a file, without asking a server or a daemon, which may not answer,
// or not to this process.
func typeOf(dir int, name string, flags int) (uint32, error) {
	var st unix.Statx_t
	err := unix.Statx(dir, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st)
	return uint32(st.Mode), err
}

// ofOwn asks the kernel about a descriptor of this process.
func (fd FD) ofOwn() (FD, error) {
	flags, err := unix.FcntlInt(uintptr(fd.FD), unix.F_GETFL, 0)
	if err != nil {
		return fd, err
	}
	onExec, err := unix.FcntlInt(uintptr(fd.FD), unix.F_GETFD, 0)
	if err != nil {
		return fd, err
	}
	fd.Access, fd.CloseOnExec = access(uint64(flags)), onExec&unix.FD_CLOEXEC != 0
	fd.Kind = kindOf(fd.Target, func() (uint32, error) {
		return typeOf(fd.FD, "", unix.AT_EMPTY_PATH)
	})
	return fd, nil
}

// kindOf is the kind of file: by its mode, where what procfs says is not enough.
func kindOf(target string, mode func() (uint32, error)) string {
	if strings.HasPrefix(target, "anon_inode:") {
		return "anonymous"
	}
	m, err := mode()
	if err != nil {
		return "unknown"
	}
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "device"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFLNK:
		return "link"
	}
	return "anonymous"
}

func access(flags uint64) string {
	switch {
	case flags&unix.O_PATH != 0:
		return "path"
	case flags&unix.O_ACCMODE == unix.O_WRONLY:
		return "w"
	case flags&unix.O_ACCMODE == unix.O_RDWR:
		return "rw"
	}
	return "r"
}

// parseFDInfo returns the flags in /proc/PID/fdinfo/N: proc_pid_fdinfo(5).
func parseFDInfo(text string) (uint64, error) {
	for line := range strings.SplitSeq(text, "\n") {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 8, 64)
		}
	}
	return 0, fmt.Errorf("it has no flags of proc_pid_fdinfo(5)")
}
