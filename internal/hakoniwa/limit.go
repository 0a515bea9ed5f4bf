package hakoniwa

import (
	"cmp"
	"errors"
	"time"

	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

// limit sets the limits of a process, and those of all processes together, which the
// supervisor enforces.
func (c *compiler) limit() error {
	last := map[string]int{}
	for _, lim := range c.Limits.List {
		if at, ok := last[lim.Resource]; ok {
			c.limits.List[at] = lim
			continue
		}
		last[lim.Resource] = len(c.limits.List)
		c.limits.List = append(c.limits.List, lim)
	}
	if c.Limits.Walltime > 1<<32 {
		return errors.New("walltime: too long")
	}
	t := &c.total
	if t.Wall = time.Duration(c.Limits.Walltime) * time.Second; t.Wall != 0 {
		t.Signal = unix.SIGKILL
	}
	t.MaxOutput, t.Report, t.ReportProc = c.Limits.MaxOutput, c.Limits.Report, c.Limits.ReportProc
	return c.cgroup()
}

// cgroup sets the limits of a control group.
func (c *compiler) cgroup() error {
	asked, g := c.Limits.Cgroup, &c.total.Cgroup
	*g = asked.Cgroup
	switch {
	case asked.Quota == 0 && asked.Period != 0:
		return errors.New("a period of processor time needs a quota: --cgroup-cpu-quota")
	case asked.Quota != 0:
		g.CPUs = float64(asked.Quota) / float64(cmp.Or(asked.Period, 100_000))
	}
	switch {
	case asked.MemorySwap == nil:
	case g.Memory == nil:
		return errors.New("the limit of memory and swap needs one of memory")
	case *asked.MemorySwap == limit.Unlimited:
		g.Swap = asked.MemorySwap
	case *asked.MemorySwap < *g.Memory:
		return errors.New("the limit of memory and swap is below that of memory")
	default:
		rest := *asked.MemorySwap - *g.Memory
		g.Swap = &rest
	}
	return nil
}
