package keeper

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hk/pkg/limit"
)

func TestParseKeyed(t *testing.T) {
	for _, c := range []struct {
		text, key string
		want      int64
		ok        bool
	}{
		{"low 0\nhigh 3\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\nsock_throttled 7\n", "oom_kill", 1, true},
		{"low 0\nhigh 3\n", "oom_kill", 0, false},
		{"usage_usec 12345\nuser_usec 1\n", "user_usec", 1, true},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", "oom_kill", 4, true},
		{"oom_kill 99999999999999999999\n", "oom_kill", 0, false},
		{"oom_kill\n", "oom_kill", 0, false},
		{"", "oom_kill", 0, false},
	} {
		got, ok := parseKeyed(c.text)[c.key]
		if got != c.want || ok != c.ok {
			t.Errorf("parseKeyed(%q)[%s] = %d, %v; want %d, %v", c.text, c.key, got, ok, c.want, c.ok)
		}
	}
}

func TestParseIO(t *testing.T) {
	for text, want := range map[string][2]int64{
		"8:0 rbytes=4096 wbytes=10 rios=1 wios=1 dbytes=0 dios=0\n254:0 rbytes=4 wbytes=2 rios=1 wios=1\n": {4100, 12},
		"8:0\n254:0 rbytes=1\n":      {1, 0},
		"8:0 rbytes=-5 wbytes=x\n":   {0, 0},
		"":                           {0, 0},
		"8:0 (unknown) cost.usage=3": {0, 0},
	} {
		if read, written := parseIOStat(text); [2]int64{read, written} != want {
			t.Errorf("parseIOStat(%q) = %d, %d; want %v", text, read, written, want)
		}
	}
	const v1 = "8:0 Read 5\n8:0 Write 7\n8:0 Sync 5\n8:0 Total 12\n8:16 Read 1\nTotal 13\n"
	if read, written := parseServiceBytes(v1); read != 6 || written != 7 {
		t.Errorf("parseServiceBytes(%q) = %d, %d; want 6, 7", v1, read, written)
	}
}

func TestParsePressure(t *testing.T) {
	for text, want := range map[string]string{
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n": "12 5 true",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n":                                                 "12 0 true",
		"some total=x\n": "0 0 false",
		"":               "0 0 false",
	} {
		some, full, ok := parsePressure(text)
		if got := fmt.Sprint(some, full, ok); got != want {
			t.Errorf("parsePressure(%q) = %s; want %s", text, got, want)
		}
	}
}

