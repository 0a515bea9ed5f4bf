package inspect

import (
	"unsafe"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// readLandlock reads the section; probe says whether accesses are tried.
func (r *Report) readLandlock(p *process, probe bool) {
	r.Landlock = &Landlock{ABI: p.host.LandlockABI()}
	if !p.own {
		return
	}
	if text := p.host.Handover.Landlock; text != "" {
		r.Landlock.Chain = getopt.List(text)
	}
	if !probe {
		return
	}
	list, err := p.mounts()
	if err != nil {
		r.unreadable("landlock.probe", err)
	}
	paths := []string{"/", "/etc", "/usr", "/home", "/tmp", "/dev", "/run", "/var", p.host.Dir}
	for _, m := range list {
		if !m.Hidden {
			paths = append(paths, m.At)
		}
	}
	tried := map[string]bool{"": true}
	for _, path := range paths {
		if !tried[path] {
			r.Landlock.Probe = append(r.Landlock.Probe, try(path)...)
		}
		tried[path] = true
	}
}

// try opens a directory for reading and makes a file without a name in it, which nobody
// sees and which does not remain. access(2) is not subject to Landlock: it shows what the
// permissions, and a read-only mount, allow.
func try(path string) []Try {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	list := []Try{
		{Path: path, Access: "list", Permission: errnoName(unix.Faccessat2(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS))},
		{Path: path, Access: "create", Permission: errnoName(unix.Faccessat2(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS))},
	}
	for i, flags := range []int{unix.O_RDONLY | unix.O_DIRECTORY, unix.O_WRONLY | unix.O_TMPFILE} {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		list[i].Result = errnoName(err)
	}
	return list
}

func errnoName(err error) string {
	if err == nil {
		return "ok"
	}
	if errno, ok := err.(unix.Errno); ok && unix.ErrnoName(errno) != "" {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// pointer is the address of a variable for a system call.
func pointer[T any](at *T) uintptr { return uintptr(unsafe.Pointer(at)) }
