package limit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"hk/pkg/getopt"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Kind is hk-limit.
var Kind = stage.Kind{
	Name: "hk-limit",
	New:  func() stage.Stage { return &Limits{} },
	Usage: `hk-limit [flags] [--] NEXT [args...]: limit resources

Each of the first flags takes SOFT[:HARD]; one value sets both, an empty one is not changed.
 sizes, with K M G T or KiB …, powers of 1024, or KB …, powers of 1000
   --as --core --data --fsize --memlock --msgqueue --rss --stack
 times: --cpu in seconds or 1m30s, --rttime in microseconds or 5ms
 counts: --locks --nice --nofile --nproc --rtprio --sigpending
"unlimited" means no limit. --pid PID: those of a running process, not of the payload.

All processes of the payload together, by a control group, cgroups(7):
  --memory N --memory-high N --memory-low N --swap N --oom-group
  --cpus F --cpu-weight 1-10000 --cpuset LIST --pids N
  --io DEV:rbps=N,wbps=N,riops=N,wiops=N   --hugetlb SIZE:N
  --cgroup auto|systemd|PATH               where it is made
By the supervisor:
  --wall TIME          how long it may run, such as 90, 1.5, 100ms or 1m30s:
                       then SIGTERM (status 124) ...
  --kill-after TIME    ... and this much later SIGKILL (137); default 1s
  --signal NAME|N      instead of SIGTERM; with KILL at once SIGKILL (137)
  --max-output N       bytes of standard output and error; then as --wall
  --report FILE|-|fd:N what it has used and how it ended, as JSON
  --report-proc        with figures of its own process at its end
`,
}

// foreignFlag translates flags of other programs.
func foreignFlag(name string) string {
	switch name {
	case "t", "time", "timeout", "time-limit", "time_limit", "walltime":
		return "--wall TIME"
	case "m", "mem", "max-memory", "memory-max", "cgroup_mem_max":
		return "--memory SIZE, and --as SIZE for each process"
	case "p", "processes", "pids-limit", "cgroup_pids_max":
		return "--pids N"
	}
	return ""
}

// Flags binds l to the flags of hk-limit(1).
func (l *Limits) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	for _, r := range resources {
		fs.String(r.name, "", func(v string) error {
			lim, err := parse(r.name, r.unit, v)
			l.List = append(l.List, lim)
			return err
		})
	}
	fs.String("pid", "", func(v string) (err error) {
		l.PID, err = getopt.ParsePID(v)
		return err
	})
	l.Cgroup.Flags(fs)
	fs.String("wall", "", duration(&l.Wall, "without it there is no limit"))
	fs.String("kill-after", "", duration(&l.KillAfter, "--signal KILL kills at once"))
	fs.String("signal", "", func(v string) (err error) {
		l.Signal, err = parseSignal(v)
		return err
	})
	fs.String("max-output", "", func(v string) (err error) {
		if v == "" {
			return errors.New("a number is needed")
		}
		l.MaxOutput, err = size.parse(v)
		if err == nil && (l.MaxOutput == 0 || l.MaxOutput > math.MaxInt64) {
			return fmt.Errorf("%q is not a number of bytes above 0", v)
		}
		return err
	})
	fs.String("report", "", l.reportFlag)
	fs.Bool("report-proc", "", &l.ReportProc)
}

// duration reads a time of at least a millisecond. zero is what somebody may want who gives less.
func duration(at *time.Duration, zero string) func(string) error {
	return func(v string) error {
		d, err := getopt.ParseTime(v)
		switch {
		case err != nil:
			return err
		case d < time.Millisecond:
			return fmt.Errorf("%q is not a time of at least a millisecond: %s", v, zero)
		}
		*at = d
		return nil
	}
}

// parseSignal reads the name of a signal, with or without SIG, or its number.
func parseSignal(v string) (unix.Signal, error) {
	n, err := strconv.ParseUint(v, 10, 8)
	sig := unix.Signal(n)
	if err != nil {
		sig = unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(v), "SIG"))
	}
	switch {
	case sig < 1 || sig > 64: // _NSIG
		return 0, fmt.Errorf("%q is not a signal such as KILL, SIGINT or 10", v)
	case slices.Contains([]unix.Signal{unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT}, sig):
		return 0, fmt.Errorf("%s does not ask a process to end", signalText(sig))
	}
	return sig, nil
}

