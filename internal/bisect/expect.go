package bisect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An expectation is what a payload does that behaves: it ends with a status, or writes a
// text.
type expectation struct {
	// status is an end as [endText] says it, or "".
	status string
	text   string
}

// parseExpectation reads a status as a number, a signal as SIGTERM, or a text.
func parseExpectation(v string) (expectation, error) {
	if text, ok := strings.CutPrefix(v, "text:"); ok {
		v = text
	} else if n, err := strconv.ParseUint(v, 10, 64); err == nil {
		if n > 255 {
			return expectation{}, errors.New("an exit status is at most 255")
		}
		return expectation{status: fmt.Sprintf("exit status %d", n)}, nil
	} else if sig := unix.SignalNum(v); sig != 0 {
		return expectation{status: "killed by " + v}, nil
	} else if strings.HasPrefix(v, "SIG") && strings.ToUpper(v) == v && !strings.Contains(v, " ") {
		return expectation{}, errors.New("no signal has this name: text:" + v + " is the text")
	}
	if v == "" {
		return expectation{}, errors.New("an empty text is in any output")
	}
	return expectation{text: v}, nil
}

// meets reports whether the end of a run is as expected.
func (e expectation) meets(o *outcome) bool {
	if e.status != "" {
		return o.end == e.status
	}
	return strings.Contains(string(o.output), e.text)
}

// endText says how a process has ended.
func endText(status unix.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}
