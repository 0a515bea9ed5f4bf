package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// A Cmd is a command in its own sandbox, in the style of os/exec: its fields are set,
// then it is started, once, and waited for. Unless documented otherwise, a field means
// the same as there.
type Cmd struct {
	// Args are the name and the arguments. A name without a slash is searched for, in
	// the sandbox, in the directories of PATH in the environment of the chain;
	// directories that are not absolute are skipped.
	Args []string
	// Env is the environment; nil means that of the chain, which is that of this program
	// when the box was prepared, as changed by hk-setuser --clearenv, --setenv, --unsetenv
	// and --reset-env. An environment that is given is not changed by these. If a variable
	// occurs more than once, the last one applies.
	Env []string
	// Dir is the working directory, in the sandbox. "" is the directory that the stages
	// select: with hk-mount, that of this program if the new root has it, otherwise /.
	Dir string
	// Stdin, Stdout and Stderr are /dev/null if they are nil. An *os.File is passed to
	// the payload itself; for others, goroutines copy the data, and Wait waits for
	// them. As with os/exec, a Read of Stdin that blocks keeps Wait from returning, even
	// after the payload has ended and WaitDelay has passed: [Cmd.StdinPipe] does not.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// ExtraFiles become descriptors 3 and up, at most 250. The payload inherits no
	// other descriptor of this program.
	ExtraFiles []*os.File
	// Cancel is called when the context ends; nil means Kill. Wait returns its error,
	// unless that is os.ErrProcessDone.
	Cancel func() error
	// WaitDelay is how long to wait for the payload, after the context has ended,
	// before it is killed; and how long to wait, after the payload has ended, before
	// pipes of which other processes hold the other end are closed. 0 means forever.
	// Unlike with os/exec, the second time begins when the payload has ended, also
	// after the context has.
	WaitDelay time.Duration
	// Warn is called for anything that the set-up finds that is not a failure, and for
	// anything that was asked for only if possible and is skipped. If it is nil, this
	// is dropped.
	Warn func(stage, text string)

	// End is how the payload has ended; nil until [Cmd.Wait] has returned.
	End *plan.End

	box     *Box
	ctx     context.Context
	started bool
	waited  bool

	mu      sync.RWMutex // of process
	process *run.Process // nil once it has ended
	pid     int

	pipes
	ended   chan struct{} // closed once the payload has
	watched chan error    // the error of the context's watcher
}

// Command returns a command of the box. Its sandbox is created when the command is
// started, and ends with it: with hk-unshare --pid all of its processes end.
func (b *Box) Command(name string, args ...string) *Cmd {
	return &Cmd{Args: append([]string{name}, args...), box: b, ctx: context.Background()}
}

// CommandContext is [Box.Command] with a context: if that ends before the payload is
// executed, the start is abandoned; afterwards Cancel is called.
func (b *Box) CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	c := b.Command(name, args...)
	c.ctx = ctx
	return c
}

// Run is Start and Wait.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Start creates the sandbox and executes the payload in it. An error is a [StartError]:
// the payload has not run, and nothing remains. If the error is nil, Wait must be
// called.
func (c *Cmd) Start() error {
	if c.started {
		return errors.New("chain: the command was started already")
	}
	c.started = true
	command, err := c.command()
	if err == nil {
		err = c.ctx.Err()
	}
	if err == nil {
		err = c.open(c)
	}
	if err == nil {
		command.Files = c.descriptors()
		err = c.launch(command)
	}
	c.closeChilds()
	if err != nil {
		c.closeOurs()
		return startError(err)
	}
	c.ended = make(chan struct{})
	c.copyAll()
	if c.ctx.Done() != nil {
		c.watched = make(chan error, 1)
		go c.watch()
	}
	return nil
}

func (c *Cmd) launch(command *run.Command) error {
	given, stop, err := interruptOf(c.ctx)
	if err != nil {
		return err
	}
	defer stop()
	attr := run.Attr{Command: command, Interrupt: given, Warn: c.Warn}
	if c.Warn != nil {
		attr.Skipped = func(stage, what string) { c.Warn(stage, "skipped: "+what) }
	}
	p, err := c.box.program.Launch(attr)
	if err != nil {
		return err
	}
	c.process, c.pid = p, p.Payload
	c.box.said.Add(c.pid)
	return nil
}