// signalText is the name of a signal, or its number if it has none.
func signalText(sig unix.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return strconv.Itoa(int(sig))
}

// Args prints l as flags.
func (l *Limits) Args() []string {
	var a getopt.Args
	for _, lim := range l.List {
		a.String(lim.Resource, lim.value())
	}
	if l.PID != 0 {
		a.String("pid", strconv.Itoa(l.PID))
	}
	a = append(a, l.Cgroup.Args()...)
	if l.Wall != 0 {
		a.String("wall", l.Wall.String())
	}
	if l.KillAfter != 0 {
		a.String("kill-after", l.KillAfter.String())
	}
	if l.Signal != 0 {
		a.String("signal", strings.TrimPrefix(signalText(l.Signal), "SIG"))
	}
	if l.MaxOutput != 0 {
		a.String("max-output", strconv.FormatUint(l.MaxOutput, 10))
	}
	a.Set("report", l.Report)
	a.Bool("report-proc", l.ReportProc)
	return a
}

func (lim Limit) value() string {
	soft, hard := format(lim.Soft), format(lim.Hard)
	switch {
	case lim.KeepSoft:
		return ":" + hard
	case lim.KeepHard:
		return soft + ":"
	case lim.Soft == lim.Hard:
		return soft
	}
	return soft + ":" + hard
}

func format(v uint64) string {
	if v == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

func parse(resource string, u unit, v string) (Limit, error) {
	lim := Limit{Resource: resource}
	first, second, two := getopt.Value(v).Cut(':')
	soft, hard := first.Text(), second.Text()
	if soft == "" && hard == "" {
		return lim, errors.New("a limit is SOFT[:HARD]")
	}
	var err error
	if soft == "" {
		lim.KeepSoft = true
	} else if lim.Soft, err = u.parse(soft); err != nil {
		return lim, err
	}
	switch {
	case !two:
		lim.Hard = lim.Soft
	case hard == "":
		lim.KeepHard = true
	default:
		if lim.Hard, err = u.parse(hard); err != nil {
			return lim, err
		}
	}
	if two && soft != "" && hard != "" && lim.Soft > lim.Hard {
		return lim, errors.New("the soft limit is above the hard limit")
	}
	return lim, nil
}

func (u unit) parse(s string) (uint64, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	if s[0] == '+' {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	switch u {
	case size:
		n, err := parseSize(s)
		if upper := strings.ToUpper(s); err != nil && upper != s {
			if _, err := parseSize(upper); err == nil {
				return 0, fmt.Errorf("%q is not a number: write %s", s, upper)
			}
		}
		return n, err
	case seconds, microseconds:
		if strings.ContainsAny(s, "hmnsuµ") {
			d, err := time.ParseDuration(s)
			if err != nil || d < 0 || d%u.base() != 0 {
				return 0, fmt.Errorf("%q is not a time in whole %s", s, map[unit]string{seconds: "seconds", microseconds: "microseconds"}[u])
			}
			return uint64(d / u.base()), nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n == Unlimited {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n, nil
}

// parseSize reads bytes: 1K and 1KiB are 1024, 1KB is 1000; 1.5G are 3/2 of 1G.
func parseSize(s string) (uint64, error) {
	digits := strings.TrimRight(s, "KMGTiB")
	suffix, factor := s[len(digits):], uint64(1)
	if suffix != "" {
		base, power := uint64(1024), strings.IndexByte("KMGT", suffix[0])
		switch suffix[1:] {
		case "", "iB":
		case "B":
			base = 1000
		default:
			power = -1
		}
		if power < 0 {
			return 0, fmt.Errorf("%q is not a number", s)
		}
		for range power + 1 {
			factor *= base
		}
	}
	whole, fraction, dot := strings.Cut(digits, ".")
	n, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || dot && (fraction == "" || len(fraction) > 3 || suffix == "") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	high, bytes := bits.Mul64(n, factor)
	if dot {
		n, err = strconv.ParseUint(fraction, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", s)
		}
		var carry uint64
		bytes, carry = bits.Add64(bytes, n*factor/[]uint64{10, 100, 1000}[len(fraction)-1], 0)
		high += carry
	}
	if high != 0 || bytes == Unlimited {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return bytes, nil
}
