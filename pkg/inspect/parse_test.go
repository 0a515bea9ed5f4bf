package inspect

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const statusFile = `Name:	sh: x
Umask:	0022
State:	S (sleeping)
Tgid:	7
Pid:	7
PPid:	1
Uid:	1000	0	1000	0
Gid:	100	100	100	100
Groups:	4 24 
Threads:	1
SigQ:	0/96364
SigPnd:	0000000000000000
ShdPnd:	0000000000000002
SigBlk:	0000000000010000
SigIgn:	0000000000001000
SigCgt:	8000000000000001
CapInh:	0000000000000001
CapPrm:	00000000a80425fb
CapEff:	00000000a80425fb
CapBnd:	000001ffffffffff
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	3
`

func TestParseStatus(t *testing.T) {
	got, err := parseStatus(statusFile)
	want := status{uids: [4]uint32{1000, 0, 1000, 0}, gids: [4]uint32{100, 100, 100, 100}, groups: []uint32{4, 24},
		caps: [5]uint64{0xa80425fb, 0xa80425fb, 1, 0x1ffffffffff, 0}, noNewPrivs: true, mode: 2, filters: 3,
		pending: 2, blocked: 0x10000, ignored: 0x1000, caught: 0x8000000000000001, umask: 0o22}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseStatus = %+v, %v; want %+v", got, err, want)
	}
	if got := signals(want.caught); !slices.Equal(got, []string{"HUP", "64"}) {
		t.Errorf("signals = %q", got)
	}
	for _, line := range []string{"Uid:\t1000\t0\t1000\t0\n", "Groups:\t4 24 \n", "CapBnd:\t000001ffffffffff\n", "SigIgn:\t0000000000001000\n", "NoNewPrivs:\t1\n"} {
		if _, err := parseStatus(strings.Replace(statusFile, line, "", 1)); err == nil {
			t.Errorf("without %q it is no error", line)
		}
	}
	for from, to := range map[string]string{"Seccomp:\t2": "Seccomp:\tx", "Umask:\t0022": "Umask:\t9", "4 24": "4 -1", "\t1000\t0\t1000\t0": "\t1000"} {
		if _, err := parseStatus(strings.Replace(statusFile, from, to, 1)); err == nil {
			t.Errorf("with %q it is no error", to)
		}
	}
	// A kernel without seccomp, and one before Linux 5.9.
	none, err := parseStatus(strings.Replace(statusFile, "Seccomp:\t2\nSeccomp_filters:\t3\n", "", 1))
	if err != nil || none.mode != 0 || none.filters != 0 {
		t.Errorf("without seccomp = %+v, %v", none, err)
	}
	old, err := parseStatus(strings.Replace(statusFile, "Seccomp_filters:\t3\n", "", 1))
	if err != nil || old.mode != 2 || old.filters != -1 {
		t.Errorf("without the number of filters = %+v, %v", old, err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add(statusFile)
	f.Add("Uid:\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStatus(text); err != nil && !reflect.DeepEqual(s, status{}) {
			t.Errorf("parseStatus(%q) = %+v, %v", text, s, err)
		}
	})
}

