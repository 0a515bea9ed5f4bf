package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A whyRow is a question about a chain, and the command that tries it.
type whyRow struct {
	chain [][]string
	ask   string
	// answer and class are what is expected; class is that of the first reason.
	answer, class string
	// try is the payload that does it; its output must contain can if it is allowed.
	try []string
	can string
	// only is root or user, or "" for both.
	only string
}

func words(line string) (chain [][]string) {
	for _, stage := range strings.Split(line, " | ") {
		chain = append(chain, strings.Fields(stage))
	}
	return chain
}

const (
	ownRoot = "hk-unshare --user --mount --pid | hk-idmap | hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp"
	lock    = "hk-landlock --rx /usr --ro /etc --rw /dev"
)

// whyRows are about files in $D.
func whyRows() []whyRow {
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script + " && echo did"} }
	row := func(chain, ask, answer, class string, try []string) whyRow {
		return whyRow{chain: words(chain), ask: ask, answer: answer, class: class, try: try, can: "did"}
	}
	probe := func(can string, r whyRow) whyRow {
		r.can = can
		return r
	}
	only := func(who string, r whyRow) whyRow {
		r.only = who
		return r
	}
	return []whyRow{
		row(lock, "read:/etc/passwd", "allowed", "", sh("cat /etc/passwd >/dev/null")),
		row(lock, "read:$D/f", "denied", "landlock", sh("cat $D/f >/dev/null")),
		row(lock, "read:$D", "denied", "landlock", sh("ls $D >/dev/null")),
		row(lock, "read:$D/link", "denied", "landlock", sh("cat $D/link >/dev/null")),
		row(lock, "read:$D/none", "denied", "not the sandbox", sh("cat $D/none")),
		row(lock, "write:$D/f", "denied", "landlock", sh(": >>$D/f")),
		row(lock, "write:$D/new", "denied", "landlock", sh(": >>$D/new")),
		row(lock, "create:$D/made", "denied", "landlock", sh(": >$D/made")),
		row(lock, "remove:$D/gone", "denied", "landlock", sh("rm $D/gone")),
		row(lock, "remove:$D/empty", "denied", "landlock", sh("rmdir $D/empty")),
		row(lock, "write:/dev/null", "allowed", "", sh(": >/dev/null")),
		row(lock, "exec:/usr/bin/true", "allowed", "", sh("/usr/bin/true")),
		row(lock, "exec:$D/true", "denied", "landlock", sh("$D/true")),
		row(lock+",$D", "exec:$D/true", "denied", "landlock", sh("$D/true")),
		row("hk-landlock --rx /usr/bin --ro /etc,/usr/lib", "exec:/usr/bin/true", "denied", "landlock", []string{"/usr/bin/printf", "did\\n"}),
		row("hk-landlock --rx /usr --ro /etc --rw $D", "exec:$D/script", "denied", "landlock", sh("$D/script")),
		row("hk-landlock --rx /usr --ro /etc --rx $D/script", "exec:$D/script", "denied", "landlock", sh("$D/script")),
		probe("ok", row("hk-landlock --restrict tcp-bind", "bind:0", "denied", "landlock", []string{"probe", "listen", "tcp", "127.0.0.1:0"})),
		probe("ok", row("hk-landlock --tcp-bind 0", "bind:0", "allowed", "", []string{"probe", "listen", "tcp", "127.0.0.1:0"})),
		row(ownRoot, "read:/etc/passwd", "allowed", "", sh("cat /etc/passwd >/dev/null")),
		row(ownRoot, "read:$D/f", "denied", "hidden path", sh("cat $D/f >/dev/null")),
		row(ownRoot, "exec:$D/true", "denied", "hidden path", sh("$D/true")),
		row(ownRoot, "create:/tmp/x", "allowed", "", sh(": >/tmp/x")),
		row(ownRoot, "create:/x", "denied", "read-only mount", sh(": >/x")),
		row(ownRoot, "write:/dev/null", "allowed", "", sh(": >/dev/null")),
		row(ownRoot+" --ro $D", "read:$D/f", "allowed", "", sh("cat $D/f >/dev/null")),
		row(ownRoot+" --ro $D", "write:$D/f", "denied", "read-only mount", sh(": >>$D/f")),
		row(ownRoot+" --ro $D:/d", "write:/d/f", "denied", "read-only mount", sh(": >>/d/f")),
		row(ownRoot+" --rw $D", "write:$D/f", "allowed", "", sh(": >>$D/f")),
		row(ownRoot+" --rw $D --read-only $D", "write:$D/f", "denied", "read-only mount", sh(": >>$D/f")),
		row(ownRoot+" --ro $D/f:/one", "write:/one", "denied", "read-only mount", sh(": >>/one")),
		row(ownRoot+" --rw $D --mask $D/f", "read:$D/f", "denied", "hidden path", sh("cat $D/f >/dev/null")),
		row(ownRoot+" --rw $D:/d:noexec", "exec:/d/true", "denied", "noexec mount", sh("/d/true")),
		row(ownRoot+" --rw $D:/a --rw $D:/b | hk-landlock --rx /usr --ro /etc --rw /dev,/a", "read:/b/f", "allowed", "", sh("cat /b/f >/dev/null")),
		row(ownRoot+" --rw $D:/a --rw $D:/b | hk-landlock --rx /usr --ro /etc --rw /dev,/a/sub", "read:/b/f", "denied", "landlock", sh("cat /b/f >/dev/null")),
		row(ownRoot+" --rw $D:/a | hk-landlock --rx /usr --ro /etc --rw /dev", "read:/a/link", "denied", "landlock", sh("cat /a/link >/dev/null")),
		row(ownRoot, "read:/proc/self/status", "unknown", "unseen", sh("cat /proc/self/status >/dev/null")),
		probe("ok", row("hk-seccomp --profile none --deny sethostname", "call:getppid", "allowed", "", []string{"probe", "syscall", "getppid"})),
		probe("ok", row("hk-seccomp --profile none --deny memfd_create:ENOSYS", "call:memfd_create", "denied", "seccomp", []string{"probe", "syscall", "memfd_create", "name", "0"})),
		probe("ok", row("hk-seccomp --profile none --deny personality(arg0==0)", "call:personality(arg0==0)", "denied", "seccomp", []string{"probe", "syscall", "personality", "0"})),
		probe("ok", row("hk-seccomp --profile none --deny personality(arg0==8)", "call:personality(arg0==0)", "allowed", "", []string{"probe", "syscall", "personality", "0"})),
		row("hk-seccomp --profile none --deny personality(arg0==8)", "call:personality", "unknown", "seccomp", nil),
		row("hk-seccomp --profile none --kill mkdirat", "call:mkdirat", "denied", "seccomp", nil),
		row("hk-unshare --user --net | hk-idmap", "connect:443", "denied", "network", nil),
		row("hk-seccomp --profile none --deny socket(arg0==2) --deny io_uring_setup:ENOSYS", "connect:443", "denied", "seccomp", nil),
		row("hk-seccomp --profile none --deny socket(arg0==16) --deny io_uring_setup:ENOSYS", "connect:443", "allowed", "", nil),
		row("hk-unshare --user | hk-idmap --root | hk-setuser --caps none", "cap:net_admin", "denied", "capability", sh("test $(($(sed -n 's/^CapEff:[[:space:]]*/0x/p' /proc/self/status) >> 12 & 1)) = 1")),
		row("hk-unshare --user | hk-idmap --root", "cap:CAP_NET_ADMIN", "allowed", "", sh("test $(($(sed -n 's/^CapEff:[[:space:]]*/0x/p' /proc/self/status) >> 12 & 1)) = 1")),
		only("user", row("hk-landlock --ro / --rx /usr --rw /dev", "read:/etc/shadow", "denied", "not the sandbox", sh("cat /etc/shadow >/dev/null"))),
		only("user", row("hk-setuser --caps none", "cap:sys_admin", "denied", "not the sandbox", nil)),
		only("root", row("hk-setuser --caps none", "cap:sys_admin", "denied", "capability", nil)),
		only("root", row("hk-setuser --user 65534:65534", "read:/etc/shadow", "unknown", "unseen", sh("cat /etc/shadow >/dev/null"))),
		only("root", row("hk-setuser --user 65534:65534", "read:/etc/passwd", "allowed", "", sh("cat /etc/passwd >/dev/null"))),
	}
}

