package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one that a test has started, identified by its PID and its start time,
// so that no other process is stopped or killed.
type process struct {
	pid   int
	start string
}

func newProcess(pid int) process { return process{pid, stat(pid)[19]} }

// stat is the fields of /proc/PID/stat after the name, or empty fields.
func stat(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	if f := strings.Fields(rest); len(f) > 19 {
		return f
	}
	return make([]string, 20)
}

func (p process) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s := stat(p.pid)[19]; s != "" && s == p.start {
		unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}

// program is the name of the program that it executes. For a process that is not
// dumpable an ordinary user can read only the name of its thread.
func (p process) program() string {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
	if err != nil {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
		exe = strings.TrimSpace(string(b))
	}
	return filepath.Base(exe)
}

// ofRoot reports whether its procfs files belong to root, as those of a process that is
// not dumpable do.
func (p process) ofRoot() bool {
	var st unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/fd", p.pid), &st) == nil && st.Uid == 0
}

func (p process) children() (list []process) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.pid))
	for _, f := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(f)
		list = append(list, newProcess(n))
	}
	return list
}

func (p process) status(field string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	_, rest, _ := strings.Cut(string(b), "\n"+field+":")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// within waits for a condition that will soon be true.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	withoutPause(t, what, func() bool {
		if ok() {
			return true
		}
		time.Sleep(5 * time.Millisecond)
		return false
	})
}

// withoutPause is within for a condition that is true only for a moment.
func withoutPause(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Duration(10*slow) * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// rules are flags of hk-landlock, and dirs of hk-mount, that make a set-up take long
// enough to be stopped during it. Each path is written in a different way.
var rules, dirs = func() (string, string) {
	var rules, dirs strings.Builder
	rules.WriteString(" --rwx /")
	for i := range 1500 {
		bits := strings.NewReplacer("0", "/", "1", "./").Replace(fmt.Sprintf("%b", i))
		fmt.Fprintf(&rules, " --ro /usr/%s.", bits)
		fmt.Fprintf(&dirs, " --dir /d/%d", i)
	}
	return rules.String(), dirs.String()
}()

// attachments are chains that are stopped while they are set up, and attackers: a
// process without capabilities that sees the chain's processes; for root's chains, one
// of root.
var attachments = []struct {
	name string
	root bool
	as   string // flags of hk-setuser for the attacker
	line string
	// reached means that the payload can be traced: the attack works.
	reached bool
	// late means that the set-up cannot be stopped: the child has a tracer.
	late bool
	// shares means that root's child shares its memory with the supervisor, which is
	// allowed only if no process can trace the child.
	shares bool
}{
	{name: "user namespace", reached: true, shares: true, line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc" + dirs + " hk-setuser --caps none --"},
	{name: "init", reached: true, line: "hk-unshare --all --init hk-idmap --root hk-mount --rootfs / --proc" + dirs + " hk-setuser --caps none --"},
	{name: "time namespace", reached: true, line: "hk-unshare --all --time --monotonic 7 hk-idmap --self hk-mount --rootfs / --proc" + dirs + " hk-setuser --caps none --"},
	{name: "learning", late: true, line: "hk-unshare --user --pid hk-idmap --root hk-seccomp --learn $DIR/learnt.json --"},
	{name: "setsid", shares: true, line: "hk-unshare --setsid hk-landlock" + rules + " --"},
	{name: "setsid without capabilities", root: true, reached: true, shares: true, line: "hk-unshare --setsid hk-setuser --caps none hk-landlock" + rules + " --"},
	{name: "no user namespace", root: true, reached: true, shares: true, line: "hk-unshare --pid --mount hk-mount --rootfs / --proc hk-setuser --caps none hk-landlock" + rules + " --"},
	{name: "init, no user namespace", root: true, reached: true, line: "hk-unshare --pid --mount --init hk-mount --rootfs / --proc hk-setuser --caps none hk-landlock" + rules + " --"},
	{name: "another user", root: true, reached: true, as: "--user nobody", line: "hk-unshare --pid hk-setuser --user nobody hk-landlock" + rules + " --"},
	{name: "no child", root: true, reached: true, line: "hk-setuser --caps none hk-landlock" + rules + " --"},
	{name: "no child, another user", root: true, reached: true, as: "--user nobody", line: "hk-setuser --user nobody hk-landlock" + rules + " --"},
	{name: "joined", reached: true, line: "hk-unshare --join user,pid=$T hk-landlock" + rules + " --"},
	{name: "joined without its processes", reached: true, line: "hk-unshare --join user,net=$T hk-landlock" + rules + " --"},
	{name: "child of a joiner", reached: true, line: "hk-unshare --join user,net=$T --mount --pid hk-mount --rootfs / --proc" + dirs + " --"},
}

// TestAttach stops each process of a chain during the set-up of the sandbox, attacks
// it, continues it, and attacks it again.
func TestAttach(t *testing.T) {
	for _, c := range attachments {
		if c.root && os.Getuid() != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			line := landlockLine(c.line)
			if strings.Contains(line, "$T") {
				line = strings.ReplaceAll(line, "$T", fmt.Sprint(target(t)))
			}
			line = strings.ReplaceAll(line, "$DIR", t.TempDir())
			made := startChain(t, line)
			for range 50 {
				if c.late || stopInside(t, &made) {
					break
				}
				made = startChain(t, line) // it was over too soon
			}
			for i, p := range made {
				if c.late {
					break
				}
				if i > 0 && os.Getuid() == 0 {
					if shares, known := shareMemory(t, made[i-1], p); known && shares != c.shares {
						t.Errorf("%s and %s share their memory: %v; want %v", made[i-1].program(), p.program(), shares, c.shares)
					}
				}
				for _, way := range attack(t, c.as, p) {
					t.Errorf("%s, while it is made: %s", p.program(), way)
				}
			}
			for _, p := range made {
				p.signal(unix.SIGCONT)
			}
			first, last := made[0], made[len(made)-1]
			within(t, "the payload runs", func() bool {
				for next := last.children(); len(next) > 0; next = last.children() {
					last = next[0]
				}
				return last.program() == "sleep"
			})
			for p := first; p != last; p = p.children()[0] {
				for _, way := range attack(t, c.as, p) {
					t.Errorf("%s, while the payload runs: %s", p.program(), way)
				}
			}
			if c.reached && len(attack(t, c.as, last)) == 0 {
				t.Error("nobody can attach to the payload either: the attack shows nothing")
			}
		})
	}
}

