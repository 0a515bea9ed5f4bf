package limit

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A Report is how a payload has ended and what it has used.
type Report struct {
	// Reason is why the payload has ended.
	Reason Reason
	// ExitCode is its exit status, or -1 if Signal has killed it; Signal is the number of
	// the signal, or 0. Both are -1 and 0 if nobody knows.
	ExitCode, Signal int
	// Wall is the time from its start to its end, and User and System are the processor
	// times of the whole tree.
	Wall, User, System time.Duration
	// PeakMemory is in bytes, of the whole tree if MemorySource is "cgroup". If it is
	// "rusage", it is that of the largest process, getrusage(2), and at least
	// MemoryFloor: what the process had in memory before it executed the payload. 0 and
	// "" if nobody knows.
	PeakMemory, MemoryFloor uint64
	MemorySource            string
	// Cgroup is what only a control group tells, or nil.
	Cgroup *Usage
	// Payload are metrics of the payload's own process at its end, by their names in
	// /proc/PID/smaps_rollup and /proc/PID/status, in bytes; nil if not asked for.
	Payload []Metric
}

// A Reason is why a payload has ended.
type Reason string

// The reasons.
const (
	Exited    Reason = "exited"
	Signalled Reason = "signalled"
	// Timeout is for the time of --wall, and Output for the bytes of --max-output.
	Timeout Reason = "timeout"
	Output  Reason = "output"
	// OOM is for a kill by the kernel for want of memory, also of a child of the
	// payload.
	OOM Reason = "oom"
	// Killed is for the end of the supervisor by SIGKILL.
	Killed Reason = "killed"
)

// Usage are the figures of a control group. -1 means that the kernel does not tell.
type Usage struct {
	PeakPids, PeakSwap int64
	// OOMKills are the processes that the kernel has killed for want of memory.
	OOMKills int64
	// ReadBytes and WrittenBytes are those of block devices.
	ReadBytes, WrittenBytes int64
	// Throttled is the time for which the payload had used up --cpus; negative if the
	// kernel does not tell.
	Throttled time.Duration
	// Pressure are the total times for which some and all processes have waited, by
	// resource: "cpu", "memory" and "io"; nil if the kernel does not tell.
	Pressure []Pressure
}

// Pressure is how long processes have waited for a resource: PSI.
type Pressure struct {
	Resource   string
	Some, Full time.Duration
}

// A Metric is a figure of procfs.
type Metric struct {
	Name  string
	Value uint64
}

// JSON is the report as an object on one line, which ends in a newline. Names end in
// their unit. What is not known is absent.
func (r *Report) JSON() []byte {
	o := object(`{"reason":"` + string(r.Reason) + `"`)
	if r.ExitCode >= 0 {
		o.number("exit_code", int64(r.ExitCode))
	}
	if r.Signal > 0 {
		o.number("signal", int64(r.Signal))
	}
	o.number("wall_us", r.Wall.Microseconds())
	o.number("user_us", r.User.Microseconds())
	o.number("system_us", r.System.Microseconds())
	if r.MemorySource != "" {
		o.number("peak_memory_bytes", int64(r.PeakMemory))
		o = append(o, `,"memory_source":"`+r.MemorySource+`"`...)
		if r.MemoryFloor > 0 {
			o.number("memory_floor_bytes", int64(r.MemoryFloor))
		}
	}
	if r.Cgroup != nil {
		r.Cgroup.print(&o)
	}
	if r.Payload != nil {
		m := object(`{`)
		for _, p := range r.Payload {
			m.number(p.Name, int64(p.Value))
		}
		o = append(append(append(o, `,"payload":`...), m...), '}')
	}
	return append(o, "}\n"...)
}

// Write writes the report to a descriptor. A regular file whose start is written has
// nothing else afterwards. It waits for the reader of a pipe until asked, which may be
// nil, reports that a signal asks for the end.
func (r *Report) Write(fd int, asked func() bool) error {
	var st unix.Stat_t
	at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	flags, err2 := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && at == 0 && err2 == nil && flags&unix.O_APPEND == 0 && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		if err := unix.Ftruncate(fd, 0); err != nil {
			return err
		}
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for b := r.JSON(); len(b) > 0; {
		if n, _ := unix.Poll(fds, 20); n == 0 {
			if asked != nil && asked() {
				return unix.EINTR
			}
			continue
		}
		n, err := unix.Write(fd, b)
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

func (u *Usage) print(o *object) {
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"peak_pids", u.PeakPids}, {"peak_swap_bytes", u.PeakSwap}, {"oom_kills", u.OOMKills},
		{"read_bytes", u.ReadBytes}, {"written_bytes", u.WrittenBytes},
	} {
		if n.v >= 0 {
			o.number(n.name, n.v)
		}
	}
	if u.Throttled >= 0 {
		o.number("throttled_us", u.Throttled.Microseconds())
	}
	for _, p := range u.Pressure {
		o.number(p.Resource+"_pressure_some_us", p.Some.Microseconds())
		o.number(p.Resource+"_pressure_full_us", p.Full.Microseconds())
	}
}

// An object is a JSON object without its end. Package encoding/json would double what a
// stage links.
type object []byte

func (o *object) number(name string, v int64) {
	if len(*o) > 1 {
		*o = append(*o, ',')
	}
	*o = append(append(append(*o, '"'), name...), '"', ':')
	*o = strconv.AppendInt(*o, v, 10)
}
