package keeper

import (
	"errors"
	"fmt"
	"strconv"

	"hk/pkg/limit"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// errNotInV1 is for a limit that only version 2 has.
var errNotInV1 = errors.New("cgroups of version 1, which this machine uses, have no such limit")

// nameV1 is the name of a controller in version 1.
func nameV1(controller string) string {
	if controller == "io" {
		return "blkio"
	}
	return controller
}

// subsystem is the library's part for a controller, whose hierarchy is at root/NAME.
func subsystem(controller, root string) (cgroup1.Subsystem, error) {
	switch controller {
	case "memory":
		return cgroup1.NewMemory(root), nil
	case "pids":
		return cgroup1.NewPids(root), nil
	case "cpu":
		return cgroup1.NewCpu(root), nil
	case "cpuset":
		return cgroup1.NewCpuset(root), nil
	case "blkio":
		return cgroup1.NewBlkio(root), nil
	case "hugetlb":
		return cgroup1.NewHugetlb(root)
	}
	return nil, fmt.Errorf("the controller %s has no limits", controller)
}

// settingsV1 are the limits that one controller of version 1 sets, by update.
func settingsV1(c *limit.Cgroup, controller string, d *dir, update func(*specs.LinuxResources) error) ([]setting, error) {
	switch controller {
	case "memory":
		return memoryV1(c, update)
	case "pids":
		return pidsV1(c, d, update)
	case "cpu", "cpuset":
		return cpuV1(c, controller, update), nil
	case "blkio":
		return ioV1(c, update)
	}
	var list []setting
	for _, h := range c.HugeTLB {
		list = append(list, setting{flag: "--hugetlb " + h.Size, file: "hugetlb." + h.Size + ".limit_in_bytes",
			set: func() error {
				return update(&specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: h.Size, Limit: h.Bytes}}})
			},
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

func memoryV1(c *limit.Cgroup, update func(*specs.LinuxResources) error) (list []setting, err error) {
	for _, f := range []struct {
		flag  string
		asked bool
	}{{"--memory-high", c.MemoryHigh != nil}, {"--memory-low", c.MemoryLow != nil}, {"--oom-group", c.OOMGroup}} {
		if f.asked {
			return nil, fmt.Errorf("%s: %w", f.flag, errNotInV1)
		}
	}
	if c.Memory != nil && *c.Memory != limit.Unlimited {
		n, err := signed(*c.Memory)
		if err != nil {
			return nil, fmt.Errorf("--memory: %w", err)
		}
		list = append(list, setting{flag: fmt.Sprintf("--memory %d", *c.Memory), file: "memory.limit_in_bytes",
			set:   func() error { return update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: n}}) },
			holds: isBytes(*c.Memory, pageSize())})
	}
	if c.Swap == nil || *c.Swap == limit.Unlimited {
		return list, nil
	}
	if len(list) == 0 {
		return nil, errors.New("--swap: cgroups of version 1, which this machine uses, limit memory and swap together: --memory is needed too")
	}
	if *c.Swap > limit.Unlimited-*c.Memory {
		return nil, fmt.Errorf("--swap: %d is more than the kernel can count", *c.Swap)
	}
	n, err := signed(*c.Memory + *c.Swap)
	if err != nil {
		return nil, fmt.Errorf("--swap: %w", err)
	}
	return append(list, setting{flag: fmt.Sprintf("--swap %d", *c.Swap), file: "memory.memsw.limit_in_bytes",
		set:   func() error { return update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: n}}) },
		holds: isBytes(*c.Memory+*c.Swap, pageSize()),
		hint:  "the kernel may have no swap accounting: swapaccount=1 on its command line"}), nil
}

