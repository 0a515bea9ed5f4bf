package run

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A teller is a thread that reports a failure if the thread that performs the plan
// cannot: a filter, which applies only to that thread, may deny it every call.
type teller struct {
	err    error
	failed atomic.Bool
}

// newTeller starts the thread. It ends with the process, or at the other thread's
// execve(2).
func newTeller(l *layout) *teller {
	// The other thread will not help the runtime: it keeps a processor, and a
	// collection would wait for it.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(-1)
	t := &teller{}
	started := make(chan bool)
	go func() {
		runtime.LockOSThread()
		close(started)
		for !t.failed.Load() {
			time.Sleep(time.Millisecond)
		}
		if t.err == nil {
			t.err = l.failure(int(l.head.failed) - 1)
		}
		l.attr.Failed(t.err)
	}()
	<-started
	return t
}

// tell makes the teller report a failure: err, or that of an op. It does not return. It
// makes no system call and does not allocate memory, for which the runtime may have to
// make one. A nil teller does nothing.
func (t *teller) tell(err error) {
	if t == nil {
		return
	}
	t.err = err
	t.failed.Store(true)
	for {
	}
}
