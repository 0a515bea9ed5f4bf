package run

import (
	"os"
	"slices"
	"time"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// stop stops this process, because the payload has stopped, and returns when either
// continues.
//
// Only a signal wakes a stopped process, and none is sent when the payload continues:
// so a process is left running that checks it.
//
// still reports that there is something to do first, and that the payload has not
// continued: then this process must stop again.
func (s *Supervisor) stop() (still bool) {
	for {
		w := s.lookout()
		if w != nil {
			s.lookouts[w.pid%len(s.lookouts)] = w.pid
		}
		if s.terminal.regained() || !s.stopSelf() {
			w.end()
			s.sendGroup(unix.SIGCONT)
			return false
		}
		w.end()
		woken := s.resumed(w)
		stopped := s.hasStopped()
		if stopped && s.due() != nil {
			// A payload does not escape a deadline by stopping, nor continue before it
			// has been asked to end.
			s.watch()
			return false
		}
		if woken && stopped {
			s.sendGroup(unix.SIGCONT)
		}
		// Otherwise it has continued by itself, or there is something to do.
		if woken || !stopped || len(s.list) > 0 || s.tracedWaits() {
			return !woken && stopped
		}
	}
}

// tracedWaits reports whether something that is traced has stopped or ended and waits to be
// handled. No signal need tell of it: a SIGCHLD is lost while another one is pending, such
// as that of the lookout, which is no reason to look.
func (s *Supervisor) tracedWaits() bool {
	if s.tracer() == nil {
		return false
	}
	var info siginfo
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)),
		unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WNOHANG|unix.WALL, nil)
	return err == nil && info.pid != 0
}

// stopSelf stops this process, and returns when it continues. It reports whether it
// could: the kernel does not stop a PID 1 this way, so the supervisor above stops it,
// once. It may be stopped anywhere in here, so only a SIGCONT shows that it has
// continued.
func (s *Supervisor) stopSelf() bool {
	told := s.above.tell(plan.TellStops)
	if os.Getpid() != 1 {
		return unix.Kill(os.Getpid(), unix.SIGSTOP) == nil
	}
	for told && !slices.ContainsFunc(s.list, isCont) {
		told = s.poll(-1) == nil
	}
	return told
}

// stopInStart stops this process if the terminal stops its job before there is a payload, and
// returns when it continues.
func (s *Supervisor) stopInStart() {
	typed := func(info siginfo) bool { return info.signal() == unix.SIGTSTP && info.code == siKernel }
	if s.drain() != nil || s.queue.spared&bit(unix.SIGTSTP) != 0 || !slices.ContainsFunc(s.list, typed) {
		return
	}
	s.list = slices.DeleteFunc(s.list, typed)
	if s.stopSelf() {
		s.resumed(nil)
	}
}

// discardStops is what SIGCONT does to stops that the payload has not performed yet.
func (s *Supervisor) discardStops() {
	s.doubtful &^= bit(unix.SIGTSTP) | bit(unix.SIGTTIN) | bit(unix.SIGTTOU)
}

// wakes reports whether a signal is a SIGCONT sent by a process other than a lookout.
func (s *Supervisor) wakes(info siginfo) bool {
	return isCont(info) && !slices.ContainsFunc(s.lookouts[:], func(pid int) bool {
		// A sender whose signal is also for a new PID namespace has no PID there.
		return pid != 0 && info.sentBy(pid)
	})
}

func isCont(info siginfo) bool { return info.signal() == unix.SIGCONT }

// resumed removes from the list the signals that a SIGCONT voids, those that this process
// has sent itself, and the end of the lookout. It reports whether a process other than a
// lookout has sent the SIGCONT, or has put this process group into the foreground.
func (s *Supervisor) resumed(w *lookout) (woken bool) {
	s.discardStops()
	if s.drain() != nil {
		return true
	}
	// A thread that has taken the SIGCONT may be slow to write it.
	for n := 0; n < 20 && !slices.ContainsFunc(s.list, isCont); n++ {
		if s.poll(10) != nil {
			return true
		}
	}
	s.list = slices.DeleteFunc(s.list, func(info siginfo) bool {
		woken = woken || s.wakes(info)
		if isCont(info) && !s.wakes(info) && info.value == 1 {
			s.terminal.lost = true
		}
		return isCont(info) || isStop(info.signal()) || info.sentBy(os.Getpid()) ||
			info.signal() == unix.SIGCHLD && w != nil && int(info.pid) == w.pid
	})
	return s.terminal.regained() || woken
}

// stopPayload stops the payload, and returns when it has stopped, usually at once: the
// shell that controls the job may use the terminal once this process has stopped.
func (s *Supervisor) stopPayload() {
	s.sendGroup(unix.SIGSTOP)
	for range 1000 {
		if s.hasStopped() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// hasStopped reports whether the payload has, as far as can be seen.
func (s *Supervisor) hasStopped() bool {
	b, err := readProc(s.payload, "stat")
	return err != nil || isStopped(b)
}

// isStopped parses /proc/PID/stat. The program's name is in parentheses, and may
// contain some.
//
//go:nosplit
//go:norace
func isStopped(b []byte) bool {
	state := byte(0)
	for i, c := range b {
		if c == ')' {
			state = 0
			if i+2 < len(b) {
				state = b[i+2]
			}
		}
	}
	return state == 'T' || state == 't'
}
