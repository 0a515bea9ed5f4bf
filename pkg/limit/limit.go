// Package limit sets resource limits: getrlimit(2), prlimit(2).
package limit

import (
	"fmt"
	"time"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Limits are the settings of hk-limit(1). The zero value limits nothing and is refused.
type Limits struct {
	// List are resource limits, set in order.
	List []Limit
	// PID is a running process whose resource limits are set, in place of the payload's; 0
	// is none.
	PID int
	// Cgroup is what a control group is to limit.
	Cgroup Cgroup
	// Wall is how long the payload may run; it then gets Signal and, after KillAfter,
	// SIGKILL, with all that descends from it. For Wall, zero means no limit; for
	// KillAfter, a second. Time passes while the machine is awake: CLOCK_MONOTONIC.
	Wall, KillAfter time.Duration
	// Signal asks the payload to end; zero means SIGTERM. SIGKILL ends it at once.
	Signal unix.Signal
	// MaxOutput is how many bytes the payload may write to its standard output and error
	// together before it is ended in the same way; more are not passed on. Zero means
	// no limit. Both are pipes then.
	MaxOutput uint64
	// Report is where a [Report] is written when the payload has ended: a file, which is
	// opened before the payload exists, "-" for standard output, or "fd:N". "" is
	// nowhere. ReportProc adds [Report.Payload].
	Report     string
	ReportProc bool

	guard *guard
}

// A Limit is the soft and the hard limit of one resource, in the units of getrlimit(2):
// bytes for as, core, data, fsize, memlock, msgqueue, rss and stack; seconds for cpu,
// microseconds for rttime; a count for the others.
//
// Zero is a limit of zero, and Unlimited means no limit. KeepSoft and KeepHard keep the
// current soft or hard limit. A hard limit can be raised only with CAP_SYS_RESOURCE in
// the initial user namespace.
//
// nproc counts all processes and threads of the real user ID, not only those of the
// chain.
type Limit struct {
	Resource           string
	Soft, Hard         uint64
	KeepSoft, KeepHard bool
}

// Unlimited means no limit.
const Unlimited = uint64(unix.RLIM_INFINITY)

type unit int

const (
	count unit = iota
	size
	seconds
	microseconds
)

var resources = []struct {
	name string
	id   int
	unit unit
}{
	{"as", unix.RLIMIT_AS, size},
	{"core", unix.RLIMIT_CORE, size},
	{"cpu", unix.RLIMIT_CPU, seconds},
	{"data", unix.RLIMIT_DATA, size},
	{"fsize", unix.RLIMIT_FSIZE, size},
	{"locks", unix.RLIMIT_LOCKS, count},
	{"memlock", unix.RLIMIT_MEMLOCK, size},
	{"msgqueue", unix.RLIMIT_MSGQUEUE, size},
	{"nice", unix.RLIMIT_NICE, count},
	{"nofile", unix.RLIMIT_NOFILE, count},
	{"nproc", unix.RLIMIT_NPROC, count},
	{"rss", unix.RLIMIT_RSS, size},
	{"rtprio", unix.RLIMIT_RTPRIO, count},
	{"rttime", unix.RLIMIT_RTTIME, microseconds},
	{"sigpending", unix.RLIMIT_SIGPENDING, count},
	{"stack", unix.RLIMIT_STACK, size},
}

// Floor is the lowest soft limit with which the next stage of a chain that is not fused
// can be executed: what a Go program needs to start, with some margin. It is 0 for most
// resources.
func Floor(resource string) uint64 {
	switch resource {
	case "as":
		return 1 << 30
	case "data":
		return 64 << 20
	case "stack":
		return 64 << 10
	case "nproc":
		return 16
	}
	return 0
}

// Startable returns an error if a plan sets limits with which a stage could not be executed as
// a program. set is [stage.State.RlimitSet], and raises means that the program raises soft
// limits when it starts.
func Startable(set func(resource int) (soft, hard uint64, ok bool), raises bool) error {
	for _, r := range resources {
		starts, hard, ok := set(r.id)
		if raises {
			starts = hard
		}
		if ok && starts < Floor(r.name) {
			return fmt.Errorf("it is executed as a program and could not start with --%s below %s, which hk-limit sets before it: put hk-limit after it", r.name, format(Floor(r.name)))
		}
	}
	return nil
}

// Plan adds one prlimit(2) for each limit.
func (l *Limits) Plan(s *stage.State) error {
	if err := l.check(); err != nil {
		return err
	}
	if l.PID != 0 {
		return l.planOther(s)
	}
	if len(l.List) == 0 && !l.supervises() {
		return fmt.Errorf("no limit was given: see hk-limit(1)")
	}
	if l.MaxOutput != 0 {
		s.For(fmt.Sprintf("--max-output %d", l.MaxOutput))
		s.Limit(l.guard.output.dup...)
	}
	for _, lim := range l.List {
		s.For("--" + lim.Resource + " " + lim.value())
		if err := lim.plan(s); err != nil {
			return fmt.Errorf("--%s: %w", lim.Resource, err)
		}
	}
	return nil
}

func (lim Limit) plan(s *stage.State) error {
	for _, r := range resources {
		if r.name != lim.Resource {
			continue
		}
		soft, hard := s.Rlimit(r.id)
		if !lim.KeepSoft {
			soft = lim.Soft
		}
		if !lim.KeepHard {
			hard = lim.Hard
		}
		if soft > hard {
			return fmt.Errorf("the soft limit %s is above the hard limit %s", format(soft), format(hard))
		}
		starts := soft
		if s.Host.Raises {
			starts = hard
		}
		if s.Next.Stage && starts < Floor(r.name) {
			return fmt.Errorf("the next stage of this chain is executed as a program and could not start below %s: make hk-limit the last stage, or unset HK_FUSE", format(Floor(r.name)))
		}
		s.SetRlimit(r.id, soft, hard, plan.Setrlimit("RLIMIT_"+upper(r.name), r.id, soft, hard).
			Because(unix.EPERM, cause.Capability, "a hard limit can be raised only with CAP_SYS_RESOURCE in the initial user namespace"))
		return nil
	}
	return fmt.Errorf("unknown resource")
}

func upper(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] -= 'a' - 'A'
	}
	return string(b)
}

// base is the unit of a number without a unit.
func (u unit) base() time.Duration {
	if u == microseconds {
		return time.Microsecond
	}
	return time.Second
}