// whyAnswer is what hk-why says.
type whyAnswer struct {
	Answer  string
	Reasons []struct {
		Answer, Class, What, Stage string
		Flags                      []string
	}
}

// TestWhy asks about chains, and lets their payloads try it: what is allowed succeeds,
// what is denied fails, and succeeds with the flags that are named.
func TestWhy(t *testing.T) {
	t.Parallel()
	require(t, "Landlock ABI 5", kernelHasLandlock(5))
	for _, r := range whyRows() {
		if r.only != "" && (r.only == "user") == (os.Getuid() == 0) {
			continue
		}
		t.Run(strings.ReplaceAll(r.ask, "/", "_"), func(t *testing.T) {
			t.Parallel()
			r.test(t)
		})
	}
}

func (r whyRow) test(t *testing.T) {
	dir := whyFiles(t)
	r.chain = slices.Clone(r.chain)
	for i, stage := range r.chain {
		r.chain[i] = strings.Fields(strings.ReplaceAll(strings.Join(stage, " "), "$D", dir))
	}
	a := askWhy(t, strings.ReplaceAll(r.ask, "$D", dir), slices.Concat(r.chain...))
	if a.Answer != r.answer || r.class != "" && a.Reasons[0].Class != r.class || r.class == "" && len(a.Reasons) > 0 {
		t.Fatalf("%v\n%s: %+v; want %s, %s", r.chain, r.ask, a, r.answer, r.class)
	}
	if r.try == nil {
		return
	}
	can := func() (bool, string) {
		line := append(slices.Concat(r.chain...), "--")
		for _, w := range r.try {
			line = append(line, strings.ReplaceAll(w, "$D", dir))
		}
		cmd := exec.Command(filepath.Join(bin, line[0]), line[1:]...)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", own}
		out, _ := cmd.CombinedOutput()
		return slices.Contains(strings.Split(string(out), "\n"), r.can), string(out)
	}
	did, out := can()
	if r.answer == "allowed" && !did || r.answer == "denied" && did {
		t.Fatalf("%v\n%s: %+v, but: %s", r.chain, r.ask, a, out)
	}
	if r.answer != "denied" {
		return
	}
	for _, reason := range a.Reasons {
		if reason.Flags == nil {
			return
		}
		r.add(reason.Stage, reason.Flags)
	}
	if did, out := can(); !did {
		t.Errorf("%v\n%s: not even with the flags of %+v: %s", r.chain, r.ask, a, out)
	}
}

