package forward

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// forwarding serves a port that forwards to a server on a UNIX socket, and returns a client
// and the server's end of one connection.
func forwarding(t *testing.T) (client *net.TCPConn, server *net.UnixConn) {
	t.Helper()
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(at) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	p := &port{cause: "--forward", dir: at, base: "s", connect: (*port).connectUnix}
	f := &forwarder{slots: make(chan struct{}, 1)}
	go func() {
		c, err := tcp.Accept()
		if err != nil {
			return
		}
		f.sending.Add(1)
		f.connect(p, c.(conn))
	}()
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.UnixConn)
}

// TestHalfClose checks that the end of one direction is not that of the other.
func TestHalfClose(t *testing.T) {
	client, server := forwarding(t)
	fmt.Fprint(client, "question")
	client.CloseWrite()
	if got, err := io.ReadAll(server); err != nil || string(got) != "question" {
		t.Errorf("the server receives %q, %v", got, err)
	}
	fmt.Fprint(server, "answer")
	server.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("the client receives %q, %v", got, err)
	}
}

// TestEarlyAnswer has a server answer and close without reading: what it has sent arrives,
// however much the client still sends.
func TestEarlyAnswer(t *testing.T) {
	client, server := forwarding(t)
	want := strings.Repeat("too much ", 20000)
	go func() {
		b := make([]byte, 1<<20)
		for {
			if _, err := client.Write(b); err != nil {
				return
			}
		}
	}()
	server.Read(make([]byte, 1))
	go func() {
		io.WriteString(server, want)
		server.Close()
	}()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(client, got); err != nil || string(got) != want {
		t.Errorf("the client receives %d of %d bytes, %v", n, len(want), err)
	}
}

// TestReset has a client reset the connection: the server sees that it has ended.
func TestReset(t *testing.T) {
	client, server := forwarding(t)
	fmt.Fprint(client, "x")
	server.Read(make([]byte, 1))
	client.SetLinger(0)
	client.Close()
	if n, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the server reads %d bytes, %v; want %v", n, err, io.EOF)
	}
}

// TestOpen checks what is connected to.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	os.Symlink("socket", filepath.Join(dir, "link"))
	for name, want := range map[string]error{"socket": nil, "file": errNoSocket, "link": errNoSocket, "none": unix.ENOENT, "..": unix.EXDEV, ".": errNoSocket} {
		fd, err := (&port{dir: at, base: name}).open()
		if err != want {
			t.Errorf("open of %s: %v; want %v", name, err, want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
}
