package why

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// records are those of a domain of process 161, of an older one of a process with its number,
// and of another program.
const records = `1335 audit(1.1:2): pid=153 uid=0 comm="x" nl-mcgrp=1 op=connect res=1
1423 audit(1.2:3): domain=1dfecb454 blockers=fs.make_dir path="/tmp" dev="tmpfs" ino=1
1424 audit(1.2:3): domain=1dfecb454 status=allocated mode=enforcing pid=161 uid=0 exe="/hk/bin/hk-unshare" comm=COMM
1300 audit(1.2:3): arch=c000003e syscall=83 success=no exit=-13 a0=7ffc ppid=161 pid=163 comm="mkdir"
1423 audit(1.2:4): domain=1dfecb454 blockers=fs.remove_file,fs.make_reg path=2F746D702F61206222 dev="tmpfs" ino=1
1336 audit(1.2:4): uring_op=18 success=no exit=-13 items=0 ppid=1 pid=164
1423 audit(1.3:5): domain=7 blockers=fs.read_file path="/old" dev="tmpfs" ino=1
1424 audit(1.3:5): domain=7 status=allocated mode=enforcing pid=161 uid=0 exe="/bin/x" comm="x"
1423 audit(1.3:6): domain=8 blockers=fs.read_file path="/other" dev="tmpfs" ino=1
1424 audit(1.3:6): domain=8 status=allocated mode=enforcing pid=99 uid=0 exe="/bin/x" comm=COMM
1423 audit(1.3:7): domain=1dfecb454 blockers=net.connect_tcp daddr=127.0.0.1 dest=80
1300 audit(1.3:7): arch=c000003e syscall=426 success=no exit=-13 pid=165
1423 audit(1.3:8): domain=1dfecb454 blockers=scope.signal opid=1 ocomm="guest"
1424 audit(1.4:9): domain=1dfecb454 status=deallocated denials=4
1335 audit(1.4:10): pid=SELF uid=0 comm="x" nl-mcgrp=1 op=disconnect res=1
nonsense
1423 nonsense`

func TestAuditRecords(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	a := &audit{fd: -1, creators: map[string]creator{}, unseen: func(text string) { t.Error(text) }}
	text := strings.NewReplacer("COMM", strconv.Quote(strings.TrimSpace(string(comm))), "SELF", strconv.Itoa(os.Getpid())).Replace(records)
	for _, l := range strings.Split(text, "\n") {
		kind, rest, _ := strings.Cut(l, " ")
		n, _ := strconv.Atoi(kind)
		if a.reached {
			t.Errorf("the end is reached before %s", l)
		}
		if a.record(uint16(n), []byte(rest+"\x00")); n == auditListener && !strings.Contains(l, "op=connect") {
			if !a.reached {
				t.Errorf("the end is not reached with %s", l)
			}
			break
		}
	}
	a.record(auditAccess, []byte("nonsense"))
	want := []denial{
		{pid: 163, blockers: []string{"fs.make_dir"}, path: "/tmp", port: -1, target: -1, call: true},
		{pid: 164, blockers: []string{"fs.remove_file", "fs.make_reg"}, path: `/tmp/a b"`, port: -1, target: -1},
		{pid: 165, blockers: []string{"net.connect_tcp"}, port: 80, target: -1},
		{blockers: []string{"scope.signal"}, port: -1, target: 1},
	}
	if got := a.of(161); !reflect.DeepEqual(got, want) {
		t.Errorf("the denials are\n%+v\nwant\n%+v", got, want)
	}
	if got := a.of(162); got != nil {
		t.Errorf("the denials of another process are %+v; want none", got)
	}
}

// TestKernelTold has denials that were told of a call, and others.
func TestKernelTold(t *testing.T) {
	k := kernelAccount{said: map[string]bool{"a port": true}, places: []place{{"/f", truncate}}}
	for _, c := range []struct {
		d    denial
		r    reason
		want bool
	}{
		{denial{}, reason{what: "x", places: []place{{"/f", writeFile}}}, false},
		{denial{call: true}, reason{what: "x", places: []place{{"/f", writeFile}}}, true},
		{denial{}, reason{what: "x", places: []place{{"/f", writeFile | truncate}}}, true},
		{denial{call: true}, reason{what: "x", places: []place{{"/g", writeFile}}}, false},
		{denial{}, reason{what: "a port"}, true},
		{denial{call: true}, reason{what: "another port"}, false},
	} {
		if got := k.has(c.d, c.r); got != c.want {
			t.Errorf("has(%+v, %+v) = %v; want %v", c.d, c.r, got, c.want)
		}
	}
}