// shareMemory uses kcmp(2), which a kernel may lack.
func shareMemory(t *testing.T, a, b process) (shares, known bool) {
	t.Helper()
	const memory = 1 // KCMP_VM
	r, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(a.pid), uintptr(b.pid), memory, 0, 0, 0)
	if e != 0 && e != unix.ENOSYS {
		t.Fatalf("kcmp: %v", e)
	}
	return r == 0, e == 0
}

// startChain starts a chain whose payload sleeps, and returns its first process.
func startChain(t *testing.T, line string) []process {
	t.Helper()
	words := strings.Fields(line)
	cmd := exec.Command(filepath.Join(bin, words[0]), append(words[1:], "/usr/bin/sleep", "1071")...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=1"}
	cmd.Stderr = os.Stderr
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return []process{newProcess(cmd.Process.Pid)}
}

// stopInside stops the last process of a chain, once that has dropped a privilege and
// before it is the payload, and adds all of the chain's processes to the first. It
// reports whether it was early enough.
func stopInside(t *testing.T, chain *[]process) bool {
	t.Helper()
	first := (*chain)[0]
	before := first.status("CapPrm")
	over := false
	withoutPause(t, "the set-up is stopped", func() bool {
		*chain = []process{first}
		for next := first.children(); len(next) > 0; next = next[0].children() {
			*chain = append(*chain, next[0])
		}
		last := (*chain)[len(*chain)-1]
		if over = last.program() == "sleep"; over {
			return true
		}
		if len(*chain) == 1 && (os.Getuid() != 0 || last.status("CapPrm") == before && strings.HasPrefix(last.status("Uid"), "0")) {
			return false
		}
		last.signal(unix.SIGSTOP)
		for state := stat(last.pid)[0]; state != "" && !strings.Contains("TtZX", state); state = stat(last.pid)[0] {
		}
		if over = last.program() == "sleep"; over {
			return true
		}
		// It may have continued before, and an ordinary user's child is dumpable for a
		// moment, to write its maps and offsets.
		if len(last.children()) > 0 || os.Getuid() != 0 && !last.ofRoot() {
			last.signal(unix.SIGCONT)
			return false
		}
		return true
	})
	return !over
}

var way = regexp.MustCompile(`(?m)^(\S+) (\S+)$`)

// attack returns the ways in which an attacker gets access to a process.
func attack(t *testing.T, as string, p process) (ways []string) {
	t.Helper()
	if stat(p.pid)[19] != p.start {
		t.Fatalf("process %d is gone", p.pid)
	}
	words := []string{filepath.Join(bin, "probe"), "attach", fmt.Sprint(p.pid)}
	if os.Getuid() == 0 {
		words = append(append([]string{filepath.Join(bin, "hk-setuser"), "--caps", "none"}, strings.Fields(as)...), append([]string{"--"}, words...)...)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	tried := way.FindAllStringSubmatch(string(out), -1)
	if err != nil || len(tried) != 10 {
		t.Fatalf("%v: %v\n%s", words, err, out)
	}
	for _, w := range tried {
		if w[2] != "EPERM" && w[2] != "EACCES" && w[1]+w[2] != "fd/0ENOENT" { // init has none
			ways = append(ways, w[1]+" "+w[2])
		}
	}
	return ways
}
