package filter

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// aProfile is a profile of rules for ioprio_set(2), whose arguments are ints, in
// any order and with any conditions.
func aProfile(r *rand.Rand) (text []byte, p *Policy) {
	p = &Policy{Default: []Action{Allow, Errno(unix.EPERM)}[r.IntN(2)], Arches: []*Arch{X86_64}}
	var out specs.LinuxSeccomp
	out.DefaultAction, out.DefaultErrnoRet = p.Default.oci()
	for range 1 + r.IntN(4) {
		rule := Rule{Names: []string{"ioprio_set"}, Action: []Action{Allow, Errno(unix.EPERM), Errno(2), Errno(3)}[r.IntN(4)]}
		e := rule.Action.entry(rule.Names)
		for _, n := range r.Perm(3)[:r.IntN(3)] {
			c := Cond{Arg: n, Op: []Op{EQ, NE, MaskedEQ}[r.IntN(3)], Value: uint64(r.IntN(4))}
			if c.Op == MaskedEQ {
				c.Mask = uint64(1 + r.IntN(3))
				c.Value &= c.Mask
			}
			rule.Conds = append(rule.Conds, c)
			e.Args = append(e.Args, c.oci())
		}
		p.Rules = append(p.Rules, rule)
		out.Syscalls = append(out.Syscalls, e)
	}
	text, _ = json.Marshal(out)
	return text, p
}

// TestSettleLibseccomp compares what several rules of a profile for one call mean
// with what libseccomp makes of them, given to it as runc(8) does.
func TestSettleLibseccomp(t *testing.T) {
	ask := libseccomp(t)
	r := rand.New(rand.NewPCG(41, 42))
	nr, _ := X86_64.Number("ioprio_set")
	alike, refused := 0, 0
	for range 400 {
		text, p := aProfile(r)
		q, _, err := ReadProfile(text, Target{Arch: X86_64})
		if err != nil {
			if !strings.Contains(err.Error(), "both can match a call") {
				t.Fatalf("%v\n%s", err, text)
			}
			refused++
			continue
		}
		ours, err := Compile(q)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := Decode([]byte(ask("filter", p.text())))
		if err != nil {
			t.Fatal(err)
		}
		our, their := newMachine(t, ours), newMachine(t, theirs)
		for n := range uint64(64) {
			args := [6]uint64{n % 4, n / 4 % 4, n / 16}
			if got, want := our.run(t, X86_64.Audit, nr, args), their.run(t, X86_64.Audit, nr, args); got != want {
				t.Fatalf("%v: %v here, %v by libseccomp\n%s", args[:3], got, want, text)
			}
			alike++
		}
	}
	if t.Logf("%d calls alike, %d profiles refused", alike, refused); alike < 5000 || refused == 0 {
		t.Error("too few")
	}
}

// read makes a policy of the entries of a profile for amd64 and i386.
func read(t *testing.T, def, entries string) (*Policy, []string) {
	t.Helper()
	p, notes, err := ReadProfile([]byte(`{"defaultAction":"`+def+`","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":[`+entries+`]}`), Target{Arch: X86_64})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compile(p); err != nil {
		t.Fatal(err)
	}
	return p, notes
}

// TestSettle has the order of rules, and what two of them leave open.
func TestSettle(t *testing.T) {
	const (
		allowed = `{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":511,"op":"SCMP_CMP_EQ"}]}`
		other   = `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":18,"args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]}`
		denied  = `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}`
		killed  = `{"names":["mkdir"],"action":"SCMP_ACT_KILL_PROCESS"}`
	)
	nr, _ := X86_64.Number("mkdir")
	for _, c := range []struct {
		def     string
		entries []string
		// for modes 0777, 0700 and 0
		want [3]Action
	}{
		{"SCMP_ACT_ALLOW", []string{allowed, denied}, [3]Action{Errno(1), Errno(1), Errno(1)}},
		{"SCMP_ACT_ALLOW", []string{denied, allowed}, [3]Action{Errno(1), Errno(1), Errno(1)}},
		{"SCMP_ACT_ERRNO", []string{allowed, denied}, [3]Action{Allow, Errno(1), Errno(1)}},
		{"SCMP_ACT_ERRNO", []string{denied, allowed}, [3]Action{Allow, Errno(1), Errno(1)}},
		{"SCMP_ACT_LOG", []string{allowed, other}, [3]Action{Allow, Errno(18), Log}},
		{"SCMP_ACT_LOG", []string{other, denied, killed, allowed}, [3]Action{Errno(1), Errno(1), Errno(1)}},
		{"SCMP_ACT_LOG", []string{killed, denied}, [3]Action{KillProcess, KillProcess, KillProcess}},
	} {
		p, _ := read(t, c.def, strings.Join(c.entries, ","))
		for i, mode := range []uint64{0o777, 0o700, 0} {
			if got := p.Evaluate(X86_64.Audit, nr, [6]uint64{1: mode}); got != c.want[i] {
				t.Errorf("by default %s, %q: mkdir of %o: %v; want %v", c.def, c.entries, mode, got, c.want[i])
			}
		}
	}
}

