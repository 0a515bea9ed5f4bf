package keeper

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A control is the socket to the supervisor: one datagram a message.
type control struct{ fd int }

// A message of the supervisor. word is "" at the end of the file: the supervisor has
// ended. It is late if there is no message in time.
type message struct {
	word   string
	fields []string
}

// late is also what the keeper tells the supervisor then.
const late = "late"

// longest is the longest message.
const longest = 4096

// send sends a word and a text. An error means that the supervisor has ended, which the
// next receive finds.
func (c control) send(word, text string, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	line := word + " " + text
	if len(line) > longest {
		line = line[:longest]
	}
	for {
		err := unix.Sendmsg(c.fd, []byte(line), rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// receive waits for a message of the supervisor, for its end, or until due, which may be
// zero, whichever comes first. Messages that it had sent before its end are received.
func (c control) receive(supervisor int, due time.Time) message {
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}, {Fd: int32(supervisor), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, until(due)); err == unix.EINTR {
			continue
		}
		if m, ok := c.next(); ok {
			return m
		}
		if fds[1].Revents != 0 {
			return message{}
		}
		if !due.IsZero() && !time.Now().Before(due) {
			return message{word: late}
		}
	}
}

// until is the time until due in milliseconds, but not more than an hour, as poll(2) takes
// an int; -1 means forever.
func until(due time.Time) int {
	if due.IsZero() {
		return -1
	}
	return int((min(max(0, time.Until(due)), time.Hour) + time.Millisecond - 1) / time.Millisecond)
}

// next reads a message, if there is one. It takes no descriptors.
func (c control) next() (m message, ok bool) {
	buf := make([]byte, longest)
	n, _, err := unix.Recvfrom(c.fd, buf, unix.MSG_DONTWAIT)
	if err == unix.EAGAIN || err == unix.EINTR {
		return m, false
	}
	if m.fields = strings.Fields(string(buf[:max(n, 0)])); len(m.fields) > 0 {
		m.word, m.fields = m.fields[0], m.fields[1:]
	}
	return m, true
}
