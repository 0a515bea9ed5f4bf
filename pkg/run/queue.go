package run

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo is the start of siginfo_t for signals that were sent.
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	value                 uint64 // of a signal by sigqueue(3)
	_                     [96]byte
}

const (
	siQueue  = -1
	siUser   = 0
	siKernel = 0x80
)

func (i siginfo) signal() unix.Signal { return unix.Signal(i.signo) }

// sentBy reports whether process pid sent it.
func (i siginfo) sentBy(pid int) bool { return i.code <= siUser && int(i.pid) == pid }

// A queue is the signals that have arrived and have not been handled yet.
type queue struct {
	pipe int // -1 if signals are not forwarded
	list []siginfo
	// spared are those by which the payload would not have ended at its start, because
	// the caller blocks or ignores them.
	spared uint64
}

func bit(sig unix.Signal) uint64 { return 1 << (sig - 1) }

// listen queues signals from now on.
func (q *queue) listen() error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("pipe2: %w", err)
	}
	q.pipe = fds[0]
	if err := relay(fds[1]); err != nil {
		return err
	}
	// What the caller blocks, the payload blocks or waits for. A child starts with all
	// signals blocked.
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return fmt.Errorf("rt_sigprocmask: %w", err)
	}
	return nil
}

// listenToAll is listen for the signals that were left to the kernel so far. From now
// on SIGTTOU does not stop this thread when it writes to the terminal.
func (q *queue) listenToAll() error {
	set := maskOf(unix.SIGTTOU)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return fmt.Errorf("rt_sigprocmask: %w", err)
	}
	if err := relayOne(unix.SIGTTIN); err != nil {
		return err
	}
	return relayOne(unix.SIGTTOU)
}

// maxReads is how often the pipe is read before what it had is handled: others may fill
// it as fast as it is read.
const maxReads = 64

// drain moves what the handler has written to the list.
func (q *queue) drain() error {
	if q.pipe < 0 {
		return nil
	}
	var infos [16]siginfo
	b := unsafe.Slice((*byte)(unsafe.Pointer(&infos)), unsafe.Sizeof(infos))
	for range maxReads {
		n, err := unix.Read(q.pipe, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			for sig := range missed {
				if missed[sig] != 0 {
					missed[sig] = 0
					q.list = append(q.list, siginfo{signo: int32(sig)})
				}
			}
			return nil
		case err != nil || n%int(unsafe.Sizeof(infos[0])) != 0:
			return fmt.Errorf("read of signals: %d bytes, %v", n, err)
		}
		q.list = append(q.list, infos[:n/int(unsafe.Sizeof(infos[0]))]...)
	}
	return nil
}

// take returns the first signal of the list, if there is one.
func (q *queue) take() (info siginfo, ok bool) {
	if len(q.list) == 0 {
		return info, false
	}
	info, q.list = q.list[0], q.list[1:]
	return info, true
}

// wait waits until a signal has arrived, or one of the descriptors also is readable; -1
// is skipped. timeout is in milliseconds, and -1 means forever.
func (q *queue) wait(timeout int, also ...int) error {
	if err := q.drain(); err != nil || len(q.list) > 0 {
		return err
	}
	return q.poll(timeout, also...)
}

// poll waits until a signal arrives, or one of the descriptors also is readable;
// timeout is as for wait.
func (q *queue) poll(timeout int, also ...int) error {
	fds := make([]unix.PollFd, 0, 3)
	for _, fd := range append([]int{q.pipe}, also...) {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(fds, timeout); err != nil && err != unix.EINTR {
		return fmt.Errorf("poll: %w", err)
	}
	return q.drain()
}

// more waits a moment for another signal. SIGCHLD can arrive after the child has been
// checked.
func (q *queue) more() bool {
	n := len(q.list)
	fds := []unix.PollFd{{Fd: int32(q.pipe), Events: unix.POLLIN}}
	unix.Poll(fds, 10)
	return q.drain() == nil && len(q.list) > n
}

// Interrupted is a signal that has ended the start of a payload: it would have ended
// the payload too, had it existed.
type Interrupted struct{ Signal unix.Signal }

func (e *Interrupted) Error() string {
	return unix.SignalName(e.Signal) + " before the payload was executed"
}

// asked is an [Interrupted] if a signal has arrived that asks for the end.
func (q *queue) asked() error {
	if err := q.drain(); err != nil {
		return err
	}
	for _, info := range q.list {
		switch sig := info.signal(); sig {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			if q.spared&bit(sig) == 0 {
				return &Interrupted{sig}
			}
		}
	}
	return nil
}