// TestSettleNotes has denials that another rule undoes.
func TestSettleNotes(t *testing.T) {
	const (
		allowed = `{"names":["mkdir","read"],"action":"SCMP_ACT_ALLOW"}`
		some    = `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":18,"args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]}`
		all     = `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":18}`
		byRest  = `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]}`
	)
	for _, c := range []struct{ def, entries, want string }{
		{"SCMP_ACT_ERRNO", some + "," + allowed, "syscalls[0] does not deny mkdir: syscalls[1] allows it, whatever its arguments"},
		{"SCMP_ACT_ERRNO", allowed + "," + all, "syscalls[1] does not deny mkdir: syscalls[0] allows it, whatever its arguments"},
		{"SCMP_ACT_ERRNO", allowed + "," + byRest, "syscalls[1] does not deny mkdir: syscalls[0] allows it, whatever its arguments"},
		{"SCMP_ACT_ERRNO", all + "," + allowed, ""},
		{"SCMP_ACT_ALLOW", some + "," + allowed, ""},
		{"SCMP_ACT_LOG", some + "," + allowed, "syscalls[0] does not deny mkdir: syscalls[1] allows it, whatever its arguments"},
		{"SCMP_ACT_ERRNO", some + "," + all, ""},
	} {
		_, notes := read(t, c.def, c.entries)
		if got := strings.Join(notes, "; "); !strings.HasPrefix(got, c.want) || c.want == "" && strings.Contains(got, "does not deny") {
			t.Errorf("by default %s, %s: notes %q; want %q", c.def, c.entries, got, c.want)
		}
	}
	for _, name := range []string{"podman", "docker"} {
		for _, has := range []uint64{0, ^uint64(0)} {
			b, _ := builtins(name)
			_, notes, err := ReadProfile([]byte(b.json), Target{Arch: X86_64, Caps: has, Kernel: func(a, b uint64) bool { return true }})
			// That Podman denies setns(2), but to CAP_SYS_ADMIN, is undone by itself.
			notes = slices.DeleteFunc(notes, func(n string) bool { return strings.Contains(n, "does not deny setns") && name == "podman" && has == 0 })
			if err != nil || strings.Contains(strings.Join(notes, ""), "does not deny") {
				t.Errorf("ReadProfile() of %s = %v, %q; want no error, and no denial that is undone", name, err, notes)
			}
		}
	}
}

