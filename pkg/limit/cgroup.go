package limit

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"hk/pkg/getopt"
)

// A Cgroup is what a control group is to limit, for all processes of the payload
// together: cgroups(7). A nil pointer, a zero and an empty string are no limit.
//
// It limits no processes that a payload with access to a writable cgroup file system
// moves out of it, and a payload with the caller's user ID can raise the limits there.
type Cgroup struct {
	// Memory is the most memory in bytes, page cache included, before the kernel
	// reclaims it and then kills; MemoryHigh before it slows the payload down. Up to
	// MemoryLow nothing is reclaimed while there is memory elsewhere. Swap is the most
	// swap space. [Unlimited] is not limited by this group.
	Memory, MemoryHigh, MemoryLow, Swap *uint64
	// OOMGroup makes the kernel kill all processes instead of one.
	OOMGroup bool
	// CPUs is the processor time for each second, such as 1.5, in periods of 100 ms.
	CPUs float64
	// CPUWeight is the share among siblings, from 1 to 10000; the kernel's default is 100.
	CPUWeight uint64
	// CPUSet are the processors, as in cpuset(7): "0-3,8".
	CPUSet string
	// Pids is the most processes and threads.
	Pids *uint64
	// IO are limits for block devices.
	IO []IO
	// HugeTLB are limits for pages of a size.
	HugeTLB []HugeTLB
	// Where is "auto", "systemd" or the path of a directory, in which the group is made;
	// "" is auto.
	Where string
}

// IO limits what is read from and written to a block device, in bytes and in
// operations for each second; 0 means no limit.
type IO struct {
	// Device is a file in /dev, or MAJOR:MINOR.
	Device                   string
	RBPS, WBPS, RIOPS, WIOPS uint64
}

// HugeTLB limits huge pages of a size: the size as in the name of the kernel's file,
// such as "2MB", and bytes.
type HugeTLB struct {
	Size  string
	Bytes uint64
}

// Limits reports whether anything is limited or a place was asked for.
func (c *Cgroup) Limits() bool { return len(c.Args()) > 0 }

// ParseCgroup reads flags as [Cgroup.Args] prints them.
func ParseCgroup(words []string) (*Cgroup, error) {
	c := &Cgroup{}
	var fs getopt.Flags
	c.Flags(&fs)
	rest, err := fs.Parse(words)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q is not a flag", rest[0])
	}
	return c, err
}

// Flags binds c to the flags of hk-limit(1).
func (c *Cgroup) Flags(fs *getopt.Flags) {
	bytes := func(name string, at **uint64) { fs.String(name, "", number(at, size)) }
	bytes("memory", &c.Memory)
	bytes("memory-high", &c.MemoryHigh)
	bytes("memory-low", &c.MemoryLow)
	bytes("swap", &c.Swap)
	fs.Bool("oom-group", "", &c.OOMGroup)
	fs.String("cpus", "", func(v string) (err error) {
		c.CPUs, err = strconv.ParseFloat(v, 64)
		// The kernel's smallest quota is 1 ms of a period.
		if err != nil || !(c.CPUs >= 0.01 && c.CPUs <= 100000) || strings.Trim(v, "0123456789.") != "" {
			return fmt.Errorf("%q is not a number of processors, such as 1.5", v)
		}
		return nil
	})
	fs.String("cpu-weight", "", func(v string) (err error) {
		c.CPUWeight, err = strconv.ParseUint(v, 10, 64)
		if err != nil || c.CPUWeight < 1 || c.CPUWeight > 10000 {
			return fmt.Errorf("%q is not a weight from 1 to 10000", v)
		}
		return nil
	})
	fs.String("cpuset", "", func(v string) error {
		if !isCPUSet(v) {
			return fmt.Errorf("%q is not a list of processors, such as 0-3,8", v)
		}
		c.CPUSet = v
		return nil
	})
	fs.String("pids", "", number(&c.Pids, count))
	fs.String("io", "", func(v string) error {
		io, err := parseIO(v)
		c.IO = append(c.IO, io)
		return err
	})
	fs.String("hugetlb", "", func(v string) error {
		h, err := parseHugeTLB(v)
		c.HugeTLB = append(c.HugeTLB, h)
		return err
	})
	fs.String("cgroup", "", func(v string) error {
		if v != "auto" && v != "systemd" && (!path.IsAbs(v) || path.Clean(v) != v) {
			return fmt.Errorf("%q is neither auto nor systemd nor the path of a directory", v)
		}
		c.Where = v
		return nil
	})
}

