package systemd

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// share is a share of the machine's memory, such as 10%, in bytes.
func (c *compiler) share(text string) (uint64, error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || percent < 0 || percent > 100 || math.IsNaN(percent) {
		return 0, fmt.Errorf("%q is not a share from 0%% to 100%%", text)
	}
	return uint64(float64(c.memory) * percent / 100), nil
}

// resourceLimits are LimitCPU= and the others, in the order of their names.
func (c *compiler) resourceLimits() *limit.Limits {
	l := &limit.Limits{}
	for _, name := range []string{"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"} {
		a, ok := c.one("Limit" + name)
		if !ok {
			continue
		}
		soft, hard, both := strings.Cut(a.Value, ":")
		if !both {
			hard = soft
		}
		one := limit.Limit{Resource: strings.ToLower(name)}
		var err error
		if one.Soft, err = resourceLimit(name, soft); err == nil {
			one.Hard, err = resourceLimit(name, hard)
		}
		if err == nil && one.Soft > one.Hard {
			err = errors.New("the soft limit is above the hard limit")
		}
		if err != nil {
			c.fail(a, err)
		}
		l.List = append(l.List, one)
	}
	return l
}

// resourceLimit is a limit in the units of getrlimit(2).
func resourceLimit(name, v string) (uint64, error) {
	if v == "infinity" {
		return limit.Unlimited, nil
	}
	switch name {
	case "AS", "CORE", "DATA", "FSIZE", "MEMLOCK", "MSGQUEUE", "RSS", "STACK":
		return parseSize(v)
	case "CPU":
		us, err := parseTime(v, 1_000_000)
		return (us + 999_999) / 1_000_000, err
	case "RTTIME":
		return parseTime(v, 1)
	case "NICE":
		if v != "" && (v[0] == '+' || v[0] == '-') {
			n, err := strconv.Atoi(v)
			if err != nil || n < -20 || n > 19 {
				return 0, fmt.Errorf("%q is not a nice value from -20 to +19", v)
			}
			return uint64(20 - n), nil
		}
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", v)
	}
	return n, nil
}

// totalLimits are those of all processes together, and of the time.
func (c *compiler) totalLimits() *limit.Limits {
	l := &limit.Limits{}
	g := &l.Cgroup
	g.Memory, g.MemoryHigh, g.MemoryLow, g.Swap = c.bytes("MemoryMax"), c.bytes("MemoryHigh"), c.bytes("MemoryLow"), c.bytes("MemorySwapMax")
	if a, ok := c.one("TasksMax"); ok && a.Value != "infinity" {
		n, err := strconv.ParseUint(a.Value, 10, 64)
		switch {
		case strings.HasSuffix(a.Value, "%"):
			c.note(lost, a, "hk-limit has no shares of the machine's processes: write a number")
		case err != nil || n == 0:
			c.failf(a, "not a number of processes")
		default:
			g.Pids = &n
		}
	}
	if a, ok := c.one("CPUQuota"); ok {
		n, err := strconv.ParseFloat(strings.TrimSuffix(a.Value, "%"), 64)
		if err != nil || !strings.HasSuffix(a.Value, "%") || !(n > 0 && n < 1e6) {
			c.failf(a, "not a share of a processor such as 20%%")
		}
		g.CPUs = n / 100
	}
	if a, ok := c.one("CPUWeight"); ok {
		n, err := strconv.ParseUint(a.Value, 10, 64)
		switch {
		case a.Value == "idle":
			n = 1
			c.note(unsaid, a, "the lowest weight of hk-limit is 1")
		case err != nil || n < 1 || n > 10000:
			c.failf(a, "not a weight from 1 to 10000")
		}
		g.CPUWeight = n
	}
	var cpus []string
	for _, i := range c.words("AllowedCPUs") {
		cpus = append(cpus, i.word)
	}
	g.CPUSet = strings.Join(cpus, ",")
	c.deviceLimits(g)
	c.time(l)
	return l
}

// bytes is a limit of memory, or nil.
func (c *compiler) bytes(name string) *uint64 {
	a, ok := c.one(name)
	if !ok || a.Value == "infinity" {
		return nil
	}
	parse := parseSize
	if strings.HasSuffix(a.Value, "%") {
		parse = c.share
	}
	n, err := parse(a.Value)
	if err != nil {
		c.fail(a, err)
	}
	return &n
}

// deviceLimits are those of block devices: IOReadBandwidthMax= and the others.
func (c *compiler) deviceLimits(g *limit.Cgroup) {
	for _, d := range []struct {
		name string
		at   func(*limit.IO) *uint64
	}{
		{"IOReadBandwidthMax", func(io *limit.IO) *uint64 { return &io.RBPS }}, {"IOWriteBandwidthMax", func(io *limit.IO) *uint64 { return &io.WBPS }},
		{"IOReadIOPSMax", func(io *limit.IO) *uint64 { return &io.RIOPS }}, {"IOWriteIOPSMax", func(io *limit.IO) *uint64 { return &io.WIOPS }},
	} {
		for _, a := range c.given[d.name] {
			words, err := splitWords(a.Value)
			if err != nil || len(words) != 2 {
				c.failf(a, "not a device and a number")
				continue
			}
			n, err := parseSize(words[1]) // powers of 1000
			if digits := strings.TrimRight(words[1], "KMGT"); err == nil && digits != words[1] {
				f, _ := strconv.ParseFloat(digits, 64)
				n = uint64(f * math.Pow(1000, float64(1+strings.Index("KMGT", words[1][len(digits):]))))
			}
			if err != nil {
				c.fail(a, err)
			}
			if n == infinity {
				continue
			}
			if !strings.HasPrefix(words[0], "/dev/") {
				c.note(lost, a, "hk-limit takes the device, and not a file on it")
				continue
			}
			i := slices.IndexFunc(g.IO, func(io limit.IO) bool { return io.Device == words[0] })
			if i < 0 {
				i = len(g.IO)
				g.IO = append(g.IO, limit.IO{Device: words[0]})
			}
			*d.at(&g.IO[i]) = n
		}
	}
}

// time is RuntimeMaxSec=, after which the manager sends KillSignal=, and SIGKILL after
// TimeoutStopSec=.
func (c *compiler) time(l *limit.Limits) {
	wall := c.seconds("RuntimeMaxSec")
	if wall == 0 {
		return
	}
	l.Wall = wall
	l.KillAfter = 90 * time.Second
	for _, name := range []string{"TimeoutSec", "TimeoutStopSec"} {
		if d := c.seconds(name); d != 0 {
			l.KillAfter = d
		}
	}
	if a, ok := c.one("KillSignal"); ok {
		name := a.Value
		if !strings.HasPrefix(name, "SIG") {
			name = "SIG" + name
		}
		l.Signal = unix.SignalNum(name)
		if l.Signal == 0 {
			c.failf(a, "unknown signal")
		}
	}
}

// seconds is a time, or 0 without one.
func (c *compiler) seconds(name string) time.Duration {
	a, ok := c.one(name)
	if !ok {
		return 0
	}
	us, err := parseTime(a.Value, 1_000_000)
	if err != nil {
		c.fail(a, err)
	}
	if us > uint64(math.MaxInt64/1000) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
