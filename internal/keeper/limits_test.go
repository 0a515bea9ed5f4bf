package keeper

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// disk is a block device that is a whole disk, as MAJOR:MINOR, or "".
func disk() string {
	names, _ := filepath.Glob("/sys/block/*/dev")
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// huge is a size of huge pages, or "".
func huge() string {
	names, _ := filepath.Glob("/sys/fs/cgroup/hugetlb.*.max")
	if len(names) == 0 {
		// The root of the hierarchy has no limits.
		sizes, _ := filepath.Glob("/sys/kernel/mm/hugepages/hugepages-2048kB")
		if len(sizes) == 1 {
			return "2MB"
		}
		return ""
	}
	return strings.Split(filepath.Base(names[0]), ".")[1]
}

// TestLimits sets each limit and reads the kernel's file.
func TestLimits(t *testing.T) {
	v1 := start(t, "--pids=20").version == "v1"
	for _, c := range []struct{ flags, file, fileV1, want, wantV1 string }{
		{"--memory=64M", "memory.max", "memory.limit_in_bytes", "67108864", ""},
		{"--memory=100001", "memory.max", "memory.limit_in_bytes", "98304", ""},
		{"--memory=unlimited --pids=20", "memory.max", "pids.max", "max", "20"},
		{"--memory-high=32M", "memory.high", "", "33554432", ""},
		{"--memory-low=16M", "memory.low", "", "16777216", ""},
		{"--memory-low=unlimited", "memory.low", "", "max", ""},
		{"--memory=64M --swap=0", "memory.swap.max", "memory.memsw.limit_in_bytes", "0", "67108864"},
		{"--memory=64M --swap=8M", "memory.swap.max", "memory.memsw.limit_in_bytes", "8388608", "75497472"},
		{"--memory=64M --oom-group", "memory.oom.group", "", "1", ""},
		{"--pids=7", "pids.max", "pids.max", "7", ""},
		{"--pids=0", "pids.max", "pids.max", "0", ""},
		{"--pids=unlimited --memory=64M", "pids.max", "memory.limit_in_bytes", "max", "67108864"},
		{"--cpus=0.5", "cpu.max", "cpu.cfs_quota_us", "50000 100000", "50000"},
		{"--cpus=0.01", "cpu.max", "cpu.cfs_quota_us", "1000 100000", "1000"},
		{"--cpus=1.333", "cpu.max", "cpu.cfs_quota_us", "133300 100000", "133300"},
		{"--cpu-weight=50", "cpu.weight", "cpu.shares", "50", "512"},
		{"--cpu-weight=10000", "cpu.weight", "cpu.shares", "10000", "102400"},
		{"--cpuset=0", "cpuset.cpus", "cpuset.cpus", "0", ""},
	} {
		t.Run(c.flags, func(t *testing.T) {
			file, want := c.file, c.want
			if v1 {
				if file = c.fileV1; file == "" {
					t.Skip("version 1 has no such limit")
				}
				if c.wantV1 != "" {
					want = c.wantV1
				}
			}
			f := start(t, strings.Fields(c.flags)...)
			if got := f.file(file); got != want {
				t.Errorf("%s is %q; want %q", file, got, want)
			}
			f.control.Close()
			f.wait(t)
		})
	}
}

// TestDevices limits a block device and huge pages.
func TestDevices(t *testing.T) {
	dev := disk()
	if dev == "" {
		skip(t, "a block device")
	}
	f := start(t, "--io="+strings.Replace(dev, ":", `\:`, 1)+":rbps=1M,wiops=100")
	if f.version == "v2" {
		if got, want := f.file("io.max"), dev+" rbps=1048576 wbps=max riops=max wiops=100"; got != want {
			t.Errorf("io.max is %q; want %q", got, want)
		}
	} else if got, want := f.file("blkio.throttle.read_bps_device"), dev+" 1048576"; got != want {
		t.Errorf("blkio.throttle.read_bps_device is %q; want %q", got, want)
	}
	f.control.Close()
	f.wait(t)
	size := huge()
	if size == "" {
		t.Skip("no huge pages")
	}
	f = start(t, "--hugetlb="+size+":4194305")
	if got := f.file("hugetlb." + size + ".max"); got != "4194304" {
		t.Errorf("hugetlb.%s.max is %q; want 4194304", size, got)
	}
	f.control.Close()
	f.wait(t)
}

// TestRefused names flag, file and reason, and leaves nothing.
func TestRefused(t *testing.T) {
	v1 := start(t, "--pids=20").version == "v1"
	parent := filepath.Dir(start(t, "--pids=20").paths[0])
	for _, c := range []struct{ flags, want, wantV1 string }{
		{"--cpuset=0-4000", "--cpuset 0-4000: ", ""},
		{"--memory=9223372036854775808", "--memory: 9223372036854775808 is more than the kernel can count", ""},
		{"--io=/dev/null:rbps=1", "--io /dev/null:rbps=1: /dev/null is not a block device", ""},
		{"--io=/dev/absent:rbps=1", "--io /dev/absent:rbps=1: stat /dev/absent: no such file or directory", ""},
		{`--io=4095\:1048575:rbps=1`, `--io 4095\:1048575:rbps=1: write /`, ""},
		{"--hugetlb=3MB:4M", "hugetlb.3MB.", ""},
		{"--pids=4194305", "", ""},
		{"--memory=64M --swap=9223372036854775808", "--swap: ", ""},
		{"--swap=0", "", "--swap: cgroups of version 1, which this machine uses, limit memory and swap together: --memory is needed too"},
		{"--memory-high=5M", "", "--memory-high: cgroups of version 1, which this machine uses, have no such limit"},
		{"--memory-low=5M", "", "--memory-low: cgroups of version 1"},
		{"--memory=64M --oom-group", "", "--oom-group: cgroups of version 1"},
		{"--cgroup=/proc", "--cgroup /proc: /proc: is not a directory of a cgroup file system", ""},
		{"--cgroup=/absent", "--cgroup /absent: open /absent: no such file or directory", ""},
		{"--wall=1s", "--wall", ""},
		{"x", `"x" is not a flag`, ""},
	} {
		want := c.want
		if v1 && c.wantV1 != "" {
			want = c.wantV1
		}
		if want == "" {
			continue
		}
		f, err := startKeeper("", strings.Fields(c.flags)...)
		if err == nil {
			f.control.Close()
			t.Errorf("%s: ready, in %s; want %q", c.flags, f.text, want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", c.flags, err, want)
		}
		if left, _ := filepath.Glob(fmt.Sprintf("%s/hk-*-%d-*", parent, f.keeper.Process.Pid)); len(left) > 0 {
			t.Errorf("%s: %v is left", c.flags, left)
		}
	}
}

// TestLink refuses a path through a symbolic link, which another user may have made.
func TestLink(t *testing.T) {
	parent := filepath.Dir(start(t, "--pids=20").paths[0])
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(parent, link); err != nil {
		t.Fatal(err)
	}
	f, err := startKeeper("", "--pids=20", "--cgroup="+link)
	if err == nil {
		f.control.Close()
		t.Fatalf("ready, in %s", f.text)
	}
	if want := "--cgroup " + link + ": " + link + ": has a symbolic link in it"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}