// TestProfileFlags has what the flags of a profile are for seccomp(2), and back.
func TestProfileFlags(t *testing.T) {
	profile := func(keys string) (*Policy, error) {
		p, _, err := ReadProfile([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[],`+keys+`}`), Target{Arch: X86_64})
		return p, err
	}
	for _, c := range []struct {
		flags string
		want  uint64
	}{
		{`[]`, 0}, {`["SCMP_FILTER"]`, 9}, {`["SECCOMP_FILTER_FLAG_TSYNC"]`, 0}, {`["SECCOMP_FILTER_FLAG_LOG"]`, 2},
		{`["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_SPEC_ALLOW"]`, 6},
		{`["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]`, 9}, {`["seccomp_filter_flag_log"]`, 9},
	} {
		p, err := profile(`"flags":` + c.flags)
		if err != nil {
			if c.want != 9 {
				t.Errorf("ReadProfile() with flags %s = %v; want %d", c.flags, err, c.want)
			}
			continue
		}
		text, err := MarshalProfile(p)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := ReadProfile(text, Target{Arch: X86_64})
		if err != nil || p.Flags != c.want || again.Flags != c.want {
			t.Errorf("flags %s are %d, and again %+v, %v; want %d", c.flags, p.Flags, again, err, c.want)
		}
	}
}

// TestCloseWays has what a profile denies, and by what else that could be done.
func TestCloseWays(t *testing.T) {
	rule := func(name, action, arg string) string {
		if arg != "" {
			arg = `,"args":[{"index":0,"value":` + arg + `,"op":"SCMP_CMP_EQ"}]`
		}
		return `{"names":["` + name + `"],"action":"SCMP_ACT_` + action + `"` + arg + `}`
	}
	for _, c := range []struct {
		def, entries string
		arch         *Arch
		name         string
		arg          uint64
		want         Action
	}{
		// Without conditions, as libseccomp has it.
		{"ALLOW", rule("socket", "ERRNO", ""), X86, "socketcall", 1, Errno(1)},
		{"ALLOW", rule("socket", "ERRNO", ""), X86, "socketcall", 2, Allow},
		{"ALLOW", rule("shmget", "KILL_PROCESS", ""), X86, "ipc", 1<<16 | 23, KillProcess},
		{"ALLOW", rule("shmget", "KILL_PROCESS", ""), X86, "ipc", 24, Allow},
		{"ALLOW", rule("semop", "ERRNO", ""), X86, "ipc", 1, Errno(1)},
		{"ERRNO", rule("socket", "ALLOW", ""), X86, "socketcall", 1, Allow},
		{"ERRNO", rule("socket", "ALLOW", "") + "," + rule("socketcall", "ERRNO", ""), X86, "socketcall", 1, Allow},
		{"ERRNO", rule("socket", "ALLOW", "") + "," + rule("socketcall", "KILL", ""), X86, "socketcall", 1, KillThread},
		// libseccomp has the one for all operations count.
		{"LOG", rule("socket", "ERRNO", "") + "," + rule("socketcall", "ALLOW", ""), X86, "socketcall", 1, Errno(1)},
		// With conditions.
		{"ALLOW", rule("socket", "ERRNO", "40"), X86, "socketcall", 1, Errno(1)},
		{"ALLOW", rule("socket", "KILL", "40"), X86, "socketcall", 1, Errno(1)},
		{"ERRNO", rule("socket", "ALLOW", "1") + "," + rule("socketcall", "ALLOW", ""), X86, "socketcall", 1, Errno(1)},
		{"ERRNO", rule("socket", "ALLOW", "1") + "," + rule("socketcall", "ALLOW", ""), X86, "socketcall", 2, Allow},
		{"ERRNO", rule("socket", "ALLOW", "1") + "," + rule("socketcall", "ALLOW", "1"), X86, "socketcall", 1, Allow},
		{"ERRNO", rule("socket", "ALLOW", "1") + "," + rule("socketcall", "ALLOW", ""), X86_64, "socket", 1, Allow},
		{"ALLOW", rule("clone", "ERRNO", "268435456"), X86_64, "clone3", 0, Errno(unix.ENOSYS)},
		{"ALLOW", rule("clone", "KILL", "268435456"), X86, "clone3", 0, Errno(unix.ENOSYS)},
		{"ALLOW", rule("clone", "LOG", "268435456"), X86_64, "clone3", 0, Allow},
		{"ERRNO", rule("clone", "ALLOW", "17") + "," + rule("clone3", "ALLOW", ""), X86_64, "clone3", 0, Errno(unix.ENOSYS)},
		{"ERRNO", rule("clone", "ALLOW", "") + "," + rule("clone3", "ALLOW", ""), X86_64, "clone3", 0, Allow},
		{"ALLOW", rule("clone", "ERRNO", "17") + "," + rule("clone3", "ERRNO", ""), X86_64, "clone3", 0, Errno(1)},
		{"ALLOW", rule("openat", "ERRNO", "5"), X86_64, "openat2", 0, Errno(unix.ENOSYS)},
		{"ALLOW", rule("creat", "ERRNO", "5"), X86_64, "openat2", 0, Errno(unix.ENOSYS)},
		{"ALLOW", rule("sched_setscheduler", "ERRNO", "5"), X86_64, "sched_setattr", 0, Errno(unix.ENOSYS)},
		// What is allowed in whole in two parts.
		{"ERRNO", rule("clone", "ALLOW", "17") + `,{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":17,"op":"SCMP_CMP_NE"}]},` +
			rule("clone3", "ALLOW", ""), X86_64, "clone3", 0, Allow},
	} {
		p, _ := read(t, "SCMP_ACT_"+c.def, c.entries)
		nr, _ := c.arch.Number(c.name)
		if got := p.Evaluate(c.arch.Audit, nr, [6]uint64{c.arg}); got != c.want {
			t.Errorf("by default %s, %s: %s %s(%d): %v; want %v", c.def, c.entries, c.arch.Name, c.name, c.arg, got, c.want)
		}
	}
}

// TestProfileTwins has what a profile denies by another name of the same call, and
// what flags say instead of it.
func TestProfileTwins(t *testing.T) {
	deny, kill := Errno(unix.EPERM), KillProcess
	for _, c := range []struct {
		entries string
		instead Target
		arch    *Arch
		name    string
		args    [6]uint64
		want    Action
	}{
		{`{"names":["setuid"],"action":"SCMP_ACT_ERRNO"}`, Target{}, X86, "setuid32", [6]uint64{}, deny},
		{`{"names":["setuid"],"action":"SCMP_ACT_ERRNO"}`, Target{}, X86, "setgid32", [6]uint64{}, Allow},
		{`{"names":["setuid"],"action":"SCMP_ACT_ERRNO"},{"names":["setuid32"],"action":"SCMP_ACT_LOG"}`, Target{}, X86, "setuid32", [6]uint64{}, Log},
		{`{"names":["fcntl"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":4,"op":"SCMP_CMP_EQ"}]}`, Target{}, X86, "fcntl64", [6]uint64{1: 4}, deny},
		{`{"names":["fcntl"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":4,"op":"SCMP_CMP_EQ"}]}`, Target{}, X86, "fcntl64", [6]uint64{1: 3}, Allow},
		{`{"names":["setuid"],"action":"SCMP_ACT_LOG"}`, Target{}, X86, "setuid32", [6]uint64{}, Allow},
		{`{"names":["wait4"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"}]}`, Target{}, X86, "waitpid", [6]uint64{2: 1}, deny},
		{`{"names":["wait4"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"}]}`, Target{}, X86, "waitpid", [6]uint64{2: 2}, Allow},
		{`{"names":["wait4"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"}]},{"names":["waitpid"],"action":"SCMP_ACT_LOG"}`,
			Target{}, X86, "waitpid", [6]uint64{2: 1}, Log},
		{`{"names":["sendto"],"action":"SCMP_ACT_ERRNO"}`, Target{}, X86, "socketcall", [6]uint64{9}, deny},

		{`{"names":["socket"],"action":"SCMP_ACT_ERRNO"}`, Target{Arches: []*Arch{X86_64, X86}}, X86, "socketcall", [6]uint64{1}, deny},
		{`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},{"names":["socketcall"],"action":"SCMP_ACT_LOG"}`,
			Target{Default: &deny}, X86, "socketcall", [6]uint64{1}, deny},
		{`{"names":["socketcall"],"action":"SCMP_ACT_LOG"}`, Target{Default: &deny}, X86, "socketcall", [6]uint64{1}, Log},
		{`{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"},{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}`, Target{Default: &kill}, X86_64, "mkdir", [6]uint64{}, Allow},
		{`{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"},{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}`, Target{}, X86_64, "mkdir", [6]uint64{}, deny},
	} {
		c.instead.Arch = X86_64
		p, _, err := ReadProfile([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[`+c.entries+`]}`), c.instead)
		if err != nil {
			t.Fatal(err)
		}
		nr, _ := c.arch.Number(c.name)
		if got := p.Evaluate(c.arch.Audit, nr, c.args); got != c.want {
			t.Errorf("%s, read for %+v: %s(%d) = %v; want %v", c.entries, c.instead, c.name, c.args, got, c.want)
		}
	}
}

// TestBuiltinWays checks that what the profiles that come with hk deny for some
// arguments is not done by a call whose arguments no filter sees.
func TestBuiltinWays(t *testing.T) {
	for _, name := range []string{"podman", "docker"} {
		for _, has := range []uint64{0, ^uint64(0)} {
			for _, native := range []*Arch{X86_64, AArch64} {
				p, err := Builtin(name, Target{Arch: native, Caps: has, Kernel: func(a, b uint64) bool { return true }})
				if err != nil {
					t.Fatal(err)
				}
				named := p.named()
				for m := range ways {
					rules := named[m.name]
					if len(rules) == 0 || len(rules[0].Conds) == 0 {
						continue
					}
					if act, _ := p.deniesSome(m, rules); act.Denies() && p.open(m) != nil {
						t.Errorf("%s, %s: %s is denied for some arguments, and %s is not", name, native.Name, m.name, m)
					}
				}
			}
		}
	}
	p, err := Builtin("docker", Target{Arch: X86_64, Kernel: func(a, b uint64) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	socketcall, _ := X86.Number("socketcall")
	if got := p.Evaluate(X86.Audit, socketcall, [6]uint64{1}); got != Errno(unix.EPERM) {
		t.Errorf("docker: socketcall(1): %v; want EPERM", got)
	}
	if got := p.Evaluate(X86.Audit, socketcall, [6]uint64{3}); got != Allow {
		t.Errorf("docker: socketcall(3): %v; want allow", got)
	}
}
