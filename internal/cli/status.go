package cli

import (
	"encoding/json"
	"fmt"
	"os"

	"hk/internal/vis"

	"golang.org/x/sys/unix"
)

// A status is the descriptor for events. A nil status drops them.
type status struct {
	file *os.File
}

// An event is a line of JSON on the status descriptor.
type event struct {
	Event string `json:"event"`
	Stage string `json:"stage,omitempty"`
	Op    string `json:"op,omitempty"`
	Errno string `json:"errno,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	What  string `json:"what,omitempty"`
	PID   int    `json:"pid,omitempty"`
	// Code is the exit status of a payload that has exited, and Signal the name of the
	// signal that has terminated it.
	Code   *int   `json:"code,omitempty"`
	Signal string `json:"signal,omitempty"`
}

// openStatus takes over the descriptor: the payload does not inherit it.
func openStatus(fd int) (*status, error) {
	if fd < 0 {
		return nil, nil
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = unix.EBADF
	}
	if err == nil && fd > 2 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("--status-fd %d: %w", fd, err)
	}
	return &status{os.NewFile(uintptr(fd), "status")}, nil
}

func (s *status) write(e event) {
	if s == nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		s.file.Write(append(vis.JSON(line), '\n'))
	}
}

func (s *status) exited(w unix.WaitStatus) {
	e := event{Event: "exited"}
	if w.Signaled() {
		e.Signal = unix.SignalName(w.Signal())
	} else {
		code := w.ExitStatus()
		e.Code = &code
	}
	s.write(e)
}
