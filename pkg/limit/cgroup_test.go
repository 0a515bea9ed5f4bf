package limit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseCgroup(t *testing.T) {
	for _, c := range []struct{ flags, printed, err string }{
		{"--memory 64M --swap 0 --pids=20 --oom-group", "--memory=67108864 --swap=0 --pids=20 --oom-group", ""},
		{"--memory-high 1.5G --memory-low 1MB --memory unlimited", "--memory=unlimited --memory-high=1610612736 --memory-low=1000000", ""},
		{"--cpus 1.50 --cpu-weight 50 --cpuset 0-3,8", "--cpus=1.5 --cpu-weight=50 --cpuset=0-3,8", ""},
		{"--io /dev/sda:rbps=1M,wiops=100 --io 8:16:wbps=5", "--io=/dev/sda:rbps=1048576,wiops=100 --io=8\\:16:wbps=5", ""},
		{"--hugetlb 2MB:64M --cgroup auto", "--hugetlb=2MB:67108864 --cgroup=auto", ""},
		{"--cgroup /sys/fs/cgroup/mine", "--cgroup=/sys/fs/cgroup/mine", ""},
		{"--cgroup systemd", "--cgroup=systemd", ""},
		{"--cgroup mine", "", `"mine" is neither auto nor systemd nor the path of a directory`},
		{"--cgroup /sys/fs/cgroup/../..", "", `"/sys/fs/cgroup/../.." is neither`},
		{"--memory=", "", "a number is needed"},
		{"--memory 1X", "", `"1X" is not a number`},
		{"--pids 1K", "", `"1K" is not a number`},
		{"--cpus 0", "", `"0" is not a number of processors`},
		{"--cpus NaN", "", `"NaN" is not a number of processors`},
		{"--cpus 1e3", "", `"1e3" is not a number of processors`},
		{"--cpu-weight 10001", "", "is not a weight"},
		{"--cpuset 3-0", "", "is not a list of processors"},
		{"--cpuset 0,,1", "", "is not a list of processors"},
		{"--io /dev/sda", "", "is not DEV:"},
		{"--io /dev/sda:rbps", "", "is not DEV:"},
		{"--io /dev/sda:speed=5", "", "is not DEV:"},
		{"--io /dev/sda:rbps=0", "", "rbps is a number above 0"},
		{"--io sda:rbps=5", "", `"sda" is neither a file in /dev nor MAJOR:MINOR`},
		{"--hugetlb 2MB", "", "is not SIZE:N"},
		{"--hugetlb ../x:1", "", "is not SIZE:N"},
		{"--wall 1s", "", "--wall"},
		{"x", "", `"x" is not a flag`},
	} {
		got, err := ParseCgroup(strings.Fields(c.flags))
		if c.err != "" || err != nil {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("ParseCgroup(%s) = %v; want %q", c.flags, err, c.err)
			}
			continue
		}
		printed := strings.Join(got.Args(), " ")
		if printed != c.printed {
			t.Errorf("ParseCgroup(%s).Args() = %s; want %s", c.flags, printed, c.printed)
		}
		if again, err := ParseCgroup(got.Args()); err != nil || !slices.Equal(again.Args(), got.Args()) {
			t.Errorf("ParseCgroup(%s) = %v, %v; want the same again", printed, again.Args(), err)
		}
	}
}

// FuzzCgroup parses flags, prints them and parses them again.
func FuzzCgroup(f *testing.F) {
	f.Add("--io=8:16:wbps=5\n--cpus=0.5\n--memory=64M")
	f.Add("--hugetlb=2MB:1G\n--cpuset=0-3,8\n--cgroup=/a b")
	f.Fuzz(func(t *testing.T, flags string) {
		c, err := ParseCgroup(strings.Split(flags, "\n"))
		if err != nil {
			return
		}
		again, err := ParseCgroup(c.Args())
		if err != nil || !slices.Equal(again.Args(), c.Args()) {
			t.Errorf("%q: %q -> %v, %v; want the same", flags, c.Args(), again.Args(), err)
		}
	})
}

func TestReport(t *testing.T) {
	r := Report{Reason: OOM, ExitCode: 137, Wall: 1500 * time.Millisecond, User: time.Second, PeakMemory: 1 << 20, MemorySource: "cgroup",
		Cgroup:  &Usage{PeakPids: 3, PeakSwap: -1, OOMKills: 1, ReadBytes: 0, WrittenBytes: 5, Throttled: -1, Pressure: []Pressure{{"memory", time.Second, time.Millisecond}}},
		Payload: []Metric{{"VmHWM", 4096}}}
	const want = `{"reason":"oom","exit_code":137,"wall_us":1500000,"user_us":1000000,"system_us":0,"peak_memory_bytes":1048576,"memory_source":"cgroup",` +
		`"peak_pids":3,"oom_kills":1,"read_bytes":0,"written_bytes":5,"memory_pressure_some_us":1000000,"memory_pressure_full_us":1000,"payload":{"VmHWM":4096}}` + "\n"
	if got := string(r.JSON()); got != want {
		t.Errorf("JSON() = %s; want %s", got, want)
	}
	r = Report{Reason: Killed, ExitCode: -1}
	if got, want := string(r.JSON()), `{"reason":"killed","wall_us":0,"user_us":0,"system_us":0}`+"\n"; got != want {
		t.Errorf("JSON() = %s; want %s", got, want)
	}
}

// FuzzMetrics parses files of procfs: each figure can be printed as JSON.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte("Rss:            1234 kB\nName:\tx\nVmPeak:\t  99 kB\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := Report{Reason: Exited, Payload: parseMetrics(b)}
		if !json.Valid(r.JSON()) {
			t.Errorf("%q: JSON() = %s; want JSON", b, r.JSON())
		}
	})
}
