package chain

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipes are the files of a command, and the data copied from and to them.
type pipes struct {
	files []*os.File // 0, 1, 2 and so on, of the payload
	// childEnds are those of them that were opened for the command, and parentEnds are the other
	// ends of pipes.
	childEnds, parentEnds []io.Closer
	copies                []func() error
	copied                chan error
}

// open opens the files for the payload.
func (p *pipes) open(c *Cmd) error {
	if err := p.input(c.Stdin); err != nil {
		return err
	}
	if err := p.output(c.Stdout); err != nil {
		return err
	}
	if c.Stderr != nil && same(c.Stderr, c.Stdout) {
		p.files = append(p.files, p.files[1])
	} else if err := p.output(c.Stderr); err != nil {
		return err
	}
	p.files = append(p.files, c.ExtraFiles...)
	for _, f := range p.files {
		if f == nil {
			return os.ErrInvalid
		}
	}
	return nil
}

// same reports whether two writers are the same. Types that cannot be compared are not.
func same(a, b io.Writer) bool {
	defer func() { recover() }()
	return a == b
}

// descriptors are those of the files. The command's ends of pipes become blocking.
func (p *pipes) descriptors() []int {
	fds := make([]int, len(p.files))
	for i, f := range p.files {
		fds[i] = int(f.Fd())
	}
	return fds
}

func (p *pipes) add(f *os.File) {
	p.files = append(p.files, f)
	p.childEnds = append(p.childEnds, f)
}

// null opens /dev/null anew: several payloads that shared an open file could use it to
// communicate.
func (p *pipes) null() error {
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		p.add(f)
	}
	return err
}

func (p *pipes) input(r io.Reader) error {
	if r == nil {
		return p.null()
	}
	if f, ok := r.(*os.File); ok {
		p.files = append(p.files, f)
		return nil
	}
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	p.add(from)
	p.parentEnds = append(p.parentEnds, to)
	p.copies = append(p.copies, func() error {
		_, err := io.Copy(to, r)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
			err = nil // the payload may not read all of it
		}
		if again := to.Close(); err == nil && !errors.Is(again, os.ErrClosed) {
			err = again
		}
		return err
	})
	return nil
}

func (p *pipes) output(w io.Writer) error {
	if w == nil {
		return p.null()
	}
	if f, ok := w.(*os.File); ok {
		p.files = append(p.files, f)
		return nil
	}
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	p.add(to)
	p.parentEnds = append(p.parentEnds, from)
	p.copies = append(p.copies, func() error {
		_, err := io.Copy(w, from)
		from.Close()
		return err
	})
	return nil
}

func closeEach(list []io.Closer) {
	for _, c := range list {
		c.Close()
	}
}

func (p *pipes) closeChilds() {
	closeEach(p.childEnds)
	p.childEnds = nil
}

func (p *pipes) closeOurs() {
	closeEach(p.parentEnds)
	p.parentEnds = nil
}

// copyAll starts the copying.
func (p *pipes) copyAll() {
	p.copied = make(chan error, len(p.copies))
	for _, f := range p.copies {
		go func() { p.copied <- f() }()
	}
}

// awaitCopies waits until everything is copied, or for a time, after which the pipes
// are closed.
func (p *pipes) awaitCopies(most time.Duration) (first error) {
	var late <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		late = timer.C
	}
	for range p.copies {
		var err error
		select {
		case err = <-p.copied:
		case <-late:
			p.closeOurs()
			late = nil
			if <-p.copied; first == nil {
				first = ErrWaitDelay
			}
			continue
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// StdinPipe returns a pipe to the payload's standard input. Wait closes it, unless it
// was closed before.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.started {
		return nil, errors.New("chain: Stdin is set, or the command was started")
	}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.Stdin = from
	c.childEnds = append(c.childEnds, from)
	w := &closeOnce{File: to}
	c.parentEnds = append(c.parentEnds, w)
	return w, nil
}

// StdoutPipe returns a pipe from the payload's standard output. It must be read to its
// end before Wait is called, which closes it.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) { return c.outputPipe(&c.Stdout, "Stdout") }

// StderrPipe is [Cmd.StdoutPipe] for standard error.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) { return c.outputPipe(&c.Stderr, "Stderr") }

func (c *Cmd) outputPipe(w *io.Writer, name string) (io.ReadCloser, error) {
	if *w != nil || c.started {
		return nil, errors.New("chain: " + name + " is set, or the command was started")
	}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	*w = to
	c.childEnds = append(c.childEnds, to)
	c.parentEnds = append(c.parentEnds, from)
	return from, nil
}

// A closeOnce may be closed again, for example by Wait.
type closeOnce struct {
	*os.File
	once sync.Once
	err  error
}

func (c *closeOnce) Close() error {
	c.once.Do(func() { c.err = c.File.Close() })
	return c.err
}
