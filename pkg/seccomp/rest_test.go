package seccomp

import (
	"runtime"
	"strings"
	"testing"

	"hk/pkg/filter"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// TestPasses has answers to an op for which one errno is not a failure.
func TestPasses(t *testing.T) {
	op := plan.Chdir("/").Tolerate(unix.EBADF)
	for _, c := range []struct {
		act                    filter.Action
		passes, kills, strands bool
	}{
		{filter.Allow, true, false, false}, {filter.Allow | 1, true, false, false}, {filter.Log, true, false, false},
		{filter.Errno(unix.EBADF), true, false, false}, {filter.Errno(unix.EPERM), false, false, false},
		{filter.Trace, false, false, false},
		{filter.KillProcess, false, true, false}, {filter.KillThread, false, true, true}, {filter.Trap, false, true, true},
		{filter.Action(unix.SECCOMP_RET_USER_NOTIF), false, true, true},
	} {
		a := filter.Answer{Action: c.act}
		if got := passes(op, a); got != c.passes {
			t.Errorf("passes(%v, %v) = %v; want %v", op, c.act, got, c.passes)
		}
		if got := kills(a); got != c.kills {
			t.Errorf("kills(%v) = %v; want %v", c.act, got, c.kills)
		}
		if got := strands(a); got != c.strands {
			t.Errorf("strands(%v) = %v; want %v", c.act, got, c.strands)
		}
	}
}

// TestDenied has filters that deny a call always, for some arguments, and never.
func TestDenied(t *testing.T) {
	for _, c := range []struct {
		rule      string
		some, all bool
	}{
		{"read", false, false}, {"write", true, true}, {"write(arg0==1)", true, false}, {"write(arg0==1),read(arg0==1)", true, false},
	} {
		o, err := filter.ParseOverride(filter.Errno(unix.EPERM), c.rule)
		if err != nil {
			t.Fatal(err)
		}
		p := &filter.Policy{Default: filter.Allow, Newer: filter.Allow, Arches: []*filter.Arch{filter.Native(runtime.GOARCH)}}
		for _, sel := range o.Calls {
			p.Rules = append(p.Rules, filter.Rule{Names: []string{sel.Name}, Action: o.Action, Conds: sel.Conds})
		}
		code, err := filter.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, some, all := denied(code, "write"); some != c.some || all != c.all {
			t.Errorf("denied(%s, write) = %v, %v; want %v, %v", c.rule, some, all, c.some, c.all)
		}
	}
}

// TestCulprit has which flag denies a call.
func TestCulprit(t *testing.T) {
	for _, c := range []struct{ flags, name, want string }{
		{"", "kexec_load", "--profile podman"},
		{"--deny mkdir --kill kexec_load,rmdir", "kexec_load", "--kill=kexec_load,rmdir"},
		{"--allow mkdir --default deny:EXDEV --profile none", "kexec_load", "--default=deny:EXDEV"},
		{"--allow mkdir", "kexec_load", "--profile podman: "},
	} {
		f, err := flagged(strings.Fields(c.flags))
		if err != nil {
			t.Fatal(err)
		}
		fl, err := f.filter(0)
		if err != nil {
			t.Fatal(err)
		}
		nr, _ := filter.Native(runtime.GOARCH).Number(c.name)
		got := f.culprit(fl, filter.Call{Nr: nr}, filter.Answer{Action: filter.Errno(unix.EPERM)})
		if !strings.HasPrefix(got, c.want) || c.want[len(c.want)-1] != ' ' && got != c.want {
			t.Errorf("culprit of %s by %q = %q; want %q", c.name, c.flags, got, c.want)
		}
	}
}
