package keeper

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

// A setting is one limit: what sets it, and how it is found to be set.
type setting struct {
	// flag is for messages.
	flag       string
	controller string
	// file is written by set, and then holds reports whether its text is what was asked.
	file string
	set  func() error
	// holds returns "" or what was expected instead.
	holds func(text string) string
	// also is looked at besides file, if it is not "".
	also      string
	alsoHolds func(text string) string
	hint      string
}

// apply sets limits in a cgroup and reads each of them back: the kernel rounds some, and
// accepts some that it does not enforce.
func apply(d *dir, list []setting) error {
	for _, s := range list {
		if err := s.apply(d); err != nil {
			if s.hint != "" {
				return fmt.Errorf("%s: %w: %s", s.flag, err, s.hint)
			}
			return fmt.Errorf("%s: %w", s.flag, err)
		}
	}
	return nil
}

func (s setting) apply(d *dir) error {
	// The library would try to create it, and the error would be another.
	if !d.has(s.file) {
		return d.error("open", s.file, unix.ENOENT)
	}
	if err := s.set(); err != nil {
		return d.error("write", s.file, errno(err))
	}
	if err := check(d, s.file, s.holds); err != nil {
		return err
	}
	if s.also != "" {
		return check(d, s.also, s.alsoHolds)
	}
	return nil
}

func check(d *dir, file string, holds func(string) string) error {
	text, err := d.read(file)
	if err != nil {
		return err
	}
	if want := holds(text); want != "" {
		return fmt.Errorf("%s/%s: is %q, not %q", d.path, file, strings.TrimSpace(text), want)
	}
	return nil
}

// errno is the error of the system call, without the path that the library used.
func errno(err error) error {
	var e unix.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// is expects a text.
func is(want string) func(string) string {
	return func(text string) string {
		if strings.TrimSpace(text) == want {
			return ""
		}
		return want
	}
}

// isBytes expects a number of bytes, which the kernel rounds down to whole pages.
func isBytes(n uint64, unit uint64) func(string) string {
	return is(strconv.FormatUint(n/unit*unit, 10))
}

func pageSize() uint64 { return uint64(os.Getpagesize()) }

// isCPUs expects a list of processors, however it is written.
func isCPUs(want string) func(string) string {
	return func(text string) string {
		if slices.Equal(cpus(text), cpus(want)) {
			return ""
		}
		return want
	}
}

// cpus are the numbers in a list as in cpuset(7), sorted.
func cpus(list string) []int {
	var numbers []int
	for _, r := range strings.Split(strings.TrimSpace(list), ",") {
		low, high, two := strings.Cut(r, "-")
		if !two {
			high = low
		}
		a, err := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || b-a > math.MaxInt16 {
			continue
		}
		for n := a; n <= b; n++ {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// period of the processor quota, in microseconds.
const period = 100000

func quota(cpus float64) int64 { return int64(math.Round(cpus * period)) }

// signed is n as the library takes it.
func signed(n uint64) (*int64, error) {
	if n > math.MaxInt64 {
		return nil, fmt.Errorf("%d is more than the kernel can count", n)
	}
	v := int64(n)
	return &v, nil
}

// A device is a block device.
type device struct{ major, minor uint32 }

func (d device) String() string { return fmt.Sprintf("%d:%d", d.major, d.minor) }

func findDevice(name string) (d device, err error) {
	if !strings.HasPrefix(name, "/") {
		major, minor, _ := strings.Cut(name, ":")
		a, err := strconv.ParseUint(major, 10, 12)
		b, err2 := strconv.ParseUint(minor, 10, 20)
		if err != nil || err2 != nil {
			return d, fmt.Errorf("%q is not MAJOR:MINOR", name)
		}
		return device{uint32(a), uint32(b)}, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return d, fmt.Errorf("stat %s: %w", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return d, fmt.Errorf("%s is not a block device", name)
	}
	return device{unix.Major(st.Rdev), unix.Minor(st.Rdev)}, nil
}

// isRate expects a rate of a device in io.max, which has a line for each device:
// MAJOR:MINOR rbps=N wbps=max riops=max wiops=max.
func isRate(dev device, rate string, n uint64) func(string) string {
	return func(text string) string {
		want := rate + "=" + strconv.FormatUint(n, 10)
		for line := range strings.Lines(text) {
			fields := strings.Fields(line)
			if len(fields) > 0 && fields[0] == dev.String() && slices.Contains(fields, want) {
				return ""
			}
		}
		return dev.String() + " " + want
	}
}

// isDeviceLine expects a line MAJOR:MINOR N, as the files of blkio have them.
func isDeviceLine(dev device, n uint64) func(string) string {
	return func(text string) string {
		want := fmt.Sprintf("%s %d", dev, n)
		for line := range strings.Lines(text) {
			if strings.Join(strings.Fields(line), " ") == want {
				return ""
			}
		}
		return want
	}
}

// rates are the limits of one device that were asked for, by the kernel's names.
func rates(io limit.IO) map[string]uint64 {
	m := map[string]uint64{}
	for name, n := range map[string]uint64{"rbps": io.RBPS, "wbps": io.WBPS, "riops": io.RIOPS, "wiops": io.WIOPS} {
		if n != 0 {
			m[name] = n
		}
	}
	return m
}

// needs are the controllers that limits take, under the names of version 2, each with
// the first flag that takes it.
func needs(c *limit.Cgroup) (controllers []string, flags map[string]string) {
	flags = map[string]string{}
	need := func(controller, flag string, asked bool) {
		if asked && flags[controller] == "" {
			controllers = append(controllers, controller)
			flags[controller] = flag
		}
	}
	need("memory", "--memory", c.Memory != nil)
	need("memory", "--memory-high", c.MemoryHigh != nil)
	need("memory", "--memory-low", c.MemoryLow != nil)
	need("memory", "--swap", c.Swap != nil)
	need("memory", "--oom-group", c.OOMGroup)
	need("pids", "--pids", c.Pids != nil)
	need("cpu", "--cpus", c.CPUs != 0)
	need("cpu", "--cpu-weight", c.CPUWeight != 0)
	need("cpuset", "--cpuset", c.CPUSet != "")
	need("io", "--io", len(c.IO) > 0)
	need("hugetlb", "--hugetlb", len(c.HugeTLB) > 0)
	return controllers, flags
}
