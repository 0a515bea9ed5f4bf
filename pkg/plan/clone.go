package plan

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

// cloneOp is clone3(2) with a stack for the child.
func (p *Plan) cloneOp(flags uint64) *Op {
	if !p.copies {
		flags |= unix.CLONE_VM
	}
	flags |= unix.CLONE_CLEAR_SIGHAND
	pidfd := Reserve("", 8)
	stack := Reserve("", stackSize)
	s := (&structure{}).u64(flags)
	if flags&unix.CLONE_PIDFD != 0 {
		s.pointer(pidfd)
		p.args = pidfd
	} else {
		s.u64(0)
	}
	s.u64(0).u64(0).u64(uint64(unix.SIGCHLD)).pointer(stack).u64(stackSize)
	s.u64(0).u64(0).u64(0).u64(0)
	forbidden := "making namespaces is forbidden here; for an ordinary user look at kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns and the seccomp filter of an outer container"
	if flags&unix.CLONE_NEWUSER == 0 {
		forbidden = "an ordinary user needs a user namespace for this: hk-unshare --user"
	}
	args := s.is(func() string { return "{flags=" + flagText(flags, cloneFlags) + ", exit_signal=SIGCHLD}" })
	op := call("clone3", unix.SYS_CLONE3, Ptr(args), Int(int64(len(args.bytes)))).
		Hint(unix.EPERM, forbidden).
		Hint(unix.ENOSPC, "a limit in /proc/sys/user/max_*_namespaces is 0 or reached, or namespaces are nested too deep").
		Hint(unix.EAGAIN, "a limit on processes is reached: RLIMIT_NPROC (ulimit -u) of the user, or pids.max of a cgroup").
		Hint(unix.ENOSYS, "a seccomp filter around hides clone3(2), as that of a container, or systemd's RestrictNamespaces=")
	op.clone = true
	return op
}

// Start performs the caller's ops and clones. The child goes on by itself up to
// its first outside step. Preconditions: as for [Plan.Here]; the thread must
// live as long as the child, since it is the thread whose end a parent-death
// signal reports. Two starts of one plan at a time take a [Program].
func (p *Plan) Start() (*Process, error) {
	if !p.Cloned() {
		panic("plan: Start is for plans with a clone")
	}
	l, err := p.lay()
	if err != nil {
		return nil, err
	}
	return p.start(l)
}

func (p *Plan) start(l *layout) (*Process, error) {
	c := &Process{plan: p, layout: l, PidFD: -1, sock: -1, rest: -1}
	childs, err := c.connect()
	if err == nil {
		err = c.clone()
	}
	for _, fd := range childs {
		unix.Close(fd)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// connect makes the sockets to the child, and returns its ends.
func (c *Process) connect() (childs []int, err error) {
	p, l := c.plan, c.layout
	var end int
	if c.sock, end, err = pair(); err != nil {
		return nil, err
	}
	childs = append(childs, end)
	l.set(p.sync, uint64(end))
	l.set(p.ours, uint64(c.sock))
	// The child's messages carry its PID, translated into our namespace.
	if err := unix.SetsockoptInt(c.sock, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		return childs, fmt.Errorf("setsockopt SO_PASSCRED: %w", err)
	}
	if p.rest == nil {
		return childs, nil
	}
	if c.rest, end, err = pair(); err != nil {
		return childs, err
	}
	l.set(p.rest, uint64(end))
	return append(childs, end), nil
}

// clone performs the caller's ops, of which the last is the clone.
func (c *Process) clone() error {
	p, l := c.plan, c.layout
	at := 0
	for !p.items[l.index[at]].op.clone {
		at++
	}
	if err := p.upTo(l, at); err != nil {
		return err
	}
	r := l.record(at)
	pid := forkChild(l.head, r)
	r.result, r.done = pid, 1
	if int(pid) < 0 {
		return p.failure(l, at)
	}
	c.PID, c.Payload = int(pid), int(pid)
	c.PidFD = int(*(*int32)(l.at(p.args.at)))
	return nil
}

// forkChild clones as a record says. Between the two calls of the runtime's nothing
// may grow the stack.
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

// pair makes a socket between supervisor and child.
func pair() (ours, childs int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w", err)
	}
	return pair[0], pair[1], nil
}

// upTo performs the caller's items before record end: its clone.
func (p *Plan) upTo(l *layout, end int) error {
	at := p.atCaller(l)
	for k := 0; ; {
		for _, step := range p.stepsAfter(l, k) {
			if err := at.do(step); err != nil {
				return err
			}
		}
		if k == end {
			return nil
		}
		next := p.piece(l, k, end)
		if !perform(l.head, uintptr(k), uintptr(next)) {
			return p.failure(l, int(l.head.failed)-1)
		}
		k = next
	}
}

// piece is where the ops from record k on end before a step, or at end.
func (p *Plan) piece(l *layout, k, end int) int {
	for k++; k < end && l.index[k] == l.index[k-1]+1; k++ {
	}
	return k
}