// command is what the run is given.
func (c *Cmd) command() (*run.Command, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return nil, errors.New("no program to execute")
	}
	name := c.Args[0]
	r := &run.Command{Args: c.Args, Dir: c.Dir, Env: c.environ(), PlanEnv: c.Env == nil}
	if argv0 := c.box.state.Next.Argv0; argv0 != "" {
		r.Args = append([]string{argv0}, c.Args[1:]...)
	}
	if strings.ContainsRune(name, '/') {
		r.Paths = []string{name}
	} else {
		for _, dir := range c.box.path {
			r.Paths = append(r.Paths, dir+name)
		}
	}
	for _, list := range [][]string{r.Args, r.Env, {r.Dir}} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return nil, fmt.Errorf("%q: a null byte", s)
			}
		}
	}
	if most := min(c.box.last, plan.MaxFiles); 3+len(c.ExtraFiles) > most {
		return nil, fmt.Errorf("%d ExtraFiles; at most %d", len(c.ExtraFiles), most-3)
	}
	return r, nil
}

// environ is the payload's environment.
func (c *Cmd) environ() []string {
	env, unset := c.Env, c.box.state.Next.Unset
	if env == nil {
		env, unset = c.box.state.Env.List(), nil
	}
	seen := make(map[string]bool, len(env))
	list := make([]string, 0, len(env))
	for _, v := range slices.Backward(env) {
		name, _, _ := strings.Cut(v, "=")
		if name != "" && !seen[name] && !slices.Contains(unset, name) {
			list = append(list, v)
		}
		seen[name] = true
	}
	slices.Reverse(list)
	return list
}

// PID is the process ID of the payload in the PID namespace of this program, once it
// was started.
func (c *Cmd) PID() int { return c.pid }

// Signal sends a signal to the payload, through a PID file descriptor, so that no other
// process can get it. The error is os.ErrProcessDone once the payload has ended. With
// hk-unshare --pid and without --init the payload is PID 1, for which the kernel
// discards signals that it does not handle, except SIGKILL and SIGSTOP.
func (c *Cmd) Signal(sig unix.Signal) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.process == nil {
		return os.ErrProcessDone
	}
	return c.process.Signal(sig)
}

// Kill kills the payload with SIGKILL and, with hk-unshare --pid, everything that it
// has started.
func (c *Cmd) Kill() error { return c.Signal(unix.SIGKILL) }

// Output runs the command and returns its standard output. If Stderr is nil, an
// [ExitError] contains its standard error, or the end of it.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("chain: Stdout is set")
	}
	var out bytes.Buffer
	c.Stdout = &out
	var words lastWords
	if c.Stderr == nil {
		c.Stderr = &words
	}
	err := c.Run()
	var exit *ExitError
	if errors.As(err, &exit) {
		exit.Stderr = words.b
	}
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard error
// together.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("chain: Stdout or Stderr is set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// lastWords keeps the end of what is written to it.
type lastWords struct{ b []byte }

func (w *lastWords) Write(b []byte) (int, error) {
	const most = 32 << 10
	w.b = append(w.b, b...)
	if over := len(w.b) - most; over > 0 {
		w.b = append(w.b[:0], w.b[over:]...)
	}
	return len(b), nil
}

// interruptOf abandons a start when a context ends.
func interruptOf(ctx context.Context) (i *run.Interrupt, stop func(), err error) {
	if ctx.Done() == nil {
		return nil, func() {}, nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("eventfd: %w", err)
	}
	var mu sync.Mutex
	open := true
	forget := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if open {
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	})
	return &run.Interrupt{FD: fd, Err: ctx.Err, Done: ctx.Done()}, func() {
		forget()
		mu.Lock()
		defer mu.Unlock()
		open = false
		unix.Close(fd)
	}, nil
}
