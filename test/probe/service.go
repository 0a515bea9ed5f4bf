package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// service is a service of systemd: it uses what the manager passes to its process, tells
// the manager how it is, and prints what it has found. It answers a connection with its
// number.
func service() error {
	secret := ""
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		b, err := os.ReadFile(filepath.Join(dir, "greeting"))
		if err != nil {
			return err
		}
		secret = strings.TrimSpace(string(b))
	}
	sockets, every := 0, time.Duration(0)
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		sockets, _ = strconv.Atoi(os.Getenv("LISTEN_FDS"))
	}
	if its := os.Getenv("WATCHDOG_PID"); its == "" || its == strconv.Itoa(os.Getpid()) {
		usec, _ := strconv.Atoi(os.Getenv("WATCHDOG_USEC"))
		every = time.Duration(usec) * time.Microsecond / 3
	}
	fmt.Printf("pid=%d uid=%d sockets=%d names=%s watchdog=%v exec=%v credential=%s signals=%s\n",
		os.Getpid(), os.Getuid(), sockets, os.Getenv("LISTEN_FDNAMES"), every > 0,
		os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()), secret, os.Getenv("SIGNALS"))
	for fd := 3; fd < 3+sockets; fd++ {
		l, err := net.FileListener(os.NewFile(uintptr(fd), "socket"))
		if err != nil {
			return err
		}
		go answer(l)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1)
	if err := tell(os.Getenv("NOTIFY_SOCKET"), []string{`READY=1\nSTATUS=up`, "barrier"}); err != nil && os.Getenv("NOTIFY_SOCKET") != "" {
		return fmt.Errorf("READY=1: %w", err)
	}
	return serve(signals, every)
}

func answer(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			fmt.Fprintln(c, "hello from", os.Getpid())
			c.Close()
		}
	}
}

// serve handles signals: SIGHUP reloads, SIGUSR1 stops the messages to the watchdog, and
// SIGTERM ends it.
func serve(signals chan os.Signal, every time.Duration) error {
	to := os.Getenv("NOTIFY_SOCKET")
	var tick <-chan time.Time
	if every > 0 {
		tick = time.Tick(every)
	}
	for {
		select {
		case <-tick:
			tell(to, []string{"WATCHDOG=1"})
		case sig := <-signals:
			fmt.Println("signal", unix.SignalName(sig.(unix.Signal)))
			switch sig {
			case unix.SIGHUP:
				var now unix.Timespec
				unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
				tell(to, []string{fmt.Sprintf(`RELOADING=1\nMONOTONIC_USEC=%d`, now.Nano()/1000), `READY=1\nSTATUS=reloaded`})
			case unix.SIGUSR1:
				tick = nil
			default:
				return tell(to, []string{"STOPPING=1"})
			}
		}
	}
}
