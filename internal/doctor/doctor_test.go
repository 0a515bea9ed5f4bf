package doctor

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hk/pkg/cause"
	"hk/pkg/chain"
)

var update = flag.Bool("update", false, "write the list of trials in hk-doctor(1) anew")

// TestTrials checks that the words of each trial are a chain, with a user namespace and
// without, and that names are unique.
func TestTrials(t *testing.T) {
	names := map[string]bool{}
	for _, tr := range trials {
		if names[tr.name] || !regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`).MatchString(tr.name) || tr.what == "" {
			t.Errorf("%q: %q; want a name of its own", tr.name, tr.what)
		}
		names[tr.name] = true
		if chain.ByName(tr.stage) == nil {
			t.Errorf("%s: %s is not a stage", tr.name, tr.stage)
		}
		for _, own := range []bool{false, true} {
			words := tr.words(own)
			if words == nil {
				continue
			}
			c, err := chain.Parse(words)
			if err != nil {
				t.Errorf("%s: %q: %v", tr.name, words, err)
				continue
			}
			has := slices.ContainsFunc(c.Links, func(l chain.Link) bool { return l.Kind.Name == tr.stage })
			if user := slices.Contains(words, "--user") && tr.stage != "hk-setuser"; !has || own && user {
				t.Errorf("%s: words(%v) = %q; want a chain with %s", tr.name, own, words, tr.stage)
			}
		}
	}
	for _, name := range []string{"user-namespace", "own-ids"} {
		i := slices.IndexFunc(trials, func(t trial) bool { return t.name == name })
		if words := trials[i].words(true); words != nil {
			t.Errorf("%s: words(true) = %q; want nothing to try", name, words)
		}
	}
}

// TestUsedBy checks what some plans need.
func TestUsedBy(t *testing.T) {
	for _, c := range []struct {
		op   string
		want []string
	}{
		{"clone3({flags=CLONE_VM|CLONE_NEWUSER|CLONE_NEWNET, exit_signal=SIGCHLD}, 88)", []string{"user-namespace", "net-namespace"}},
		{"unshare(CLONE_NEWNS)", []string{"mount-namespace"}},
		{`fsopen("proc", FSOPEN_CLOEXEC) = $fs`, []string{"procfs"}},
		{`fsopen("tmpfs", FSOPEN_CLOEXEC) = $fs`, nil},
		{"run /usr/bin/newuidmap $child 0 1000 1 1 100000 65536", []string{"subordinate-ids"}},
		{"have hk-cgroup-keeper create a control group: --memory=1073741824 --pids=5", []string{"limit-processes", "limit-memory"}},
		{"landlock_create_ruleset({handled_access_fs=1}, 8, 0) = $ruleset", []string{"landlock"}},
		{"chdir(\"/\")", nil},
	} {
		var got []string
		for _, tr := range trials {
			if tr.usedBy([]string{c.op}) {
				got = append(got, tr.name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s needs %q; want %q", c.op, got, c.want)
		}
	}
}

// TestManual compares the list of trials in the manual page with the code.
func TestManual(t *testing.T) {
	const page, end = "../../docs/man/hk-doctor.1", `.\" End of what is written.` + "\n"
	const begin = `.\" Written by go test ./internal/doctor -update:` + "\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	wide := ""
	for _, tr := range trials {
		if len(tr.name) > len(wide) {
			wide = tr.name
		}
	}
	fmt.Fprintf(&list, ".Bl -column %q \"hk-landlock\" \"x\"\n", wide)
	for _, tr := range trials {
		fmt.Fprintf(&list, ".It %s Ta %s Ta %s\n", tr.name, tr.stage, tr.what)
	}
	list.WriteString(".El\n")
	before, rest, ok := strings.Cut(string(b), begin)
	got, after, ends := strings.Cut(rest, end)
	switch {
	case !ok || !ends:
		t.Fatalf("%s has no place for the trials", page)
	case got == list.String():
	case !*update:
		t.Errorf("%s: the trials are\n%swant\n%s", page, got, list.String())
	default:
		if err := os.WriteFile(page, []byte(before+begin+list.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line, stages, chain, err string
	}{
		{"", "", "", ""},
		{"--json hk-mount --facts hk-net", "hk-mount hk-net", "", ""},
		{"--timeout 2 -- hk-mount --json -- x", "", "hk-mount --json -- x", ""},
		{"-- /opt/bin/hk-mount x", "", "/opt/bin/hk-mount x", ""},
		{"--", "", "", "which chain"},
		{"mount", "", "", `"mount" is not a stage`},
		{"hk-run", "", "", `"hk-run" is not a stage`},
		{"-- hk-run x", "", "", "hk-run --print"},
		{"hk-net -- hk-mount x", "", "", "not both"},
		{"--timeout 0", "", "", "--timeout"},
		{"--timeout 2h", "", "", "--timeout"},
		{"--none", "", "", "--none"},
	} {
		r, err := parse(strings.Fields(c.line))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("parse(%s) = %v; want %s", c.line, err, c.err)
			}
			continue
		}
		if err != nil || strings.Join(r.stages, " ") != c.stages || strings.Join(r.chain, " ") != c.chain {
			t.Errorf("parse(%s) = %+v, %v; want %s, %s", c.line, r, err, c.stages, c.chain)
		}
	}
}

func TestVerdict(t *testing.T) {
	n := &nurse{time: time.Second}
	exits := func(code int) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }
	denied := line{Event: "failed", Stage: "hk-mount", Error: "fsopen: operation not permitted", Cause: cause.MountLandlock}
	for _, c := range []struct {
		name string
		end  end
		want line
		no   bool
	}{
		{"as far as the payload", end{status: exits(127), lines: []line{{Event: "failed", Error: "execve"}}}, line{}, false},
		{"which cannot be searched", end{status: exits(126)}, line{}, false},
		{"denied", end{status: exits(125), lines: []line{{Event: "skipped"}, denied}}, denied, true},
		{"late", end{late: true, lines: []line{denied}}, line{Error: "it has not ended within 1s", Cause: cause.NoAnswer}, true},
		{"SIGSYS", end{status: syscall.WaitStatus(31)}, line{Error: "killed by SIGSYS: a seccomp filter around this process kills for one of the calls", Cause: cause.CallHidden}, true},
		{"a crash", end{status: exits(2), words: "fatal error\nmore"}, line{Error: "exit status 2: fatal error"}, true},
		{"nothing", end{status: exits(0)}, line{Error: "exit status 0"}, true},
	} {
		if got, failed := n.verdict(c.end); got != c.want || failed != c.no {
			t.Errorf("%s: verdict() = %+v, %v; want %+v, %v", c.name, got, failed, c.want, c.no)
		}
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{"A=b", "HK_FUSE=0", "HK_CHAIN=x", "PWD=/x", "PATH=/bin:/stuck:/usr/bin"}, func(dir string) bool { return dir != "/stuck" })
	if want := []string{"A=b", "PATH=/bin:/usr/bin"}; !slices.Equal(got, want) {
		t.Errorf("environment() = %q; want %q", got, want)
	}
}

