package run

import (
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// tracer is the watcher that traces the child, or nil.
func (c *Process) tracer() *plan.Watcher {
	for _, w := range c.Watchers {
		if w.Stopped != nil {
			return w
		}
	}
	return nil
}

// gone tells the tracer, if any, that a thread has ended.
func (c *Process) gone(tid int) {
	if w := c.tracer(); w != nil && w.Gone != nil {
		w.Gone(tid)
	}
}

// patience is how long, in milliseconds, a watched child may be stopped by a signal
// before it is checked. Usually it is not stopped at all before it becomes the payload.
const patience = 10

// stops checks for a stop of the child or of the process between, and leaves their ends
// for wait.
func (c *Process) stops() {
	// siginfo_t as waitid(2) fills it in.
	var info struct {
		signo, errno, code, _ int32
		pid                   int32
		uid                   uint32
		status                int32
		_                     [100]byte
	}
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WSTOPPED|unix.WNOHANG|unix.WALL, nil)
	if err == nil && info.pid != 0 {
		c.tracer().Stopped(int(info.pid), unix.WaitStatus(uint32(info.status)<<8|0x7f))
	}
}

// reap waits for the cloned process. A traced process can be reaped by its parent only
// after its tracer has reaped it, even if the parent is an init.
func (c *Process) reap() (status unix.WaitStatus) {
	for {
		who := c.PID
		if c.tracer() != nil {
			who = -1
		}
		pid, err := unix.Wait4(who, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return status
		case !status.Stopped():
			c.gone(pid)
			if pid == c.PID {
				return status
			}
		default:
			c.tracer().Stopped(pid, status)
		}
	}
}
