package bisect

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"hk/internal/cli"
	"hk/internal/why"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// What a process of a run does, by the name under which it is called. Such a name has a space, so that
// no file is called by it by mistake. Its first argument is the descriptor for events.
const (
	guards   = "hk-bisect guards"
	performs = "hk-bisect performs"
	follows  = "hk-bisect follows"
)

// ended is the event that says how a child has ended.
const ended = "hk-bisect ended"

// An event is a line that a child writes: an event of a stage, or a refusal; or its guard.
type event struct {
	Event   string       `json:"event"`
	Stage   string       `json:"stage"`
	Error   string       `json:"error"`
	Hint    string       `json:"hint"`
	Refused *why.Refused `json:"refused"`
	Status  uint32       `json:"status"`
}

// childChain is the chain that a child is given.
func childChain(f *cli.Front) (c *chain.Chain, fd int, err error) {
	if len(os.Args) < 3 {
		return nil, -1, errors.New("is started by hk-bisect")
	}
	if fd, err = getopt.ParseFD(os.Args[1]); err != nil {
		return nil, -1, err
	}
	words := os.Args[2:]
	if words[0] == "--" {
		return nil, fd, nil
	}
	c, err = cli.ReadChain(f.Finder(true), words)
	return c, fd, err
}

// perform performs a chain, or executes a payload without one.
func perform(f *cli.Front) int {
	c, fd, err := childChain(f)
	switch {
	case err != nil:
		return f.Fail(exitFailed, fd, err)
	case c == nil:
		return execute(f, fd, os.Args[3:])
	}
	f.AlwaysFused = true
	common := chain.Common{StatusFD: fd}
	var stages []stage.Stage
	for _, l := range c.Links {
		stages = append(stages, l.Stage)
		common.ForceOrder = common.ForceOrder || l.Common.ForceOrder
	}
	return f.Run(chain.Compiled(os.Args, common, stages, c.Payload))
}

// execute executes a payload without any stage, in place of this process.
func execute(f *cli.Front, fd int, words []string) int {
	unix.CloseOnExec(fd)
	path, err := exec.LookPath(words[0])
	if err == nil || errors.Is(err, exec.ErrDot) {
		err = syscall.Exec(path, words, os.Environ())
	}
	return f.Fail(127, fd, err)
}

// follow performs a chain, and says what its payload is refused.
func follow(f *cli.Front) int {
	c, fd, err := childChain(f)
	if err != nil || c == nil {
		return f.Fail(exitFailed, fd, err)
	}
	unix.CloseOnExec(fd)
	to := os.NewFile(uintptr(fd), "events "+strconv.Itoa(fd))
	return why.Follow(f, c, func(r why.Refused) {
		if line, err := json.Marshal(event{Event: "refused", Refused: &r}); err == nil {
			to.Write(append(line, '\n'))
		}
	})
}
