package cli

import (
	"encoding/json"
	"fmt"
	"os"

	"hk/internal/vis"
	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A status is where messages go: to standard error, and to a descriptor for events, if
// there is one. A nil status only writes to standard error.
type status struct {
	file *os.File
	// told is set once the start was reported.
	told bool
	// reword changes the words in which a stage says something, unless it is nil.
	reword func(stage, text string) string
}

// with is the same with words changed.
func (s *status) with(reword func(stage, text string) string) *status {
	if s == nil {
		return &status{reword: reword}
	}
	return &status{file: s.file, reword: reword}
}

// words are the words in which something is said.
func (s *status) words(stage, text string) string {
	if s == nil || s.reword == nil || text == "" {
		return text
	}
	return s.reword(stage, text)
}

// An event is a line of JSON on the status descriptor.
type event struct {
	Event string `json:"event"`
	Stage string `json:"stage,omitempty"`
	Op    string `json:"op,omitempty"`
	Errno string `json:"errno,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Cause is the name of what the hint, or else the error, says.
	Cause cause.Name `json:"cause,omitempty"`
	What  string     `json:"what,omitempty"`
	PID   int        `json:"pid,omitempty"`
	// Namespaces are their numbers by their names in /proc/PID/ns.
	Namespaces map[string]uint64 `json:"namespaces,omitempty"`
	// Code is the exit status of a payload that has exited, and Signal the name of the
	// signal that has terminated it.
	Code   *int   `json:"code,omitempty"`
	Signal string `json:"signal,omitempty"`
	// Reason is why the supervisor has ended it, or "".
	Reason string `json:"reason,omitempty"`
}

// checkStatus returns an error if events cannot be written to a descriptor. -1 is none.
func checkStatus(fd int) error {
	if fd < 0 {
		return nil
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = unix.EBADF
	}
	if err != nil {
		return fmt.Errorf("--status-fd %d: %w", fd, err)
	}
	return nil
}

// openStatus takes over the descriptor: the payload does not inherit it.
func openStatus(fd int) (*status, error) {
	if err := checkStatus(fd); err != nil || fd < 0 {
		return nil, err
	}
	if fd > 2 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("--status-fd %d: %w", fd, err)
		}
	}
	return &status{file: os.NewFile(uintptr(fd), "status")}, nil
}

func (s *status) write(e event) {
	if s == nil || s.file == nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		s.file.Write(append(vis.JSON(line), '\n'))
	}
}

// ready reports the start before the payload is executed.
func (s *status) ready(pid int, list []plan.Namespace) error {
	if s == nil {
		return nil
	}
	e := event{Event: "started", PID: pid, Namespaces: map[string]uint64{}}
	for _, ns := range list {
		e.Namespaces[ns.Name] = ns.ID
	}
	s.write(e)
	s.told = true
	return nil
}

// started reports the start, unless that was done.
func (s *status) started(pid int) {
	if s != nil && !s.told {
		s.write(event{Event: "started", PID: pid})
	}
}

func (s *status) exited(w unix.WaitStatus, reason string) {
	e := event{Event: "exited", Reason: reason}
	if w.Signaled() {
		e.Signal = unix.SignalName(w.Signal())
	} else {
		code := w.ExitStatus()
		e.Code = &code
	}
	s.write(e)
}