// add adds flags to a stage, as hk-why means them.
func (r *whyRow) add(name string, flags []string) {
	chain := slices.Clone(r.chain)
	for i, stage := range chain {
		switch {
		case stage[0] != name:
		case name == "hk-seccomp":
			chain[i] = slices.Concat(stage[:1], flags, stage[1:])
		default:
			chain[i] = slices.Concat(stage, flags)
		}
	}
	r.chain = chain
}

// whyFiles makes the files of the questions.
func whyFiles(t *testing.T) string {
	dir, err := os.MkdirTemp("", "why-") // without $, for shells
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, mode := range map[string]os.FileMode{"f": 0o644, "gone": 0o644, "script": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"+dir+"/true\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"empty", "sub"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "/usr/bin/true", filepath.Join(dir, "true"), 0o755)
	if os.Getuid() == 0 { // of another user
		other := filepath.Join(dir, "other")
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(other, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		shut := filepath.Join(dir, "shut")
		if err := os.MkdirAll(filepath.Join(shut, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(shut, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "sock")}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// askWhy asks one question about a chain.
func askWhy(t *testing.T, ask string, chain []string) whyAnswer {
	t.Helper()
	args := append([]string{"--json", "--ask", ask, "--"}, chain...)
	cmd := exec.Command(filepath.Join(bin, "hk-why"), append(args, "--", "/usr/bin/true")...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", own}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	var answers []whyAnswer
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != 1 {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	want := map[string]int{"allowed": 0, "denied": 1, "unknown": 2}[answers[0].Answer]
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("%s: %s, and exit status %d", ask, answers[0].Answer, got)
	}
	return answers[0]
}
