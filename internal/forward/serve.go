package forward

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"hk/internal/vis"

	"golang.org/x/sys/unix"
)

const (
	// most is how many connections there can be at a time; others wait. Each has two
	// descriptors, and three while it is made.
	most = 1024
	// spare is how many descriptors are for other things.
	spare = 128
	// lingering is how long a client may still send to a server that has ended.
	lingering = 5 * time.Second
	// size is that of a buffer. A connection without data to pass on has none.
	size = 32 << 10
)

var buffers = sync.Pool{New: func() any { return new([size]byte) }}

// A forwarder is the process while it serves.
type forwarder struct {
	slots chan struct{}
	// sending counts the connections on which the payload may still have something to be
	// passed on, and those that are being made.
	sending sync.WaitGroup
}

// serve accepts connections until the supervisor has closed its end of the socket, or has
// ended, and then passes on what the payload has sent before. There are at most most
// connections at a time.
func serve(ports []*port, most int) {
	f := &forwarder{slots: make(chan struct{}, most)}
	var accepting sync.WaitGroup
	for _, p := range ports {
		accepting.Go(func() { f.accept(p) })
	}
	unix.Read(controlFD, make([]byte, 1))
	removeAll(ports)
	for _, p := range ports {
		p.listen.SetDeadline(time.Now())
	}
	done := make(chan struct{})
	go func() {
		accepting.Wait()
		f.sending.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(atEnd):
	}
}

// slots is how many connections there can be, with the limit on descriptors, which the
// runtime has raised.
func slots() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > spare+3*most {
		return most
	}
	return max(1, (int(limit.Cur)-spare)/3)
}

// accept accepts connections of a port until its deadline.
func (f *forwarder) accept(p *port) {
	for {
		f.slots <- struct{}{}
		c, err := p.listen.Accept()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// What the payload has connected before its end waits in the queue.
			c, err = p.next()
			if err != nil {
				return
			}
		}
		if err != nil {
			<-f.slots
			p.warn(err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		f.sending.Add(1)
		go func() {
			defer func() { <-f.slots }()
			f.connect(p, c.(conn))
		}()
	}
}

// next accepts a connection from the namespace that is waiting.
func (p *port) next() (net.Conn, error) {
	if p.inode != 0 {
		return nil, os.ErrDeadlineExceeded
	}
	fd, _, err := unix.Accept4(p.raw, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), p.cause)
	defer file.Close()
	return net.FileConn(file)
}

// A conn is a connection of which each direction can end by itself.
type conn interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
}

// connect connects an accepted connection to the other side, and passes on what they send
// until both have ended.
func (f *forwarder) connect(p *port, c conn) {
	defer c.Close()
	made, err := p.connect(p)
	if err != nil {
		f.sending.Done()
		// A server in the namespace that does not listen yet is nothing unusual.
		if p.inode == 0 || !errors.Is(err, unix.ECONNREFUSED) {
			p.warn(err)
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset, not an end
		}
		return
	}
	defer made.Close()
	inside, outside := c, made.(conn)
	if p.inode != 0 {
		inside, outside = outside, inside
	}
	end := sync.OnceFunc(func() {
		inside.Close()
		outside.Close()
	})
	var back sync.WaitGroup
	back.Go(func() {
		if !pass(inside, outside) {
			end()
		}
	})
	alive := pass(outside, inside)
	f.sending.Done()
	if !alive {
		end()
	}
	back.Wait()
}

// warn reports the first failure of a port.
func (p *port) warn(err error) {
	p.warned.Do(func() { fmt.Fprintf(os.Stderr, "hk-net: %s: %s\n", vis.Text(p.cause), vis.Text(err.Error())) })
}

// pass passes on what one side sends until its end, which is then the end of what the other
// side receives; in the other direction they go on. It returns false if the sender has
// reset the connection, so that nothing can be sent to it either.
func pass(to, from conn) (alive bool) {
	raw, err := from.SyscallConn()
	if err != nil {
		return false
	}
	_, local := from.(*net.UnixConn)
	for {
		b, n, err := read(raw)
		switch {
		case err == unix.ECONNRESET && local:
			// It was closed with something unread; what was sent before has been read.
			fallthrough
		case err == nil && n == 0:
			to.CloseWrite()
			return true
		case err != nil:
			return false
		}
		_, err = to.Write(b[:n])
		buffers.Put(b)
		if err != nil && local {
			from.CloseRead() // the sender sees that nobody takes it any more
			return true
		}
		if err != nil {
			return discard(raw, from)
		}
	}
}

// discard takes for a while what nobody receives any more. If a TCP socket is closed with
// something unread, that resets the connection, and what was sent in the other direction,
// such as why a server closes it, could be lost.
func discard(raw syscall.RawConn, from conn) (alive bool) {
	from.SetReadDeadline(time.Now().Add(lingering))
	for {
		b, n, err := read(raw)
		if err != nil || n == 0 {
			return err == nil || errors.Is(err, os.ErrDeadlineExceeded)
		}
		buffers.Put(b)
	}
}

// read reads as much as there is. It takes a buffer only when there is something; at the
// end, or after an error, it returns none.
func read(raw syscall.RawConn) (b *[size]byte, n int, err error) {
	failed := raw.Read(func(fd uintptr) bool {
		b = buffers.Get().(*[size]byte)
		for {
			if n, err = unix.Read(int(fd), b[:]); err != unix.EINTR {
				break
			}
		}
		if n <= 0 {
			buffers.Put(b)
			b = nil
		}
		return err != unix.EAGAIN
	})
	if failed != nil {
		err = failed
	}
	return b, n, err
}