// TestFail checks that each no has a cause and a remedy.
func TestFail(t *testing.T) {
	r := &report{Works: true}
	r.fail(result{Stage: "hk-mount"}, line{Stage: "hk-mount", Error: "e", Hint: "h", Cause: cause.ProcCovered})
	r.fail(result{Stage: "hk-net"}, line{Error: "e"})
	r.fail(result{Stage: "hk-unshare"}, line{Error: "e", Cause: cause.UsernsAppArmor})
	for i, want := range []result{
		{Stage: "hk-mount", Verdict: no, Error: "hk-mount: e", Cause: cause.ProcCovered, Why: "h", Remedy: cause.ProcCovered.Of().Remedy},
		{Stage: "hk-net", Verdict: no, Error: "e", Why: "e", Remedy: "the manual page of hk-net explains its errors"},
		{Stage: "hk-unshare", Verdict: no, Error: "e", Cause: cause.UsernsAppArmor, Why: "e", Remedy: cause.UsernsAppArmor.Of().Remedy},
	} {
		if r.Trials[i] != want {
			t.Errorf("fail() = %+v; want %+v", r.Trials[i], want)
		}
	}
	if r.Works || !strings.Contains(r.Profile, "/hk-* flags=(unconfined) {\n  userns,\n}") {
		t.Errorf("works: %v, profile %q; want a profile", r.Works, r.Profile)
	}
	var b strings.Builder
	r.Facts = []fact{{"kernel", "6\x1b[1m"}}
	if err := r.text(&b); err != nil || strings.Contains(b.String(), "\x1b") || strings.Count(b.String(), "cause: ") != 3 {
		t.Errorf("text() = %v, %q; want no control characters", err, b.String())
	}
	if got := quoteProfile("/a b/hk-*"); got != `"/a b/hk-*"` {
		t.Errorf("quoteProfile() = %s", got)
	}
}