const limitsFile = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              10                   unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    0                    bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             96364                96364                processes 
Max open files            1024                 20000                files     
Max locked memory         8388608              8388608              bytes     
Max address space         unlimited            unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       96364                96364                signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            unlimited            us        
`

func TestParseLimits(t *testing.T) {
	got, err := parseLimits(limitsFile)
	if err != nil || len(got) != 16 || got["nofile"] != (Limit{1024, 20000}) || got["cpu"] != (Limit{10, unix.RLIM_INFINITY}) || got["nice"] != (Limit{}) {
		t.Errorf("parseLimits = %v, %v", got, err)
	}
	for _, bad := range []string{"", strings.Replace(limitsFile, "1024 ", "x ", 1), limitsFile[:len(limitsFile)/2]} {
		if got, err := parseLimits(bad); err == nil {
			t.Errorf("parseLimits(%q) = %v", bad, got)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add(limitsFile)
	f.Fuzz(func(t *testing.T, text string) {
		limits, err := parseLimits(text)
		if err != nil {
			return
		}
		b, err := json.Marshal(limits)
		var again map[string]Limit
		if err != nil || json.Unmarshal(b, &again) != nil || !reflect.DeepEqual(again, limits) {
			t.Errorf("%v as JSON is %s, which is %v", limits, b, again)
		}
	})
}

func TestParseStat(t *testing.T) {
	const text = "7 (a) S 9) S 1 2 3 34817 5 4194304 1 2 3 4 5 6 7 8 20 -5 1 0 100 0 0\n"
	got, err := parseStat(text)
	if want := (processStat{parent: 1, group: 2, session: 3, terminal: 34817, foreground: 5, nice: -5, faults: [2]int{1, 3}, start: 101}); err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "7 (sh) S 1 2", strings.Replace(text, "34817", "x", 1), "7 sh S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"} {
		if got, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) = %+v", bad, got)
		}
	}
	for dev, want := range map[int]string{0: "", 34817: "/dev/pts/1", 1025: "/dev/tty1", 1089: "/dev/ttyS1", 1281: "/dev/console", 0x1000 + 1: "device 16:1"} {
		if got := terminalName(dev); got != want {
			t.Errorf("terminalName(%d) = %q; want %q", dev, got, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("7 (a) S 9) S 1 2 3 34817 5 4194304 1 2 3 4 5 6 7 8 20 -5 1 0 100 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStat(text)
		if err != nil && s != (processStat{}) {
			t.Errorf("parseStat(%q) = %+v, %v", text, s, err)
		}
		terminalName(s.terminal)
	})
}

func TestParseCgroups(t *testing.T) {
	got, err := parseCgroups("12:pids:/a:b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/user.slice\n")
	want := []Cgroup{{Controllers: "pids", Path: "/a:b"}, {Controllers: "cpu,cpuacct", Path: "/"}, {Path: "/user.slice"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseCgroups = %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"0:", "0::", "0::x", "x"} {
		if got, err := parseCgroups(bad); err == nil {
			t.Errorf("parseCgroups(%q) = %+v", bad, got)
		}
	}
	mounts := []Mount{{At: "/sys/fs/cgroup", From: "/a", Type: "cgroup2"}, {At: "/c", From: "/", Type: "cgroup", Super: []string{"rw", "cpu", "cpuacct"}}}
	for _, c := range []struct {
		group Cgroup
		at    string
	}{
		{Cgroup{Path: "/a"}, "/sys/fs/cgroup"}, {Cgroup{Path: "/a/b"}, "/sys/fs/cgroup"}, {Cgroup{Path: "/ab"}, ""}, {Cgroup{Path: "/../a"}, ""},
		{Cgroup{Controllers: "cpu,cpuacct", Path: "/x"}, "/c"}, {Cgroup{Controllers: "pids", Path: "/x"}, ""},
	} {
		m, err := c.group.mount(mounts)
		if (err == nil) != (c.at != "") || err == nil && m.At != c.at {
			t.Errorf("%+v is at %+v, %v; want %q", c.group, m, err, c.at)
		}
	}
}

func FuzzParseCgroups(f *testing.F) {
	f.Add("12:pids:/a:b\n0::/\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseCgroups(text)
		for _, c := range list {
			if err != nil || c.Path[0] != '/' {
				t.Errorf("parseCgroups(%q) = %+v, %v", text, list, err)
			}
		}
	})
}

func TestParseNamespace(t *testing.T) {
	if got, err := parseNamespace("net:[4026531840]", "net"); err != nil || got != 4026531840 {
		t.Errorf("parseNamespace = %d, %v", got, err)
	}
	for _, bad := range []string{"", "net:[]", "net:[1", "mnt:[1]", "net:[-1]", "/etc/passwd"} {
		if got, err := parseNamespace(bad, "net"); err == nil {
			t.Errorf("parseNamespace(%q) = %d", bad, got)
		}
	}
}

func TestParseFDInfo(t *testing.T) {
	for text, want := range map[string]string{"pos:\t0\nflags:\t0100000\nmnt_id:\t9\n": "r", "flags:\t02000001\n": "w", "flags:\t0100002\n": "rw", "flags:\t012000000\n": "path"} {
		flags, err := parseFDInfo(text)
		if got := access(flags); err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	if got, err := parseFDInfo("pos:\t0\n"); err == nil {
		t.Errorf("without flags it is %o", got)
	}
}

func FuzzParseFDInfo(f *testing.F) {
	f.Add("pos:\t0\nflags:\t0100000\n")
	f.Fuzz(func(t *testing.T, text string) {
		flags, _ := parseFDInfo(text)
		access(flags)
	})
}

// statmountOf is a struct statmount with two texts.
func statmountOf() []byte {
	b := make([]byte, statmountHeader, 1<<10)
	u32 := func(at int, v uint32) { binary.NativeEndian.PutUint32(b[at:], v) }
	u64 := func(at int, v uint64) { binary.NativeEndian.PutUint64(b[at:], v) }
	u64(8, statmountSBBasic|statmountMntBasic|statmountPropagate|statmountMntPoint|statmountFSType)
	u32(16, 8)
	u32(20, 1)
	u32(32, unix.MS_RDONLY)
	u64(40, 5)
	u64(48, 4)
	u64(64, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOATIME)
	u64(72, unix.MS_SHARED)
	u64(80, 9)
	u32(statmountPointAt, 0)
	u32(statmountFSTypeAt, 5)
	return append(b, "/mnt\x00tmpfs\x00"...)
}

func TestParseStatmount(t *testing.T) {
	got, err := parseStatmount(statmountOf())
	want := Mount{At: "/mnt", Type: "tmpfs", Device: "8:1", Options: []string{"ro", "nodev", "noatime"}, Super: []string{"ro"}, Propagation: []string{"shared:9"}, id: 5, parent: 4}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseStatmount = %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseStatmount(nil); err == nil {
		t.Error("an empty struct is no error")
	}
}

func FuzzParseStatmount(f *testing.F) {
	f.Add(statmountOf())
	f.Fuzz(func(t *testing.T, b []byte) { parseStatmount(b) })
}
