package keeper

import (
	"fmt"
	"slices"
	"strconv"

	"hk/pkg/limit"

	"github.com/containerd/cgroups/v3/cgroup2"
)

// settingsV2 are the limits of a cgroup of version 2: cgroup-v2.rst.
func settingsV2(c *limit.Cgroup, m *cgroup2.Manager, d *dir) ([]setting, error) {
	list, err := memoryV2(c, m, d)
	if err != nil {
		return nil, err
	}
	if c.Pids != nil {
		list = append(list, pidsV2(*c.Pids, m, d))
	}
	list = append(list, cpuV2(c, m)...)
	io, err := ioV2(c, m)
	if err != nil {
		return nil, err
	}
	list = append(list, io...)
	for _, h := range c.HugeTLB {
		if _, err := signed(h.Bytes); err != nil {
			return nil, fmt.Errorf("--hugetlb %s: %w", h.Size, err)
		}
		list = append(list, setting{flag: "--hugetlb " + h.Size, controller: "hugetlb", file: "hugetlb." + h.Size + ".max",
			set: func() error {
				return m.Update(&cgroup2.Resources{HugeTlb: &cgroup2.HugeTlb{{HugePageSize: h.Size, Limit: h.Bytes}}})
			},
			// Rounded down to whole huge pages.
			holds: func(text string) string {
				if n, ok := parseCount(text); ok && uint64(n) <= h.Bytes {
					return ""
				}
				return strconv.FormatUint(h.Bytes, 10)
			},
			hint: "the sizes are in /sys/kernel/mm/hugepages"})
	}
	return list, nil
}

func memoryV2(c *limit.Cgroup, m *cgroup2.Manager, d *dir) (list []setting, err error) {
	for _, f := range []struct {
		flag, file string
		n          *uint64
		memory     func(*int64) *cgroup2.Memory
	}{
		// The lower bounds first: a limit takes effect at once.
		{"--memory-low", "memory.low", c.MemoryLow, func(n *int64) *cgroup2.Memory { return &cgroup2.Memory{Low: n} }},
		{"--memory-high", "memory.high", c.MemoryHigh, func(n *int64) *cgroup2.Memory { return &cgroup2.Memory{High: n} }},
		{"--memory", "memory.max", c.Memory, func(n *int64) *cgroup2.Memory { return &cgroup2.Memory{Max: n} }},
		{"--swap", "memory.swap.max", c.Swap, func(n *int64) *cgroup2.Memory { return &cgroup2.Memory{Swap: n} }},
	} {
		switch {
		case f.n == nil:
			continue
		case *f.n == limit.Unlimited:
			// The library takes numbers only.
			list = append(list, setting{flag: f.flag, controller: "memory", file: f.file,
				set: func() error { return d.write(f.file, "max") }, holds: is("max")})
			continue
		}
		n, err := signed(*f.n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.flag, err)
		}
		s := setting{flag: fmt.Sprintf("%s %d", f.flag, *f.n), controller: "memory", file: f.file,
			set:   func() error { return m.Update(&cgroup2.Resources{Memory: f.memory(n)}) },
			holds: isBytes(*f.n, pageSize())}
		if f.flag == "--swap" {
			s.hint = "the kernel may have no swap accounting: swapaccount=1 on its command line"
		}
		list = append(list, s)
	}
	if c.OOMGroup {
		on := true
		list = append(list, setting{flag: "--oom-group", controller: "memory", file: "memory.oom.group",
			set:   func() error { return m.Update(&cgroup2.Resources{Memory: &cgroup2.Memory{OOMGroup: &on}}) },
			holds: is("1")})
	}
	return list, nil
}

func pidsV2(n uint64, m *cgroup2.Manager, d *dir) setting {
	s := setting{flag: fmt.Sprintf("--pids %d", n), controller: "pids", file: "pids.max", holds: is(strconv.FormatUint(n, 10))}
	switch max, err := signed(n); {
	case n == limit.Unlimited:
		s.flag, s.holds = "--pids unlimited", is("max")
		s.set = func() error { return d.write(s.file, "max") }
	case n == 0 || err != nil:
		// The library takes 0 for no limit.
		s.set = func() error { return d.write("pids.max", strconv.FormatUint(n, 10)) }
	default:
		s.set = func() error { return m.Update(&cgroup2.Resources{Pids: &cgroup2.Pids{Max: *max}}) }
	}
	return s
}

func cpuV2(c *limit.Cgroup, m *cgroup2.Manager) (list []setting) {
	update := func(r cgroup2.CPU) func() error {
		return func() error { return m.Update(&cgroup2.Resources{CPU: &r}) }
	}
	if c.CPUs != 0 {
		q, p := quota(c.CPUs), uint64(period)
		list = append(list, setting{flag: fmt.Sprintf("--cpus %g", c.CPUs), controller: "cpu", file: "cpu.max",
			set: update(cgroup2.CPU{Max: cgroup2.NewCPUMax(&q, &p)}), holds: is(fmt.Sprintf("%d %d", q, p))})
	}
	if c.CPUWeight != 0 {
		list = append(list, setting{flag: fmt.Sprintf("--cpu-weight %d", c.CPUWeight), controller: "cpu", file: "cpu.weight",
			set: update(cgroup2.CPU{Weight: &c.CPUWeight}), holds: is(strconv.FormatUint(c.CPUWeight, 10))})
	}
	if c.CPUSet != "" {
		// The kernel accepts processors that are not there, and if none is there it
		// takes those of the parent.
		list = append(list, setting{flag: "--cpuset " + c.CPUSet, controller: "cpuset", file: "cpuset.cpus",
			set: update(cgroup2.CPU{Cpus: c.CPUSet}), holds: isCPUs(c.CPUSet),
			also: "cpuset.cpus.effective", alsoHolds: isCPUs(c.CPUSet)})
	}
	return list
}

func ioV2(c *limit.Cgroup, m *cgroup2.Manager) (list []setting, err error) {
	for _, io := range c.IO {
		dev, err := findDevice(io.Device)
		if err != nil {
			return nil, fmt.Errorf("--io %s: %w", io, err)
		}
		asked := rates(io)
		for _, t := range []cgroup2.IOType{cgroup2.ReadBPS, cgroup2.WriteBPS, cgroup2.ReadIOPS, cgroup2.WriteIOPS} {
			n, ok := asked[string(t)]
			if !ok {
				continue
			}
			list = append(list, setting{flag: "--io " + io.String(), controller: "io", file: "io.max",
				set: func() error {
					return m.Update(&cgroup2.Resources{IO: &cgroup2.IO{Max: []cgroup2.Entry{
						{Type: t, Major: int64(dev.major), Minor: int64(dev.minor), Rate: n}}}})
				},
				holds: isRate(dev, string(t), n), hint: "DEV must be a whole disk, not a partition"})
		}
	}
	return list, nil
}

// enable makes the controllers available to the cgroups in a directory.
func enable(parent *dir, m *cgroup2.Manager, controllers []string) error {
	for _, c := range controllers {
		if slices.Contains(parent.words("cgroup.subtree_control"), c) {
			continue
		}
		// One by one: if one fails, none of those in the same write is enabled.
		if err := m.ToggleControllers([]string{c}, cgroup2.Enable); err != nil {
			return fmt.Errorf("the controller %s cannot be enabled: %w", c, parent.error("write", "cgroup.subtree_control", errno(err)))
		}
	}
	return nil
}
