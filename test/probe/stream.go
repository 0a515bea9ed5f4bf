package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// half is a connection of which one direction can be closed.
type half interface {
	net.Conn
	CloseWrite() error
}

// echo listens until it is killed. On each connection it sends back what it receives, and
// after its end how much that was.
func echo(network, address, ready string) error {
	l, err := listen(network, address)
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
		os.Chmod(address, 0o666)
	}
	os.WriteFile(ready, []byte(l.Addr().String()), 0o644)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			n, _ := io.Copy(c, c)
			fmt.Fprintf(c, "received %d", n)
		}()
	}
}

// stream makes connections to what [echo] listens on, all at once. On each it sends bytes,
// closes that direction, and only then, later, reads what comes back.
func stream(network, address string, connections, size int) error {
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() { errs <- streamOne(network, address, size) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func streamOne(network, address string, size int) error {
	dialed, err := net.DialTimeout(network, address, time.Minute)
	if err != nil {
		return err
	}
	c := dialed.(half)
	defer c.Close()
	data := make([]byte, size)
	rand.Read(data)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		c.CloseWrite()
		sent <- err
	}()
	time.Sleep(50 * time.Millisecond)
	got, err := io.ReadAll(c)
	// A reset is reported once, to the one or to the other.
	if failed := <-sent; errors.Is(failed, syscall.ECONNRESET) {
		err = failed
	}
	if want := append(data, fmt.Sprintf("received %d", size)...); err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes came back, which are not the %d that were sent", len(got), len(want))
	}
	return err
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// sink listens, and writes what it receives on its one connection to a file.
func sink(network, address, ready, to string) error {
	l, err := listen(network, address)
	if err != nil {
		return err
	}
	os.WriteFile(ready, []byte(l.Addr().String()), 0o644)
	c, err := l.Accept()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	os.WriteFile(to, b, 0o644)
	return err
}

// throw connects, sends bytes and ends at once.
func throw(network, address string, size int) error {
	c, err := net.Dial(network, address)
	if err == nil {
		_, err = c.Write(make([]byte, size))
	}
	return err
}
