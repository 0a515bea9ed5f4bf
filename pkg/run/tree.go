package run

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const (
	// killTime is how long KillTree tries, and killPause the time between two passes.
	killTime  = 10 * time.Second
	killPause = time.Millisecond
	// quietPasses are the passes in which nothing may be found before KillTree is done,
	// and quickLooks how often each looks for orphans: a process that creates another one
	// and ends is missed by a single look.
	quietPasses = 3
	quickLooks  = 30
)

var _ plan.Payload = (*Supervisor)(nil)

// adopts reports whether the plan has made this process a subreaper: then what outlives
// its parent is its child.
func (s *Supervisor) adopts() bool { return s.layout.plan.Subreaper }

// Executed implements plan.Payload.
func (s *Supervisor) Executed() time.Time { return s.executed }

// SignalTree implements plan.Payload.
func (s *Supervisor) SignalTree(sig unix.Signal) {
	s.known = s.tree()
	s.ask(sig)
	for _, p := range s.known {
		if p.pid != s.Payload && p.pid != s.PID {
			s.proc.signal(p, sig)
		}
	}
}

// ask sends a signal to the payload, and performs the default action where the kernel
// does not.
func (s *Supervisor) ask(sig unix.Signal) {
	if s.rest.receive(); sig != unix.SIGCONT && s.rest.sock >= 0 && !s.rest.payload {
		// A stage may not have the runtime's handlers yet: as in awaitPayload.
		s.killed = sig
		s.send(unix.SIGKILL)
		return
	}
	does := handled
	if s.spared(sig) {
		does = s.action(sig)
	}
	s.send(sig)
	s.doIf(does, sig)
}

// lateSignals is how long a signal that has ended the payload may take to be noticed here.
const lateSignals = 100 * time.Millisecond

// Asked implements plan.Payload. What the payload has ended by, such as Ctrl-C, asks for
// nothing more.
func (s *Supervisor) Asked() bool {
	asked := s.asked() != nil
	if asked && time.Since(s.endedAt) < lateSignals {
		s.list = nil
		return false
	}
	return asked
}

// TreeEnded implements plan.Payload.
func (s *Supervisor) TreeEnded() bool { return len(s.tree()) == 0 }

// KillTree implements plan.Payload. The end of PID 1 ends a PID namespace. Elsewhere a
// process may create others faster than they are found: so those that are found may
// create no more, and yield the processors, before they are killed, and it is repeated
// until nothing is found any more.
func (s *Supervisor) KillTree() (found bool) {
	if s.IsPID1() || s.layout.plan.InitReaps() {
		s.send(unix.SIGKILL)
		unix.PidfdSendSignal(s.PidFD, unix.SIGKILL, nil, 0)
	}
	cpu, release := stayHere()
	defer release()
	end := time.Now().Add(killTime)
	for quiet := 0; quiet < quietPasses && time.Now().Before(end); quiet++ {
		now := s.killAll(s.tree(), cpu)
		for range quickLooks {
			s.continueTraced()
			now = s.killOrphans(cpu) || now
		}
		if now {
			found, quiet = true, -1
		} else {
			time.Sleep(killPause)
		}
	}
	if s.send(unix.SIGKILL); !s.Direct() {
		unix.PidfdSendSignal(s.PidFD, unix.SIGKILL, nil, 0)
	}
	return found
}

// stayHere keeps this thread on its processor, where it does not yield to processes that
// are restrained there, until release is called. The set is empty if that is impossible.
func stayHere() (here unix.CPUSet, release func()) {
	var all unix.CPUSet
	var cpu uint32
	_, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	if e != 0 || unix.SchedGetaffinity(0, &all) != nil {
		return here, func() {}
	}
	here.Set(int(cpu))
	if unix.SchedSetaffinity(0, &here) != nil {
		return unix.CPUSet{}, func() {}
	}
	return here, func() { unix.SchedSetaffinity(0, &all) }
}

