package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// faultChains are command lines of which each call fails in turn. None loads a filter.
var faultChains = []struct{ as, line string }{
	{"root", "hk-unshare --all hk-idmap hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-net --loopback hk-setuser --caps none hk-limit --nofile 256 --core 0"},
	{"root", "hk-unshare --mount --pid --init hk-mount --rootfs / --proc hk-setuser --user nobody --groups none --caps none"},
	{"nobody", "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --mask /usr/share hk-setuser --caps none --no-new-privs"},
	{"nobody", "hk-unshare --all hk-inspect --assert ns.uts!=caller hk-idmap --root hk-mount --rootfs / --proc hk-inspect --assert mount:/proc=proc hk-setuser --caps none"},
}

// TestFaults has one call of a chain fail, whichever: the payload does not start, or it has no
// more than if all had succeeded. It tries the same few in each run; HK_TEST_FAULTS gives a number
// of others, or all, and HK_TEST_SEED selects them.
func TestFaults(t *testing.T) {
	require(t, "strace", have("strace"))
	if os.Getuid() != 0 {
		t.Skip("an ordinary user's strace cannot look at a process that is not dumpable: root's run does it as nobody")
	}
	count, seed := 12, uint64(1)
	switch v := os.Getenv("HK_TEST_FAULTS"); v {
	case "":
	case "all":
		count = 1 << 20
	default:
		count, _ = strconv.Atoi(v)
		seed, _ = strconv.ParseUint(os.Getenv("HK_TEST_SEED"), 10, 64)
	}
	for i, c := range faultChains {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			whole := runFault(t, c.as, c.line, "")
			if whole.code != 0 || len(whole.holds) < 10 {
				t.Fatalf("without a fault: status %d, %d lines\n%s", whole.code, len(whole.holds), whole.stderr)
			}
			faults := whole.calls
			slices.Sort(faults)
			r := rand.New(rand.NewPCG(seed, 0))
			r.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
			for _, f := range faults[:min(count, len(faults))] {
				got := runFault(t, c.as, c.line, f)
				if text := got.exceeds(whole); text != "" {
					t.Errorf("%s as %s, %s: status %d, %s\n%s", c.line, c.as, f, got.code, text, got.stderr)
				}
			}
		})
	}
}

// A faulty run is what has come of a chain.
type faultyRun struct {
	code   int
	stderr string
	// ran is set if the payload has started, and hit if the fault, or another one, was its own.
	ran, hit bool
	// holds are lines of what holds for the payload.
	holds []string
	// calls are those that came before the payload, as what strace(1) injects.
	calls []string
}

// harmless are calls of which a failure leaves a process in a state that no kernel brings about,
// or which are made to wait.
const harmless = " close futex munmap madvise rt_sigprocmask rt_sigreturn rt_sigaction exit exit_group wait4 sched_yield tgkill restart_syscall nanosleep "

var (
	straceCall  = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?([a-z0-9_]+)(?:\(| resumed)`)
	faultLine   = regexp.MustCompile(`^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):`)
	mountPeers  = regexp.MustCompile(`^\d+ \d+ \d+:\d+ | (shared|master|propagate_from):\d+`)
	faultAnswer = regexp.MustCompile(`\(INJECTED\)$`)
)

// runFault performs a chain with a fault, or without one if that is "".
func runFault(t *testing.T, as, line, fault string) (r faultyRun) {
	log := filepath.Join(t.TempDir(), "log")
	words := []string{"strace", "-f", "-qq", "-o", log, "-u", as}
	if fault != "" {
		words = append(words, "-e", "inject="+fault)
	}
	words = append(append(words, strings.Fields(line)...), "--", "/usr/bin/cat", "/proc/self/status", "/proc/self/mountinfo")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = []string{"PATH=" + bin + ":/usr/bin:/bin"}, "/"
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s, %s: does not end", line, fault)
	}
	r.code, r.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	for _, l := range strings.Split(out.String(), "\n") {
		if mountPeers.MatchString(l) || faultLine.MatchString(l) {
			r.holds = append(r.holds, mountPeers.ReplaceAllString(l, ""))
		}
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	r.read(string(b))
	return r
}

// read reads the log of strace(1).
func (r *faultyRun) read(log string) {
	counts, began := map[string]int{}, map[string]bool{} // of calls by process, and payloads
	execs := map[string]bool{}
	for _, l := range strings.Split(log, "\n") {
		m := straceCall.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		pid, call := m[1], m[2]
		resumed := strings.Contains(l, " resumed>")
		if began[pid] {
			r.hit = r.hit || faultAnswer.MatchString(l)
			continue
		}
		if call == "execve" && strings.Contains(l, `("/usr/bin/cat", `) {
			execs[pid] = true
		}
		if call == "execve" && execs[pid] && strings.HasSuffix(l, " = 0") {
			r.ran, began[pid] = true, true
		}
		if resumed || strings.Contains(harmless, " "+call+" ") {
			continue
		}
		counts[pid+" "+call]++
		if f := fmt.Sprintf("%s:error=EPERM:when=%d", call, counts[pid+" "+call]); f != "execve:error=EPERM:when=1" && !slices.Contains(r.calls, f) {
			r.calls = append(r.calls, f)
		}
	}
}

// exceeds says what the payload has that it has not in a run in which nothing fails, or "".
// More may be read-only than there.
func (r *faultyRun) exceeds(whole faultyRun) string {
	if !r.ran {
		if r.code == 0 || len(r.holds) > 0 {
			return "the payload has not started"
		}
		return ""
	}
	for _, l := range r.holds {
		f := strings.Fields(l)
		if readOnly := len(f) > 2 && !faultLine.MatchString(l) && strings.HasPrefix(f[2], "ro,"); !readOnly && !slices.Contains(whole.holds, l) {
			return "the payload has " + l
		}
	}
	if r.hit || r.code != 0 {
		return ""
	}
	for _, l := range whole.holds {
		if !slices.Contains(r.holds, l) {
			return "the payload lacks " + l
		}
	}
	return ""
}