// Args prints c as flags.
func (c *Cgroup) Args() []string {
	var a getopt.Args
	for _, n := range []struct {
		name string
		v    *uint64
	}{{"memory", c.Memory}, {"memory-high", c.MemoryHigh}, {"memory-low", c.MemoryLow}, {"swap", c.Swap}, {"pids", c.Pids}} {
		if n.v != nil {
			a.String(n.name, format(*n.v))
		}
	}
	a.Bool("oom-group", c.OOMGroup)
	if c.CPUs != 0 {
		a.String("cpus", strconv.FormatFloat(c.CPUs, 'f', -1, 64))
	}
	if c.CPUWeight != 0 {
		a.String("cpu-weight", strconv.FormatUint(c.CPUWeight, 10))
	}
	a.Set("cpuset", c.CPUSet)
	for _, io := range c.IO {
		a.String("io", io.String())
	}
	for _, h := range c.HugeTLB {
		a.String("hugetlb", string(getopt.Escape(h.Size, ":"))+":"+format(h.Bytes))
	}
	a.Set("cgroup", c.Where)
	return a
}

// number reads a number or "unlimited".
func number(at **uint64, u unit) func(string) error {
	return func(v string) error {
		if v == "" {
			return errors.New("a number is needed")
		}
		n, err := u.parse(v)
		*at = &n
		return err
	}
}

// rates are the limits of IO, with the kernel's names.
func (io *IO) rates() []rate {
	return []rate{{"rbps", size, &io.RBPS}, {"wbps", size, &io.WBPS}, {"riops", count, &io.RIOPS}, {"wiops", count, &io.WIOPS}}
}

type rate struct {
	name string
	unit unit
	at   *uint64
}

// String is the form that --io takes.
func (io IO) String() string {
	var set []string
	for _, r := range io.rates() {
		if *r.at != 0 {
			set = append(set, r.name+"="+strconv.FormatUint(*r.at, 10))
		}
	}
	return string(getopt.Escape(io.Device, ":=,")) + ":" + strings.Join(set, ",")
}

func parseIO(v string) (io IO, err error) {
	fields := getopt.Value(v).Split(':')
	n := len(fields)
	// A device may be MAJOR:MINOR.
	if n < 2 || n > 3 {
		return io, fmt.Errorf("%q is not DEV:rbps=N,wbps=N,riops=N,wiops=N", v)
	}
	io.Device = fields[0].Text()
	if n == 3 {
		io.Device += ":" + fields[1].Text()
	}
	for _, f := range fields[n-1].Split(',') {
		name, value, _ := f.Cut('=')
		known := false
		for _, r := range io.rates() {
			if known = known || r.name == name.Text(); r.name != name.Text() || value.Text() == "" {
				continue
			}
			if *r.at, err = r.unit.parse(value.Text()); err != nil || *r.at == 0 || *r.at == Unlimited {
				return io, fmt.Errorf("%q: %s is a number above 0", v, r.name)
			}
		}
		if !known || value.Text() == "" {
			return io, fmt.Errorf("%q is not DEV:rbps=N,wbps=N,riops=N,wiops=N", v)
		}
	}
	if !path.IsAbs(io.Device) && strings.Trim(io.Device, "0123456789:") != "" || io.Device == "" {
		return io, fmt.Errorf("%q is neither a file in /dev nor MAJOR:MINOR", io.Device)
	}
	return io, nil
}

func parseHugeTLB(v string) (h HugeTLB, err error) {
	first, second, two := getopt.Value(v).Cut(':')
	h.Size = first.Text()
	if !two || h.Size == "" || strings.ContainsAny(h.Size, "/.") || second.Text() == "" {
		return h, fmt.Errorf("%q is not SIZE:N, such as 2MB:64M", v)
	}
	h.Bytes, err = size.parse(second.Text())
	return h, err
}

// isCPUSet reports whether v is a list of numbers and ranges.
func isCPUSet(v string) bool {
	for _, r := range strings.Split(v, ",") {
		low, high, two := strings.Cut(r, "-")
		if !two {
			high = low
		}
		a, err := strconv.ParseUint(low, 10, 16)
		b, err2 := strconv.ParseUint(high, 10, 16)
		if err != nil || err2 != nil || a > b || a > math.MaxInt16 {
			return false
		}
	}
	return true
}
