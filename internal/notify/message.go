package notify

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// A message is a datagram of the payload.
type message struct {
	// pid is the sender, in this process's PID namespace: 0 if it is in none below.
	pid   int
	text  []byte
	files []int
}

// parse reads what recvmsg(2) has returned. What is not to be passed on is left out of
// the text.
func parse(text, control []byte) *message {
	m := &message{text: passed(text)}
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return m
	}
	for _, c := range list {
		if cred, err := unix.ParseUnixCredentials(&c); err == nil {
			m.pid = int(cred.Pid)
		}
		if fds, err := unix.ParseUnixRights(&c); err == nil {
			m.files = append(m.files, fds...)
		}
	}
	return m
}

// main are the assignments that would make another process the main process of the unit.
// The payload does not know its number there, and the manager would not see how the
// supervisor ends.
var main = [...]string{"MAINPID=", "MAINPIDFD=", "MAINPIDFDID="}

// passed is a message without these assignments. systemd ends a line at a carriage
// return too, and ignores a message with a null byte in it.
func passed(text []byte) []byte {
	text = bytes.TrimSuffix(text, []byte{0})
	if bytes.IndexByte(text, 0) >= 0 {
		return nil
	}
	var lines [][]byte
	for _, line := range bytes.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if !names(line) {
			lines = append(lines, line)
		}
	}
	return bytes.Join(lines, []byte{'\n'})
}

func names(line []byte) bool {
	for _, word := range main {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}

// close closes the descriptors. To close a file can take for ever, if the payload is the
// file system: FUSE.
func (m *message) close() {
	if len(m.files) == 0 {
		return
	}
	files := m.files
	m.files = nil
	go func() {
		for _, fd := range files {
			unix.Close(fd)
		}
	}()
}
