package limit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// attach adds the step that attaches to the payload's process, to stop it when it ends:
// after that it has no memory to measure. Its descendants are not traced.
func (l *Limits) attach(s *stage.State) error {
	if s.Plan.InJoiner() {
		return errors.New("--report-proc: the payload of hk-unshare --join cannot be traced")
	}
	g := l.guard
	s.For("--report-proc")
	defer s.For("")
	s.WhileDumpable(s.Host.Effective>>unix.CAP_SYS_PTRACE&1 == 0, func() {
		s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "attach to the child (PTRACE_SEIZE); when it ends, read its smaps_rollup and status (PTRACE_EVENT_EXIT)", Do: func(at plan.Context) error {
			if err := ptrace(unix.PTRACE_SEIZE, at.PID(), 0, unix.PTRACE_O_TRACEEXIT); err != nil {
				return fmt.Errorf("ptrace(PTRACE_SEIZE, %d): %w", at.PID(), err)
			}
			if err := at.CheckAlive(); err != nil {
				return err // its PID has been reused
			}
			at.Watch(&plan.Watcher{Stage: s.Name, Stopped: g.stopped, Alone: true})
			return nil
		}})
	})
	return nil
}

func ptrace(request, tid int, addr, data uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// stopped is plan.Watcher.Stopped. A process that is killed does not stop at its end.
func (g *guard) stopped(pid int, status unix.WaitStatus) (group bool) {
	sig, deliver := status.StopSignal(), uintptr(0)
	switch event := int(status) >> 16; {
	case event == unix.PTRACE_EVENT_STOP && (sig == unix.SIGSTOP || sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU):
		_ = ptrace(unix.PTRACE_LISTEN, pid, 0, 0)
		return true
	case event == unix.PTRACE_EVENT_EXIT:
		g.metrics = readMetrics(pid)
	case event == 0:
		deliver = uintptr(sig)
	}
	_ = ptrace(unix.PTRACE_CONT, pid, 0, deliver)
	return false
}

// readMetrics reads what a process has in memory.
func readMetrics(pid int) []Metric {
	list := []Metric{}
	for _, name := range []string{"smaps_rollup", "status"} {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
		if err == nil {
			list = append(list, parseMetrics(b)...)
		}
	}
	return list
}

// parseMetrics parses the lines of /proc/PID/smaps_rollup or /proc/PID/status that are a
// number of kB.
func parseMetrics(b []byte) (list []Metric) {
	for line := range bytes.Lines(b) {
		name, value, found := strings.Cut(string(bytes.TrimSpace(line)), ":")
		number, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB")
		n, err := strconv.ParseUint(number, 10, 64)
		if found && isSize && err == nil && n < 1<<53 && isWord(name) {
			list = append(list, Metric{name, n << 10})
		}
	}
	return list
}

// isWord reports whether a name can be written into JSON as it is.
func isWord(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != ""
}
