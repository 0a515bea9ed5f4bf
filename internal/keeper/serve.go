package keeper

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

// A keeper has a group and a supervisor.
type keeper struct {
	control control
	// supervisor is a pidfd, and report a descriptor or -1.
	supervisor, report int
	group              *group
	// started is when the payload was, or zero.
	started time.Time
	// due is when the supervisor must have ended the payload, or zero; late is set once it
	// has not.
	due  time.Time
	late bool
	// payload are figures of the payload's process, which the supervisor sends.
	payload []limit.Metric
}

// serve obeys the supervisor until the payload or the supervisor has ended. Then it ends
// what is left, writes the report and removes the group.
func (k *keeper) serve() error {
	for {
		m := k.control.receive(k.supervisor, k.due)
		switch m.word {
		case "started":
			k.begin(setUpTime, m.fields)
		case "executed":
			k.begin(0, m.fields)
		case "ended":
			// What is left could stop the supervisor now.
			k.due = time.Time{}
			if err := k.group.end(); err != nil {
				complain(k.group.text, err)
			}
		case late:
			if k.late {
				return k.finish(k.alone(limit.Timeout))
			}
			k.endLate()
		case "failed":
			return k.abandon()
		case "signal":
			if n, err := strconv.Atoi(first(m.fields)); err == nil {
				k.group.signal(unix.Signal(n))
			}
		case "kill":
			if err := k.group.kill(); err != nil {
				complain(k.group.text, err)
			}
		case "proc":
			k.payload = append(k.payload, parseMetrics(m.fields)...)
		case "end":
			return k.finish(parseEnd(m.fields))
		case "":
			if k.started.IsZero() {
				return k.abandon()
			}
			if k.late {
				return k.finish(k.alone(limit.Timeout))
			}
			return k.finish(k.alone(limit.Killed))
		}
	}
}

const (
	// setUpTime is how long the rest of a start may take once it is told that the payload
	// is about to be executed. The payload can stop the supervisor before it tells that it
	// was.
	setUpTime = 30 * time.Second
	// lateTime is how much later than the payload should have ended the keeper ends it, and
	// answerTime how long it then waits for the supervisor.
	lateTime   = 2 * time.Second
	answerTime = 10 * time.Second
)

// begin takes the time from now on, and up to more.
func (k *keeper) begin(more time.Duration, fields []string) {
	k.started = time.Now()
	n, err := strconv.ParseInt(first(fields), 10, 64)
	if err == nil && n > 0 && n < math.MaxInt64/4000 { // up to 73 years
		k.due = k.started.Add(microseconds(n) + more + lateTime)
	}
}

// endLate ends the payload because the supervisor has not: a payload that may send it
// signals can stop it, or keep it busy. Then it lets the supervisor go on.
func (k *keeper) endLate() {
	k.late = true
	k.control.send(late, "")
	for _, kill := range []func() error{k.group.kill, k.group.end} {
		if err := kill(); err != nil {
			complain(k.group.text, err)
		}
		unix.PidfdSendSignal(k.supervisor, unix.SIGCONT, nil, 0)
	}
	k.due = time.Now().Add(answerTime)
}

// alone is what the keeper itself knows of the end of the payload.
func (k *keeper) alone(reason limit.Reason) ending {
	return ending{Report: limit.Report{Reason: reason, ExitCode: -1, Wall: time.Since(k.started)}}
}

func first(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// abandon is the end of a start that failed.
func (k *keeper) abandon() error {
	err := k.group.end()
	return errors.Join(err, k.group.remove())
}

// An ending is what the supervisor knows of the end of the payload.
type ending struct {
	limit.Report
	rusage uint64 // peak memory in bytes
}

// parseEnd reads REASON WAITSTATUS WALL_US USER_US SYSTEM_US MAXRSS_KIB [FLOOR_KIB].
// What is absent or is not such a number is 0.
func parseEnd(fields []string) ending {
	number := func(i int) int64 {
		if i >= len(fields) {
			return 0
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/1024 {
			return 0
		}
		return n
	}
	e := ending{Report: limit.Report{Reason: limit.Reason(first(fields)), ExitCode: -1, Wall: microseconds(number(2)),
		User: microseconds(number(3)), System: microseconds(number(4))}, rusage: uint64(number(5)) << 10}
	e.MemoryFloor = uint64(number(6)) << 10
	if status := unix.WaitStatus(number(1)); status.Signaled() {
		e.Signal = int(status.Signal())
	} else if status.Exited() {
		e.ExitCode = status.ExitStatus()
	}
	return e
}

// parseMetrics reads NAME=BYTES.
func parseMetrics(fields []string) (list []limit.Metric) {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil && isMetric(name) {
			list = append(list, limit.Metric{Name: name, Value: n})
		}
	}
	return list
}

// isMetric reports whether a name can be printed as it is.
func isMetric(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return name != ""
}

// finish ends the group, answers, reports and removes it.
func (k *keeper) finish(e ending) error {
	if err := k.group.end(); err != nil {
		return errors.Join(err, k.group.remove())
	}
	u := k.group.usage()
	r := e.with(u)
	r.Payload = k.payload
	k.control.send("empty", strings.Join(u.words(r.Reason), " "))
	err := k.group.remove()
	if k.report >= 0 {
		if err2 := r.Write(k.report, nil); err2 != nil {
			err = errors.Join(err, fmt.Errorf("--report: write: %w", err2))
		}
	}
	return err
}

// with adds the figures of the group to what the supervisor knows.
func (e ending) with(u usage) *limit.Report {
	r := e.Report
	r.Cgroup = &u.Usage
	if u.user >= 0 {
		r.User, r.System = u.user, u.system
	}
	switch {
	case u.peak >= 0:
		r.PeakMemory, r.MemorySource, r.MemoryFloor = uint64(u.peak), "cgroup", 0
	case e.rusage > 0:
		r.PeakMemory, r.MemorySource = e.rusage, "rusage"
	}
	// A status of 0 shows that the payload has coped with a kill.
	failed := r.Reason == limit.Signalled || r.Reason == limit.Exited && r.ExitCode != 0
	if u.OOMKills > 0 && failed {
		r.Reason = limit.OOM
	}
	return &r
}

// words are the figures in a message.
func (u usage) words(reason limit.Reason) []string {
	list := []string{"reason=" + string(reason)}
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"peak_memory", u.peak}, {"peak_pids", u.PeakPids}, {"peak_swap", u.PeakSwap}, {"oom_kills", u.OOMKills},
		{"user_us", u.user.Microseconds()}, {"system_us", u.system.Microseconds()}, {"throttled_us", u.Throttled.Microseconds()},
		{"read_bytes", u.ReadBytes}, {"written_bytes", u.WrittenBytes},
	} {
		if f.n >= 0 {
			list = append(list, f.name+"="+strconv.FormatInt(f.n, 10))
		}
	}
	return list
}
