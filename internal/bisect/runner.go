package bisect

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hk/internal/cli"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

const (
	// maxOutput is how much of the output of a run is kept.
	maxOutput = 4 << 20
	// firstFD is where the descriptor for events is looked for: above those of the caller.
	firstFD = 200
	// killAfter is how long a run that is over has to end by itself after SIGTERM.
	killAfter = time.Second
	// leftTime is how long the end of what a run has left behind may take.
	leftTime = 20 * time.Second
)

// An interrupted is the end of the search by a signal.
type interrupted struct{ signal unix.Signal }

func (i *interrupted) Error() string { return "ended by " + unix.SignalName(i.signal) }

// An outcome is how a run has ended.
type outcome struct {
	// behaves is set if it is as expected, and end says how it has ended.
	behaves bool
	end     string
	// unbuilt is set if the payload was not started because a stage has failed; stage is
	// that, or "".
	unbuilt bool
	stage   string
	output  []byte
	events  []event
}

// A runner runs chains, one after another.
type runner struct {
	front   *cli.Front
	request *request
	stdin   *os.File
	// output is the directory of --output, or nil. It stays open: a payload that may write to
	// where it is could put another in its place.
	output  *os.Root
	signals chan os.Signal
	count   int
	// others are children that no run has left: of what was executed in this process before.
	others []int
}

func newRunner(f *cli.Front, r *request) (*runner, error) {
	n := &runner{front: f, request: r, signals: make(chan os.Signal, 1)}
	if _, err := os.Stat("/proc/thread-self/children"); err != nil {
		return nil, fmt.Errorf("a procfs is needed, to find what a run leaves behind: %w", err)
	}
	n.others = children()
	if err := above(); err != nil {
		return nil, err
	}
	if err := n.openStdin(); err != nil {
		return nil, fmt.Errorf("--stdin %s: %w", r.stdin, err)
	}
	if r.output != "" {
		if err := host.MakeDir(r.output); err != nil {
			return nil, fmt.Errorf("--output: %w", err)
		}
		var err error
		if n.output, err = host.OpenRoot(r.output); err != nil {
			return nil, fmt.Errorf("--output: %w", err)
		}
	}
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(sig) {
			signal.Ignore(sig) // package entry has taken the runtime's handler away
			signal.Notify(n.signals, sig)
		}
	}
	return n, nil
}

// openStdin opens what each run reads from its beginning.
func (n *runner) openStdin() (err error) {
	switch path := n.request.stdin; path {
	case "":
		n.stdin, err = os.Open(os.DevNull)
		return err
	case "-":
		n.stdin, err = replayed(os.Stdin)
		return err
	default: // without waiting for a writer, if it is a FIFO
		if n.stdin, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		fi, err := n.stdin.Stat()
		if err == nil && !fi.Mode().IsRegular() {
			err = errors.New("not a regular file, which each run could read from its beginning")
		}
		return err
	}
}

// replayed is a copy of what can be read, which no run can change for the next one.
func replayed(r io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "stdin")
	if _, err = io.Copy(f, r); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// before runs the command of --before, guarded as a run is.
func (n *runner) before() error {
	if n.request.before == "" {
		return nil
	}
	e, err := n.guarded(performs, []string{"--", "/bin/sh", "-c", n.request.before}, os.Stderr, nil)
	switch {
	case err != nil:
		return fmt.Errorf("--before %s: %w", n.request.before, err)
	case e.stopped != nil:
		return cmp.Or[error](killLeft(n.others), e.stopped)
	case e.status != 0:
		return fmt.Errorf("--before %s: %s", n.request.before, endText(e.status))
	}
	return nil
}

// run has a child perform words in a new session, guarded by a process between, and waits for
// its end and for that of all that descends from it.
func (n *runner) run(does string, words []string) (*outcome, error) {
	select {
	case sig := <-n.signals:
		return nil, &interrupted{sig.(syscall.Signal)}
	default:
	}
	if err := n.before(); err != nil {
		return nil, err
	}
	n.count++
	out, outEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	output := make(chan []byte, 1)
	go func() { output <- readOutput(out) }()
	timer := time.NewTimer(n.request.timeout)
	defer timer.Stop()
	e, err := n.guarded(does, words, outEnd, timer.C)
	outEnd.Close()
	if err != nil {
		return nil, fmt.Errorf("run %d: %w", n.count, err)
	}
	out.SetReadDeadline(time.Now().Add(leftTime))
	o := &outcome{output: <-output, events: e.events}
	if e.stopped != nil {
		return nil, e.stopped
	}
	n.judge(o, e.status, e.late)
	return o, n.keep(o)
}

// An ending is how a guarded process has ended.
type ending struct {
	status  unix.WaitStatus
	events  []event
	late    bool
	stopped *interrupted
}

var errUnguarded = errors.New("the process that waits for the payload was ended, by that or by somebody else")

