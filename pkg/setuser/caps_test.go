package setuser

import (
	"strings"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

func TestCapList(t *testing.T) {
	const (
		chown = uint64(1) << unix.CAP_CHOWN
		kill  = uint64(1) << unix.CAP_KILL
		raw   = uint64(1) << unix.CAP_NET_RAW
		trace = uint64(1) << unix.CAP_SYS_PTRACE
	)
	current := chown | trace
	for _, c := range []struct {
		list string
		keep bool
		want uint64
		err  string
	}{
		{list: "none"},
		{list: "all", want: chown | kill},
		{list: "docker", want: docker},
		{list: "docker,-net_raw,+sys_ptrace", want: docker&^raw | trace},
		{list: "none,docker,-CAP_KILL", want: docker &^ kill},
		{list: "+cap_chown,+Kill", want: chown | kill},
		{list: "-kill", want: chown},
		{list: "+kill,none", want: 0},
		{list: "keep", keep: true, want: current},
		{list: "keep,-chown", keep: true, want: trace},
		{list: "keep", err: `"keep" is not none, all, docker, +CAP or -CAP`},
		{list: "chown", keep: true, err: `"chown" is not none, all, keep, docker, +CAP or -CAP`},
		{list: "+docker", err: `"+docker": docker is a whole set, which has no sign`},
		{list: "-all", err: `"-all": all is a whole set, which has no sign`},
		{list: "+none", err: `unknown capability "none"`},
		{list: "+", err: `"+" is not none, all, docker, +CAP or -CAP`},
		{list: "+sys_ptrace,+syslog", err: `unknown capability "syslog"`}, // above last
	} {
		l := capList{all: chown | kill, last: unix.CAP_AUDIT_CONTROL}
		if c.keep {
			l.keep = &current
		}
		got, err := l.parse(c.list)
		switch {
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("parse(%q) = %v; want %q", c.list, err, c.err)
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("parse(%q) = %#x, %v; want %#x", c.list, got, err, c.want)
		}
	}
}

// TestDocker has the list as Docker prints it in its documentation of docker run.
func TestDocker(t *testing.T) {
	names := strings.Fields("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT")
	for c := range 64 {
		listed := false
		for _, name := range names {
			listed = listed || plan.CapName(c) == "CAP_"+name
		}
		if has := uint64(docker)>>c&1 != 0; has != listed {
			t.Errorf("docker has %s: %v; want %v", plan.CapName(c), has, listed)
		}
	}
	// As /proc/PID/status has it in a container of Docker.
	if docker != 0xa80425fb {
		t.Errorf("docker = %#x", uint64(docker))
	}
}