func TestParseCgroups(t *testing.T) {
	for text, want := range map[string]string{
		"0::/\n": "v2 / []",
		"9:name=systemd:/\n8:pids:/a\n4:cpu,cpuacct:/b c\n0::/user.slice\n": "v1 /a [pids], v1 /b c [cpu cpuacct], v2 /user.slice []",
		"1:pids:/a:b\n":        "v1 /a:b [pids]",
		"1:pids\n":             "error",
		"1:pids:relative\n":    "error",
		"0::/a (deleted)\n":    "v2 /a (deleted) []",
		"":                     "",
		"5::/nothing\n0::/x\n": "v2 /x []",
	} {
		list, err := parseCgroups(text)
		var got []string
		for _, h := range list {
			version := "v1"
			if h.v2 {
				version = "v2"
			}
			got = append(got, fmt.Sprint(version, " ", h.own, " ", h.controllers))
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("parseCgroups(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestParseMounts(t *testing.T) {
	const text = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu\040x rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 /docker/1 /sys/fs/cgroup/unified rw,relatime master:1 shared:2 - cgroup2 cgroup2 rw,nsdelegate
42 31 0:38 / /short rw - cgroup2
`
	want := []mount{
		{point: "/sys/fs/cgroup/cpu x", root: "/", options: []string{"rw", "cpu", "cpuacct"}},
		{point: "/sys/fs/cgroup/unified", root: "/docker/1", v2: true, options: []string{"rw", "nsdelegate"}},
	}
	if got := parseMounts(text); !reflect.DeepEqual(got, want) {
		t.Errorf("parseMounts() = %+v; want %+v", got, want)
	}
}

func TestAt(t *testing.T) {
	for _, c := range []struct{ root, cgroup, want string }{
		{"/", "/", "/m"},
		{"/", "/a/b", "/m/a/b"},
		{"/a", "/a", "/m"},
		{"/a", "/a/b", "/m/b"},
		{"/a", "/ab", ""},
		{"/a", "/", ""},
		{"/", "/../x", ""},
		{"/..", "/x", ""},
	} {
		got, ok := mount{point: "/m", root: c.root}.at(c.cgroup)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("at(%s) below a mount of %s = %q, %v; want %q", c.cgroup, c.root, got, ok, c.want)
		}
	}
}

func TestParseOwner(t *testing.T) {
	for name, want := range map[string]bool{
		"hk-0123abcd-1-2": true, "hk-0123abcd-1-2.scope": true, "hk-0123abcd-1-2-caller": true,
		"hk-0123abcd-01-2": false, "hk-0123abcd-1-2x": false, "hk-0123ABCD-1-2": false, "hk-0123abc-1-2": false,
		"hk-0123abcd-1-99999999999999999999": false, "xhk-0123abcd-1-2": false, "hk-0123abcd-1-2.service": false,
	} {
		o, ok := parseOwner(name)
		if ok != want {
			t.Errorf("parseOwner(%s) = %v, %v; want %v", name, o, ok, want)
		}
		if ok && !strings.HasPrefix(name, o.String()) {
			t.Errorf("parseOwner(%s) is printed as %s", name, o)
		}
	}
	o, err := thisOwner()
	if again, ok := parseOwner(o.String()); err != nil || !ok || again != o || !o.lives(o.boot) {
		t.Errorf("thisOwner() = %v, %v, which is read as %v, %v; want the same, and that it lives", o, err, again, ok)
	}
	for _, other := range []owner{{o.boot, o.pid, o.start + 1}, {"00000000", o.pid, o.start}} {
		if other.lives(o.boot) {
			t.Errorf("%v lives", other)
		}
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20"
	for stat, want := range map[string]string{
		"1 (a)" + rest: "777 <nil>", "1 (a) S 1) x)" + rest: "777 <nil>", "1 (a) S 1": "0", "": "0",
	} {
		got, _, err := parseStat(stat)
		if text := fmt.Sprint(got, " ", err); !strings.HasPrefix(text, want) {
			t.Errorf("parseStat(%q) = %s; want %s", stat, text, want)
		}
	}
}

func TestParseEnd(t *testing.T) {
	for text, want := range map[string]string{
		"exited 768 5 6 7 8":               `{"reason":"exited","exit_code":3,"wall_us":5,"user_us":6,"system_us":7,"peak_memory_bytes":8192,"memory_source":"rusage"}`,
		"signalled 9 5 6 7 0":              `{"reason":"signalled","signal":9,"wall_us":5,"user_us":6,"system_us":7}`,
		"timeout 0 5 6 7 8 4":              `{"reason":"timeout","exit_code":0,"wall_us":5,"user_us":6,"system_us":7,"peak_memory_bytes":8192,"memory_source":"rusage","memory_floor_bytes":4096}`,
		"exited x -1 99999999999999999999": `{"reason":"exited","exit_code":0,"wall_us":0,"user_us":0,"system_us":0}`,
	} {
		none := (&group{}).usage()
		r := parseEnd(strings.Fields(text)).with(none)
		r.Cgroup = nil
		if got := strings.TrimSpace(string(r.JSON())); got != want {
			t.Errorf("parseEnd(%q) = %s; want %s", text, got, want)
		}
	}
}

// TestReason says when a kill for want of memory explains the end.
func TestReason(t *testing.T) {
	for _, c := range []struct {
		end   string
		kills int64
		want  limit.Reason
	}{
		{"signalled 9", 1, limit.OOM}, {"exited 35072", 1, limit.OOM}, {"exited 0", 1, limit.Exited},
		{"signalled 9", 0, limit.Signalled}, {"signalled 9", -1, limit.Signalled}, {"timeout 9", 1, limit.Timeout}, {"output 9", 1, limit.Output},
	} {
		u := (&group{}).usage()
		u.OOMKills = c.kills
		if got := parseEnd(strings.Fields(c.end)).with(u).Reason; got != c.want {
			t.Errorf("%s with %d kills: %s; want %s", c.end, c.kills, got, c.want)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	got := fmt.Sprint(parseMetrics(strings.Fields(`VmHWM=5 Pss_Anon=6 bad"=1 none=x =3 -=2`)))
	if want := "[{VmHWM 5} {Pss_Anon 6}]"; got != want {
		t.Errorf("parseMetrics() = %s; want %s", got, want)
	}
}

func TestCommonPath(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"/u/1/session-1.scope", "/u/1/m/app/x.scope", "/u/1"}, {"/a", "/b", "/"}, {"/", "/b", "/"}, {"/a/bc", "/a/b", "/a"}, {"/a", "/a/b", "/a"},
	} {
		if got := commonPath(c.a, c.b); got != c.want {
			t.Errorf("commonPath(%s, %s) = %s; want %s", c.a, c.b, got, c.want)
		}
	}
}

// TestHolds says what is accepted when a limit is read back.
func TestHolds(t *testing.T) {
	for _, c := range []struct {
		name  string
		holds func(string) string
		text  string
		want  bool
	}{
		{"bytes, rounded down to pages", isBytes(8191, 4096), "4096\n", true},
		{"bytes, not set", isBytes(8192, 4096), "max\n", false},
		{"bytes, more", isBytes(4096, 4096), "8192\n", false},
		{"processors, written otherwise", isCPUs("0,1,2,5"), "0-2,5\n", true},
		{"processors, in another order", isCPUs("5,0-2"), "0-2,5\n", true},
		{"processors, one is missing", isCPUs("0-3"), "0-2\n", false},
		{"processors, none", isCPUs("0-3"), "\n", false},
		{"rate", isRate(device{8, 0}, "rbps", 5), "8:16 rbps=5 wbps=max riops=max wiops=max\n8:0 rbps=5 wbps=max riops=max wiops=max\n", true},
		{"rate of another device", isRate(device{8, 0}, "rbps", 5), "8:16 rbps=5 wbps=max riops=max wiops=max\n", false},
		{"another rate", isRate(device{8, 0}, "rbps", 5), "8:0 rbps=50 wbps=5 riops=max wiops=max\n", false},
		{"rate of version 1", isDeviceLine(device{8, 0}, 5), "8:0 5\n", true},
		{"no rate of version 1", isDeviceLine(device{8, 0}, 5), "8:0 50\n", false},
	} {
		if got := c.holds(c.text); (got == "") != c.want {
			t.Errorf("%s: %q, want %q: %v; want %v", c.name, c.text, got, got == "", c.want)
		}
	}
}

// FuzzParse gives the readers foreign bytes.
func FuzzParse(f *testing.F) {
	f.Add("some avg10=0.00 total=12\n8:0 rbytes=4096 wbytes=10\n8:0 Read 5\noom_kill 1\n")
	f.Add("9:name=systemd:/\n8:pids:/a\n0::/user.slice\n")
	f.Add("41 31 0:38 /docker/1 /sys/fs/\\040 rw master:1 - cgroup2 cgroup2 rw\n")
	f.Add("exited 768 5 6 7 8 9\n1 (x) y) S 1 2\nhk-0123abcd-1-2.scope 0-3,8")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range parseKeyed(text) {
			_ = n
		}
		if r, w := parseIOStat(text); r < 0 && w < 0 && len(text) < 1000 {
			t.Log("sums that overflow") // of what no kernel writes
		}
		parseServiceBytes(text)
		if some, full, ok := parsePressure(text); some < 0 || full < 0 || !ok && some+full > 0 {
			t.Errorf("parsePressure() = %d, %d, %v", some, full, ok)
		}
		list, _ := parseCgroups(text)
		for _, h := range list {
			if !strings.HasPrefix(h.own, "/") {
				t.Errorf("own is %q", h.own)
			}
		}
		for _, m := range parseMounts(text) {
			if p, ok := m.at("/a/b"); ok && p == "" {
				t.Errorf("at() = %q", p)
			}
		}
		parseStat(text)
		e := parseEnd(strings.Fields(text))
		if e.Wall < 0 || e.ExitCode > 255 {
			t.Errorf("parseEnd() = %+v", e)
		}
		if o, ok := parseOwner(text); ok && !strings.HasPrefix(text, o.String()) {
			t.Errorf("parseOwner(%q) is printed as %s", text, o)
		}
		for _, m := range parseMetrics(strings.Fields(text)) {
			if strings.ContainsAny(m.Name, `"\`) {
				t.Errorf("name %q", m.Name)
			}
		}
	})
}