// guarded has a guarded process do what a name stands for, with an output, and waits for it. What
// it leaves is killed, but not that of a command that has no end: of --before.
func (n *runner) guarded(does string, words []string, out *os.File, end <-chan time.Time) (e ending, err error) {
	said, saidEnd, err := os.Pipe()
	if err != nil {
		return e, err
	}
	defer said.Close()
	cmd, fd, err := n.command(does, words, saidEnd)
	if err == nil {
		cmd.Stdout, cmd.Stderr = out, out
		err = cmd.Start()
		unix.Close(fd)
		cmd.Stdin.(*os.File).Close()
	}
	saidEnd.Close()
	if err != nil {
		return e, err
	}
	events := make(chan []event, 1)
	go func() { events <- readEvents(said) }()
	if e.status, e.late, e.stopped, err = n.wait(cmd.Process.Pid, end); err != nil {
		return e, err
	}
	if end != nil {
		if err := killLeft(n.others); err != nil {
			return e, err
		}
	}
	said.SetReadDeadline(time.Now().Add(leftTime))
	e.events = <-events
	told := false
	for _, v := range e.events {
		if v.Event == ended {
			e.status, told = unix.WaitStatus(v.Status), true
		}
	}
	if !told && !e.late && e.stopped == nil {
		return e, cmp.Or(killLeft(n.others), errUnguarded)
	}
	return e, nil
}

// command is the process that guards the child. fd is a copy of the descriptor for events that only it inherits.
func (n *runner) command(does string, words []string, to *os.File) (*exec.Cmd, int, error) {
	stdin, err := os.Open("/proc/self/fd/" + strconv.Itoa(int(n.stdin.Fd()))) // from its beginning
	if err != nil {
		return nil, -1, fmt.Errorf("--stdin: each run reads it from its beginning: %w", err)
	}
	fd, err := unix.FcntlInt(to.Fd(), unix.F_DUPFD, firstFD)
	if err != nil {
		if fd, err = unix.FcntlInt(to.Fd(), unix.F_DUPFD, 3); err != nil {
			stdin.Close()
			return nil, -1, err
		}
	}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{guards, strconv.Itoa(fd), strconv.Itoa(os.Getpid()), does}, words...), Env: environment(),
		Stdin: stdin, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	return cmd, fd, nil
}

// environment is that of the payload: without what this program alone is for.
func environment() (list []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HK_CHAIN=") {
			list = append(list, v)
		}
	}
	return list
}

// wait waits for a child, but not after it is late, or until a signal ends the search.
func (n *runner) wait(pid int, end <-chan time.Time) (status unix.WaitStatus, late bool, stopped *interrupted, err error) {
	ended := make(chan unix.WaitStatus, 1)
	go func() {
		var s unix.WaitStatus
		for {
			if _, err := unix.Wait4(pid, &s, 0, nil); err != unix.EINTR {
				ended <- s
				return
			}
		}
	}()
	select {
	case status = <-ended:
		return status, false, nil, nil
	case <-end:
	case sig := <-n.signals:
		stopped = &interrupted{sig.(syscall.Signal)}
	}
	unix.Kill(pid, unix.SIGTERM) // a supervisor passes it on
	select {
	case status = <-ended:
	case <-time.After(killAfter):
		unix.Kill(pid, unix.SIGKILL)
		select {
		case status = <-ended:
		case <-time.After(leftTime):
			err = errLeft
		}
	}
	return status, stopped == nil, stopped, err
}

// judge says what the end of a run means.
func (n *runner) judge(o *outcome, status unix.WaitStatus, late bool) {
	failed := false
	o.end = endText(status)
	if late {
		o.end = fmt.Sprintf("not ended after %v", n.request.timeout)
	}
	for _, e := range o.events {
		if e.Event == "failed" {
			o.stage, failed = e.Stage, true
			o.end = e.Stage + ": " + e.Error
			o.unbuilt = status.ExitStatus() == exitFailed
		}
	}
	if failed {
		return
	}
	o.behaves = true
	for _, e := range n.request.expect {
		o.behaves = o.behaves && !late && e.meets(o)
	}
}

// keep writes the output of a run to a new file, if that is asked for: what has its name is
// removed, and not written to, as it may be a link that the payload has made.
func (n *runner) keep(o *outcome) error {
	if n.output == nil {
		return nil
	}
	name := strconv.Itoa(n.count)
	if err := n.output.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--output: %w", err)
	}
	to, err := n.output.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	_, err = to.Write(o.output)
	return errors.Join(err, to.Close())
}

// readOutput reads the beginning of a run's output, and lets it write the rest.
func readOutput(r io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, maxOutput))
	io.Copy(io.Discard, r)
	return b
}

func readEvents(r io.Reader) (list []event) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			list = append(list, e)
		}
	}
	io.Copy(io.Discard, r)
	return list
}
