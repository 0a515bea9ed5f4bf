package access

import (
	"os"
	"strconv"
	"strings"
)

// A signals is what was recorded about signals.
type signals struct {
	// inside are the threads that were recorded, by their number in the innermost PID
	// namespace, and known those of which that was looked up.
	inside map[string]bool
	known  map[int]bool
	// group are their thread groups.
	group map[int]int
	// others is set if another process was sent a signal, or if that is not known.
	others bool
}

// seen notes a thread.
func (s *signals) seen(tid int) {
	if s.known[tid] {
		return
	}
	if s.known == nil || len(s.known) >= maxPaths {
		s.known, s.inside, s.group = map[int]bool{}, map[string]bool{}, map[int]int{}
	}
	s.known[tid] = true
	if group := ids(tid, "Tgid"); len(group) == 1 {
		s.group[tid], _ = strconv.Atoi(group[0])
	}
	if own := ids(tid, "NSpid"); len(own) > 0 {
		s.inside[own[len(own)-1]] = true
	}
}

// signalled is for kill(2) and its like.
func (r *Recorder) signalled(c call) {
	pid := int(int32(c.Args[0]))
	if pid <= 0 || r.inside[strconv.Itoa(pid)] {
		return // of a group, those that can be reached are
	}
	if own := ids(c.tid, "NSpid"); len(own) == 1 && traced(pid) {
		return
	}
	r.others = true
}

// traced reports whether a process has this one as its tracer.
func traced(pid int) bool {
	tracer := ids(pid, "TracerPid")
	return len(tracer) == 1 && tracer[0] == strconv.Itoa(os.Getpid())
}

// signalledFD is for pidfd_send_signal(2).
func (r *Recorder) signalledFD(c call) {
	b, _ := os.ReadFile(proc(c.tid) + "/fdinfo/" + strconv.Itoa(int(int32(c.Args[0]))))
	for _, line := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "Pid:"); ok {
			if pid, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && pid > 0 && traced(pid) {
				return
			}
		}
	}
	r.others = true
}