func (s *Supervisor) killAll(list []numbered, cpu unix.CPUSet) bool {
	for _, p := range list {
		if s.proc.has(p) {
			restrain(p.pid, cpu)
		}
		s.proc.signal(p, unix.SIGKILL)
	}
	return len(list) > 0
}

// killOrphans kills what has become a child of this process, without looking at all
// processes, and reaps it. Until then its number is its own.
func (s *Supervisor) killOrphans(cpu unix.CPUSet) (found bool) {
	if !s.adopts() {
		return false
	}
	if s.tracer() == nil {
		s.reapAll()
	}
	self := strconv.Itoa(os.Getpid())
	for _, word := range bytes.Fields(s.proc.read("self/task/" + self + "/children")) {
		pid, err := strconv.Atoi(string(word))
		if err != nil || pid == s.PID || slices.ContainsFunc(s.helpers, func(h numbered) bool { return h.pid == pid }) {
			continue
		}
		restrain(pid, cpu)
		found = unix.Kill(pid, unix.SIGKILL) == nil || found
	}
	return found
}

// reapAll reaps every child that has ended. The end of the cloned process is kept for
// reap.
func (s *Supervisor) reapAll() {
	for {
		var end plan.End
		pid, err := unix.Wait4(-1, &end.Status, unix.WNOHANG|unix.WALL, &end.Rusage)
		switch {
		case err == unix.EINTR:
		case err != nil || pid == 0:
			return
		case pid == s.PID:
			s.reaped = &end
		default:
			s.forget(pid)
		}
	}
}

// forget removes a helper that was reaped: another process may get its number.
func (s *Supervisor) forget(pid int) {
	s.helpers = slices.DeleteFunc(s.helpers, func(h numbered) bool { return h.pid == pid })
}

// continueTraced continues what has stopped for the tracer at its end.
func (s *Supervisor) continueTraced() {
	for range maxStops {
		if s.tracer() == nil {
			return
		}
		var end plan.End
		pid, err := unix.Wait4(-1, &end.Status, unix.WNOHANG|unix.WALL, &end.Rusage)
		switch {
		case err == unix.EINTR:
		case err != nil || pid == 0:
			return
		case end.Status.Stopped():
			s.tracer().Stopped(pid, end.Status)
		default:
			s.ended(pid, end)
		}
	}
}

// tree lists the payload and the processes that descend from it, without zombies and
// without an init or a joiner. Without a procfs it is empty.
func (s *Supervisor) tree() (list []numbered) {
	all := s.proc.processes()
	next := s.children(all)
	for _, p := range all {
		if slices.ContainsFunc(s.known, p.is) {
			next = append(next, p)
		}
	}
	seen := map[int]bool{}
	for len(next) > 0 {
		p := next[0]
		next = next[1:]
		if seen[p.pid] {
			continue
		}
		seen[p.pid] = true
		if !p.over && (p.pid != s.PID || s.Direct()) && !slices.Contains(s.between, p.pid) {
			list = append(list, p)
		}
		for _, c := range all {
			if c.parent == p.pid {
				next = append(next, c)
			}
		}
	}
	return list
}

// children are those of this process that belong to the payload: the cloned process, and
// with a subreaper all but helpers.
func (s *Supervisor) children(all []numbered) (list []numbered) {
	self := os.Getpid()
	for _, p := range all {
		if p.parent == self && (p.pid == s.PID || s.adopts() && !s.isHelper(p)) {
			list = append(list, p)
		}
	}
	return list
}

func (s *Supervisor) isHelper(p numbered) bool { return slices.ContainsFunc(s.helpers, p.is) }

// restrain makes a process run only on a processor, and only if no other wants to
// (SCHED_IDLE), and keeps it, if it is not privileged, from creating others
// (RLIMIT_NPROC). All of these are inherited.
func restrain(pid int, cpu unix.CPUSet) {
	var param struct{ priority int32 }
	unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), unix.SCHED_IDLE, uintptr(unsafe.Pointer(&param)))
	if cpu.Count() > 0 {
		unix.SchedSetaffinity(pid, &cpu)
	}
	unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{}, nil)
}
