package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// tell sends messages to the service manager, one for each word, with \n for the end of a
// line: "fd:TEXT" with a file that contains the text, and "barrier" waits until the
// manager has seen those before.
func tell(to string, words []string) error {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(sock, &unix.SockaddrUnix{Name: to})
	}
	if err != nil {
		return err
	}
	defer unix.Close(sock)
	for _, w := range words {
		text, file := strings.ReplaceAll(w, `\n`, "\n"), (*os.File)(nil)
		var ends [2]int
		switch {
		case w == "barrier":
			if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			text, file = "BARRIER=1", os.NewFile(uintptr(ends[1]), "barrier")
		case strings.HasPrefix(w, "fd:"):
			fd, err := unix.MemfdCreate("stored", 0)
			if err != nil {
				return err
			}
			file = os.NewFile(uintptr(fd), "stored")
			fmt.Fprint(file, w[len("fd:"):])
			text = "FDSTORE=1\nFDNAME=" + w[len("fd:"):]
		}
		var rights []byte
		if file != nil {
			rights = unix.UnixRights(int(file.Fd()))
		}
		if err := unix.Sendmsg(sock, []byte(text), rights, nil, unix.MSG_NOSIGNAL); err != nil {
			return err
		}
		if file != nil {
			file.Close()
		}
		if w == "barrier" {
			if n, err := unix.Read(ends[0], make([]byte, 1)); n != 0 || err != nil {
				return fmt.Errorf("the barrier was not closed: %d, %w", n, err)
			}
		}
	}
	return nil
}
