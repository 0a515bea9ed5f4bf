package forward

import (
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a connection to the other side may take.
const patience = 30 * time.Second

var errNoSocket = errors.New("it is not a UNIX socket")

// open opens the host's socket, by its name in the directory, as something to connect to.
// A symbolic link in its place is not followed.
func (p *port) open() (int, error) {
	fd, err := unix.Openat2(p.dir, p.base, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	if err == unix.ELOOP {
		return -1, errNoSocket
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = errNoSocket
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// reachable checks that this process, which has no capabilities, may connect to the socket.
func (p *port) reachable() error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Faccessat2(fd, "", unix.W_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS); err != nil {
		return os.NewSyscallError("connect", err)
	}
	return nil
}

// connectUnix connects to the host's socket, which may have been created again.
func (p *port) connectUnix() (net.Conn, error) {
	file, err := p.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(file)
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(sock), p.base)
	defer f.Close()
	address := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(file)}
	end, pause := time.Now().Add(patience), time.Millisecond
	for {
		// The server has too many connections waiting, and no poll(2) says when it has not.
		if err = unix.Connect(sock, address); err != unix.EAGAIN && err != unix.EINTR || time.Now().After(end) {
			break
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
	if err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(f)
}

// connectTCP connects to the address in the namespace, in which this process is.
func (p *port) connectTCP() (net.Conn, error) {
	return net.DialTimeout("tcp", p.address.String(), patience)
}

// create creates the host's socket, which only the user can connect to, and listens on it.
func (p *port) create() error {
	path := "/proc/self/fd/" + strconv.Itoa(p.dir) + "/" + p.base
	if len(path) > 107 {
		return unix.ENAMETOOLONG
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	unix.Umask(0o177)
	switch err := unix.Bind(sock, &unix.SockaddrUnix{Name: path}); err {
	case nil:
	case unix.EADDRINUSE:
		return errors.New("it exists already: remove it if no process listens on it")
	default:
		return os.NewSyscallError("bind", err)
	}
	p.raw = sock
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir, p.base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return os.NewSyscallError("fstatat", err)
	}
	p.inode = st.Ino
	return os.NewSyscallError("listen", unix.Listen(sock, 4096))
}

// removeAll removes the sockets that this process has created, unless something else has
// their name now.
func removeAll(ports []*port) {
	for _, p := range ports {
		var st unix.Stat_t
		if p.inode != 0 && unix.Fstatat(p.dir, p.base, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Ino == p.inode {
			unix.Unlinkat(p.dir, p.base, 0)
		}
	}
}
