package run

import (
	"fmt"
	"os"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

func start(l *layout) (*Process, error) {
	c := &Process{layout: l, PidFD: -1, payload: -1, sock: -1, rest: -1}
	childs, err := c.connect()
	if err == nil {
		err = c.clone()
	}
	for _, fd := range childs {
		unix.Close(fd)
	}
	if err != nil {
		c.End()
		c.Close()
		return nil, err
	}
	return c, nil
}

// connect creates the sockets to the child, and returns the child's ends.
func (c *Process) connect() (childs []int, err error) {
	l, sockets := c.layout, c.layout.plan.Sockets()
	var end int
	if c.sock, end, err = pair(); err != nil {
		return nil, err
	}
	childs = append(childs, end)
	l.set(sockets.Supervisor, uint64(end))
	l.set(sockets.Own, uint64(c.sock))
	if sockets.Moved != nil {
		l.set(sockets.Moved, uint64(sockets.MovedTo))
		last := sockets.MovedTo
		if command := l.attr.Command; command != nil && len(command.Files) > 0 {
			last = len(command.Files) - 1
		}
		l.set(l.plan.LastFile(), uint64(last))
	}
	// The child's messages carry its PID, translated to the namespace of this process.
	if err := unix.SetsockoptInt(c.sock, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return childs, fmt.Errorf("setsockopt SO_PASSCRED: %w", err)
	}
	if sockets.Rest == nil {
		return childs, nil
	}
	if c.rest, end, err = pair(); err != nil {
		return childs, err
	}
	l.set(sockets.Rest, uint64(end))
	return append(childs, end), nil
}

// clone performs the caller's ops, the last of which is the clone.
func (c *Process) clone() error {
	l, at := c.layout, 0
	for !l.op(at).Is(plan.Clones) {
		at++
	}
	if err := c.findOthers(); err != nil {
		return err
	}
	if err := c.upTo(at); err != nil {
		return err
	}
	r := l.record(at)
	if l.plan.OwnMemory() {
		heap.hide()
	}
	pid := forkChild(l.head, r)
	if l.plan.OwnMemory() {
		heap.show()
	}
	r.result, r.done = pid, 1
	if int(pid) < 0 {
		return l.failure(at)
	}
	c.PID, c.Payload = int(pid), int(pid)
	c.PidFD = int(*(*int32)(l.at(l.places[l.plan.PidFD().Number()])))
	if l.observes {
		l.leavePrograms()
	}
	return nil
}

// findOthers notes the children that a subreaper had before it became one: the program
// that it was may have started them.
func (c *Process) findOthers() error {
	p := c.layout.plan
	if !p.Subreaper {
		return nil
	}
	var err error
	if c.proc, err = openProcfs(); err != nil && !p.PayloadIsPID1() && !p.InitReaps() {
		return err
	}
	c.helpers = c.proc.childrenOf(os.Getpid())
	return nil
}

// forkChild clones as a record says. Between the two calls of the runtime's functions
// nothing may grow the stack.
//
//go:norace
//go:nocheckptr
func forkChild(h *header, r *record) uintptr {
	args, size := unsafe.Add(unsafe.Pointer(nil), r.args[0]), r.args[1]
	runtimeBeforeFork()
	pid := clone3(args, size, unsafe.Pointer(h), 0)
	runtimeAfterFork()
	return pid
}

// pair creates a socket pair between supervisor and child.
func pair() (ours, childs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w", err)
	}
	return pair[0], pair[1], nil
}

// upTo performs the caller's items before record end: its clone.
func (c *Process) upTo(end int) error {
	l := c.layout
	at := &stepContext{pid: os.Getpid(), layout: l, sock: -1, process: c}
	for k := 0; ; {
		for _, step := range l.stepsAt(k) {
			if err := at.do(step); err != nil {
				return err
			}
		}
		if k == end {
			return nil
		}
		next := l.piece(k, end)
		if !perform(l.head, uintptr(k), uintptr(next)) {
			return l.failure(int(l.head.failed) - 1)
		}
		k = next
	}
}

// piece is where the ops from record k on end: before a step, or at end.
func (t *template) piece(k, end int) int {
	for k++; k < end && t.index[k] == t.index[k-1]+1; k++ {
	}
	return k
}

// stepsAt returns the steps right before record k.
func (t *template) stepsAt(k int) []*plan.Step {
	end := len(t.items)
	if k < len(t.index) {
		end = t.index[k]
	}
	first := 0
	if k > 0 {
		first = t.index[k-1] + 1
	}
	var steps []*plan.Step
	for _, it := range t.items[first:end] {
		steps = append(steps, it.Step)
	}
	return steps
}
