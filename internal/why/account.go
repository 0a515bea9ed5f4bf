package why

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"hk/internal/vis"
	"hk/pkg/getopt"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// A refusal is what was refused once or more.
type refusal struct {
	Refused
	Times int `json:"times"`
	line  string
}

// An event is a line of JSON: what was refused, as it happens.
type event struct {
	Event string `json:"event"`
	PID   int    `json:"pid,omitempty"`
	Comm  string `json:"comm,omitempty"`
	*Refused
}

// A gap is a line of JSON: what is not seen.
type gap struct {
	Event string `json:"event"`
	What  string `json:"what"`
}

// An account is the last line of JSON.
type account struct {
	Event   string     `json:"event"`
	Refused []*refusal `json:"refused"`
	Unseen  []string   `json:"unseen"`
	// Untold is the number of refusals that are in no list.
	Untold int `json:"untold"`
}

// happens tells what has happened: a line of text, or an event.
func (f *follower) happens(text string, e any) {
	if !f.json {
		f.say(text)
		return
	}
	b, err := json.Marshal(e)
	if err == nil {
		f.write(append(vis.JSON(b), '\n'))
	}
}

// refuses tells of a refusal by a call of a thread.
func (f *follower) refuses(r *refusal, tid int) {
	e := event{Event: "refused", PID: tid, Refused: &r.Refused}
	text := "PID " + strconv.Itoa(tid)
	if b, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/comm"); err == nil {
		e.Comm = strings.TrimSuffix(string(b), "\n")
		text += ", " + e.Comm
	}
	f.happens(r.line+" ("+text+")", e)
}

func (f *follower) notSeen(what string) {
	for _, old := range f.blind {
		if old == what {
			return
		}
	}
	f.blind = append(f.blind, what)
	f.happens(string(unseen)+": "+what, gap{"unseen", what})
}

// report tells at the end what was refused, and what could not be seen.
func (f *follower) report() {
	if f.json {
		f.happens("", account{"end", append([]*refusal{}, f.order...), append([]string{}, f.blind...), f.more})
		return
	}
	if len(f.order) == 0 && len(f.blind) == 0 && f.more == 0 {
		f.say("at the end: of the calls that were followed, none was refused")
		return
	}
	f.say(fmt.Sprintf("at the end: %d refused", len(f.order)))
	for _, r := range f.order {
		if r.Times > 1 {
			f.say(fmt.Sprintf("%s (%d times)", r.line, r.Times))
			continue
		}
		f.say(r.line)
	}
	if f.more > 0 {
		f.say(fmt.Sprintf("unseen: %d more failures, of which no account was kept", f.more))
	}
	for _, what := range f.blind {
		f.say(string(unseen) + ": " + what)
	}
}

// An output is where a run is told about: a file, fd:N, or "" for standard error.
type output string

func (o output) check() error {
	n, ok := strings.CutPrefix(string(o), "fd:")
	if ok {
		_, err := getopt.ParseFD(n)
		return err
	}
	if o == "" || o == "-" {
		return errors.New("a file or fd:N is needed: standard output is the payload's")
	}
	return nil
}

// open opens it. own is a descriptor of the caller that it uses, or -1: neither the payload
// nor a helper program inherits that.
func (o output) open() (file *os.File, own int, err error) {
	n, ok := strings.CutPrefix(string(o), "fd:")
	if !ok {
		fd, err := host.Create(string(o))
		if err != nil {
			return nil, -1, fmt.Errorf("--output %s: %w", o, err)
		}
		return os.NewFile(uintptr(fd), string(o)), -1, nil
	}
	fd, _ := strconv.Atoi(n)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = unix.EBADF
	}
	if own = fd; err == nil && fd <= 2 {
		own = -1
		fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	} else if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	if err != nil {
		return nil, -1, fmt.Errorf("--output fd:%s: %w", n, err)
	}
	return os.NewFile(uintptr(fd), string(o)), own, nil
}
