package hakoniwa

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/internal/profile"
	"hk/pkg/getopt"
	"hk/pkg/limit"
)

// limits sets the limits of each process, of the time and of a control group.
func (c *config) limits(p *profile.Profile) {
	to := &c.Limits
	for _, l := range p.Limits {
		switch l.Type {
		case "walltime", "max_output":
			if l.Soft != nil || l.Hard != nil {
				c.fail(l.Errorf("soft", "%s has a value only", l.Type))
			}
			var err error
			if at, parse := &to.Walltime, number; l.Type == "walltime" {
				*at, err = amount(l.Value, parse)
			} else {
				if to.MaxOutput, err = amount(l.Value, size); err == nil && to.MaxOutput == 0 {
					err = errors.New("0 would be no limit: leave it out")
				}
			}
			c.fail(l.Wrap("value", err))
		default:
			c.rlimit(l)
		}
	}
	if r := p.Report; r != nil {
		to.Report, to.ReportProc = c.text(r.Place, "file", r.File), r.Proc
		if r.File == "" {
			c.fail(r.Errorf("file", "it is needed"))
		}
	}
	c.cgroup(p.Cgroup)
}

// sizes are the resources that are in bytes. Their units are hakoniwa's: decimal.
var sizes = []string{"as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack"}

// rlimit adds a limit of getrlimit(2), which hk-limit checks.
func (c *config) rlimit(l profile.Limit) {
	parse := func(v string) (uint64, error) { return 0, errors.ErrUnsupported }
	if slices.Contains(sizes, l.Type) {
		parse = size
	}
	value := func(key string, v any) string {
		if s, ok := v.(string); ok && (s == "unlimited" || !slices.Contains(sizes, l.Type)) && s != "" && !strings.Contains(s, ":") {
			return s
		}
		n, err := amount(v, parse)
		c.fail(l.Wrap(key, err))
		return strconv.FormatUint(n, 10)
	}
	word := ""
	switch {
	case l.Value != nil && (l.Soft != nil || l.Hard != nil):
		c.fail(l.Errorf("value", "it is both soft and hard: give only those"))
	case l.Value != nil:
		word = value("value", l.Value)
	case l.Soft == nil && l.Hard == nil:
		c.fail(l.Errorf("value", "it is needed"))
	default:
		if l.Soft != nil {
			word = value("soft", l.Soft)
		}
		word += ":"
		if l.Hard != nil {
			word += value("hard", l.Hard)
		}
	}
	var one limit.Limits
	var fs getopt.Flags
	one.Flags(&fs)
	if !slices.Contains(fs.Names()[:rlimits], l.Type) {
		c.fail(l.Errorf("type", "%q is not walltime, max_output, %s", l.Type, strings.Join(fs.Names()[:rlimits], ", ")))
		return
	}
	_, err := fs.Parse([]string{"--" + l.Type + "=" + word})
	c.fail(l.Wrap("", err))
	c.Limits.List = append(c.Limits.List, one.List...)
}

// rlimits is how many resources there are: the first flags of hk-limit.
const rlimits = 16

// amount is the number in a value that is a number or a string.
func amount(v any, parse func(string) (uint64, error)) (uint64, error) {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return 0, fmt.Errorf("%d is negative", v)
		}
		return uint64(v), nil
	case string:
		n, err := parse(v)
		if err == errors.ErrUnsupported {
			err = fmt.Errorf("%q is not a number", v)
		}
		return n, err
	case nil:
		return 0, errors.New("it is needed")
	}
	return 0, fmt.Errorf("%v is neither a whole number nor a string", v)
}

// cgroup sets the limits of a control group, which hk-limit checks.
func (c *config) cgroup(g *profile.Cgroup) {
	if g == nil {
		return
	}
	var words []string
	add := func(key, word string) {
		word = "--" + strings.ReplaceAll(key, "_", "-") + "=" + word
		if _, err := limit.ParseCgroup([]string{word}); err != nil {
			c.fail(g.Wrap(key, err))
		}
		words = append(words, word)
	}
	c.cgroupNumbers(g, add)
	if g.OOMGroup {
		add("oom_group", "true")
	}
	if g.Cpuset != nil {
		add("cpuset", c.word(g.Place, "cpuset", g.Cpuset))
	}
	for _, v := range g.IO {
		add("io", v)
	}
	for _, v := range g.Hugetlb {
		add("hugetlb", v)
	}
	if g.Cgroup != nil {
		add("cgroup", c.word(g.Place, "cgroup", g.Cgroup))
	}
	group, err := limit.ParseCgroup(words)
	c.fail(g.Wrap("", err))
	if err == nil {
		c.Limits.Cgroup.Cgroup = *group
	}
	if g.MemorySwap != nil {
		if g.Swap != nil {
			c.fail(g.Errorf("memory_swap", "only one of swap and memory_swap"))
		}
		n, err := amount(g.MemorySwap, size)
		c.fail(g.Wrap("memory_swap", err))
		c.Limits.Cgroup.MemorySwap = &n
	}
}

// cgroupNumbers adds the limits that are numbers.
func (c *config) cgroupNumbers(g *profile.Cgroup, add func(key, word string)) {
	for _, s := range []struct {
		key   string
		v     any
		parse func(string) (uint64, error)
	}{{"memory", g.Memory, size}, {"memory_high", g.MemoryHigh, size}, {"memory_low", g.MemoryLow, size}, {"swap", g.Swap, size},
		{"cpu_weight", g.CPUWeight, number}, {"pids", g.Pids, number}} {
		if s.v == nil {
			continue
		}
		if s.v == "unlimited" {
			add(s.key, "unlimited")
			continue
		}
		n, err := amount(s.v, s.parse)
		if err != nil {
			c.fail(g.Wrap(s.key, err))
			continue
		}
		add(s.key, strconv.FormatUint(n, 10))
	}
	switch g.CPUs.(type) {
	case nil:
	case int64, float64, string:
		add("cpus", fmt.Sprint(g.CPUs))
	default:
		c.fail(g.Errorf("cpus", "%v is not a number", g.CPUs))
	}
}
