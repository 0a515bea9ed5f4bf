package run

import (
	"os"
	"strconv"
)

// deepest is how many parents of a process are looked at.
const deepest = 4096

// Has implements plan.Payload. The payload is known by its number even if it has ended:
// what it has sent before its end is its own. Without a procfs only the payload is found.
func (s *Supervisor) Has(pid int) bool {
	if pid == s.Payload && pid > 0 {
		return true
	}
	if !hasOwnProcfs() {
		return false
	}
	const tries = 3 // a parent may end meanwhile
	for range tries {
		if has, ended := s.descends(pid); has || !ended {
			return has
		}
	}
	return false
}

// descends reports whether a process is the payload or descends from it, and whether one
// of the processes in between has ended.
func (s *Supervisor) descends(pid int) (has, ended bool) {
	for range deepest {
		if pid == s.PID {
			return true, false
		}
		if pid <= 1 {
			return false, false
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		p, ok := parseStat(b)
		if err != nil || !ok || p.pid != pid {
			return false, true
		}
		if p.parent == os.Getpid() {
			return s.adopts() && !s.isHelper(p), false
		}
		pid = p.parent
	}
	return false, false
}
