package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// resources are the resources of getrlimit(2): the names of hk-limit(1), the numbers, and
// the names in /proc/PID/limits.
var resources = [...]struct {
	name string
	id   int
	text string
}{
	{"as", unix.RLIMIT_AS, "Max address space"}, {"core", unix.RLIMIT_CORE, "Max core file size"},
	{"cpu", unix.RLIMIT_CPU, "Max cpu time"}, {"data", unix.RLIMIT_DATA, "Max data size"},
	{"fsize", unix.RLIMIT_FSIZE, "Max file size"}, {"locks", unix.RLIMIT_LOCKS, "Max file locks"},
	{"memlock", unix.RLIMIT_MEMLOCK, "Max locked memory"}, {"msgqueue", unix.RLIMIT_MSGQUEUE, "Max msgqueue size"},
	{"nice", unix.RLIMIT_NICE, "Max nice priority"}, {"nofile", unix.RLIMIT_NOFILE, "Max open files"},
	{"nproc", unix.RLIMIT_NPROC, "Max processes"}, {"rss", unix.RLIMIT_RSS, "Max resident set"},
	{"rtprio", unix.RLIMIT_RTPRIO, "Max realtime priority"}, {"rttime", unix.RLIMIT_RTTIME, "Max realtime timeout"},
	{"sigpending", unix.RLIMIT_SIGPENDING, "Max pending signals"}, {"stack", unix.RLIMIT_STACK, "Max stack size"},
}

// readLimits reads the section.
func (r *Report) readLimits(p *process) {
	if p.own {
		r.Limits = map[string]Limit{}
		for _, res := range resources {
			soft, hard := p.host.Rlimit(res.id)
			r.Limits[res.name] = Limit{Amount(soft), Amount(hard)}
		}
		return
	}
	text, err := p.read("limits")
	if err == nil {
		r.Limits, err = parseLimits(text)
	}
	if err != nil {
		r.unreadable("limits", err)
	}
}

// parseLimits parses /proc/PID/limits: proc_pid_limits(5).
func parseLimits(text string) (map[string]Limit, error) {
	limits := map[string]Limit{}
	for line := range strings.SplitSeq(text, "\n") {
		for _, res := range resources {
			rest, ok := strings.CutPrefix(line, res.text+" ")
			if !ok {
				continue
			}
			f := strings.Fields(rest)
			if len(f) < 2 {
				return nil, fmt.Errorf("%q is not a line of proc_pid_limits(5)", line)
			}
			soft, err1 := parseAmount(f[0])
			hard, err2 := parseAmount(f[1])
			if err1 != nil || err2 != nil {
				return nil, fmt.Errorf("%q is not a line of proc_pid_limits(5)", line)
			}
			limits[res.name] = Limit{soft, hard}
		}
	}
	if len(limits) != len(resources) {
		return nil, fmt.Errorf("it has %d of %d limits of proc_pid_limits(5)", len(limits), len(resources))
	}
	return limits, nil
}

func parseAmount(text string) (Amount, error) {
	if text == "unlimited" {
		return unix.RLIM_INFINITY, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return Amount(n), err
}