func pidsV1(c *limit.Cgroup, d *dir, update func(*specs.LinuxResources) error) ([]setting, error) {
	if c.Pids == nil || *c.Pids == limit.Unlimited {
		return nil, nil
	}
	n, err := signed(*c.Pids)
	if err != nil {
		return nil, fmt.Errorf("--pids: %w", err)
	}
	s := setting{flag: fmt.Sprintf("--pids %d", *n), file: "pids.max", holds: is(strconv.FormatInt(*n, 10))}
	s.set = func() error { return update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: n}}) }
	if *n == 0 {
		// The library takes 0 for no limit.
		s.set = func() error { return d.write(s.file, "0") }
	}
	return []setting{s}, nil
}

func cpuV1(c *limit.Cgroup, controller string, update func(*specs.LinuxResources) error) (list []setting) {
	cpu := func(r specs.LinuxCPU) func() error {
		return func() error { return update(&specs.LinuxResources{CPU: &r}) }
	}
	if controller == "cpuset" {
		if c.CPUSet == "" {
			return nil
		}
		return []setting{{flag: "--cpuset " + c.CPUSet, file: "cpuset.cpus", set: cpu(specs.LinuxCPU{Cpus: c.CPUSet}),
			holds: isCPUs(c.CPUSet), also: "cpuset.effective_cpus", alsoHolds: isCPUs(c.CPUSet)}}
	}
	if c.CPUs != 0 {
		q, p := quota(c.CPUs), uint64(period)
		list = append(list, setting{flag: fmt.Sprintf("--cpus %g", c.CPUs), file: "cpu.cfs_quota_us",
			set: cpu(specs.LinuxCPU{Quota: &q, Period: &p}), holds: is(strconv.FormatInt(q, 10)),
			also: "cpu.cfs_period_us", alsoHolds: is(strconv.Itoa(period))})
	}
	if c.CPUWeight != 0 {
		// 100 and 1024 are the defaults, and 2 is the least.
		shares := max(c.CPUWeight*1024/100, 2)
		list = append(list, setting{flag: fmt.Sprintf("--cpu-weight %d", c.CPUWeight), file: "cpu.shares",
			set: cpu(specs.LinuxCPU{Shares: &shares}), holds: is(strconv.FormatUint(shares, 10))})
	}
	return list
}

func ioV1(c *limit.Cgroup, update func(*specs.LinuxResources) error) (list []setting, err error) {
	for _, io := range c.IO {
		dev, err := findDevice(io.Device)
		if err != nil {
			return nil, fmt.Errorf("--io %s: %w", io, err)
		}
		asked := rates(io)
		for _, r := range []struct {
			rate, file string
			set        func(*specs.LinuxBlockIO, []specs.LinuxThrottleDevice)
		}{
			{"rbps", "read_bps", func(b *specs.LinuxBlockIO, l []specs.LinuxThrottleDevice) { b.ThrottleReadBpsDevice = l }},
			{"wbps", "write_bps", func(b *specs.LinuxBlockIO, l []specs.LinuxThrottleDevice) { b.ThrottleWriteBpsDevice = l }},
			{"riops", "read_iops", func(b *specs.LinuxBlockIO, l []specs.LinuxThrottleDevice) { b.ThrottleReadIOPSDevice = l }},
			{"wiops", "write_iops", func(b *specs.LinuxBlockIO, l []specs.LinuxThrottleDevice) { b.ThrottleWriteIOPSDevice = l }},
		} {
			n, ok := asked[r.rate]
			if !ok {
				continue
			}
			throttle := specs.LinuxThrottleDevice{Rate: n}
			throttle.Major, throttle.Minor = int64(dev.major), int64(dev.minor)
			block := &specs.LinuxBlockIO{}
			r.set(block, []specs.LinuxThrottleDevice{throttle})
			list = append(list, setting{flag: "--io " + io.String(), file: "blkio.throttle." + r.file + "_device",
				set:   func() error { return update(&specs.LinuxResources{BlockIO: block}) },
				holds: isDeviceLine(dev, n), hint: "DEV must be a whole disk, not a partition"})
		}
	}
	return list, nil
}
