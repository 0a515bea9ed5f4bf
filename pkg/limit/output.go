package limit

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// An output copies what the payload writes to its standard output and error, up to a
// number of bytes.
type output struct {
	max  int64
	used atomic.Int64
	// full becomes readable when the payload has written more, and over when it has
	// ended: eventfd(2).
	full, over int
	streams    []*stream
	copied     sync.WaitGroup
	// dup makes the pipes the child's standard output and error.
	dup []*plan.Op
}

// A stream is a pipe from the payload, and where its contents go. Standard output and
// error that lead to the same file share one, so that their order is kept.
type stream struct{ to, from, write int }

// planOutput adds the step that creates the pipes.
func (g *guard) planOutput(s *stage.State) {
	o := &output{max: int64(g.MaxOutput), full: -1, over: -1}
	g.output = o
	out, errs := s.Plan.NewResult("stdout"), s.Plan.NewResult("stderr")
	s.For(fmt.Sprintf("--max-output %d", g.MaxOutput))
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "create pipes for standard output and standard error", Gives: []*plan.Result{out, errs},
		Do: func(at plan.Context) error { return o.open(at, out, errs) }})
	o.dup = []*plan.Op{plan.Dup3(out, 1, false), plan.Dup3(errs, 2, false)}
}

// open creates the pipes. It fails if the caller has closed one of the descriptors.
func (o *output) open(at plan.Context, out, errs *plan.Result) error {
	var first, second unix.Stat_t
	if err := errors.Join(unix.Fstat(1, &first), unix.Fstat(2, &second)); err != nil {
		return fmt.Errorf("standard output and standard error: %w", err)
	}
	for _, fd := range []*int{&o.full, &o.over} {
		var err error
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			return fmt.Errorf("eventfd2: %w", err)
		}
	}
	one, err := o.add(1)
	if err != nil {
		return err
	}
	two := one
	if first.Dev != second.Dev || first.Ino != second.Ino {
		if two, err = o.add(2); err != nil {
			return err
		}
	}
	at.Set(out, uint64(one.write))
	at.Set(errs, uint64(two.write))
	return nil
}

func (o *output) add(to int) (*stream, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe2: %w", err)
	}
	s := &stream{to: to, from: p[0], write: p[1]}
	o.streams = append(o.streams, s)
	return s, nil
}

// start begins to copy. The payload has its own ends of the pipes by now.
func (o *output) start() {
	for _, s := range o.streams {
		unix.Close(s.write)
		o.copied.Go(func() { o.copy(s) })
	}
}

// rest is how much is still read from a pipe once the payload has ended: its largest
// size. What it has left running may write forever.
const rest = 1 << 20

// copy copies one stream until its end, or after the payload's until it is empty. If
// nobody reads it, the payload gets SIGPIPE.
func (o *output) copy(s *stream) {
	defer unix.Close(s.from)
	b := make([]byte, 64<<10)
	for left := rest; left > 0; {
		fds := []unix.PollFd{{Fd: int32(s.from), Events: unix.POLLIN}, {Fd: int32(o.over), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents == 0 {
			if fds[1].Revents != 0 {
				return
			}
			continue
		}
		n, err := unix.Read(s.from, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		if fds[1].Revents != 0 {
			left -= n
		}
		if !o.pass(s.to, b[:n]) {
			return
		}
	}
}

// pass writes as much as is allowed, and reports whether that could be written.
func (o *output) pass(to int, b []byte) bool {
	before := o.used.Add(int64(len(b))) - int64(len(b))
	if left := max(0, o.max-before); left < int64(len(b)) {
		b = b[:left]
		unix.Write(o.full, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	for len(b) > 0 {
		n, err := unix.Write(to, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(to), Events: unix.POLLOUT}}, -1)
		default:
			return false
		}
	}
	return true
}

// finish copies what is left in the pipes. If the payload was ended, it waits for a
// reader no longer than patience; otherwise until a signal asks for the end.
func (o *output) finish(ended bool, patience time.Duration, p plan.Payload) {
	unix.Write(o.over, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	done := make(chan struct{})
	go func() { o.copied.Wait(); close(done) }()
	for end := time.Now().Add(patience); !p.Asked() && (!ended || time.Now().Before(end)); {
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
