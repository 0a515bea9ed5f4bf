package entry

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMain is also what crashes: with HK_CRASH it writes that text in the way of the
// runtime, in pieces, and ends as after a crash.
func TestMain(m *testing.M) {
	text, ok := os.LookupEnv("HK_CRASH")
	if !ok {
		os.Exit(m.Run())
	}
	noted.limits = [...]limit{as: {hard: 1228800000}, data: {hard: unix.RLIM_INFINITY}, nproc: {hard: 3}}
	if os.Getenv("HK_STARTED") == "1" {
		Started()
	}
	for _, piece := range strings.Split(text, "|") {
		b := []byte(piece)
		if n := write(2, unsafe.Pointer(unsafe.SliceData(b)), int32(len(b))); int(n) != len(b) {
			os.Exit(1)
		}
	}
	os.Exit(2)
}

func TestCrash(t *testing.T) {
	const (
		threads = "hk: a thread cannot be created: RLIMIT_NPROC (ulimit -u) is 3; pids.max of a cgroup counts too\n"
		files   = "hk: too many open files: RLIMIT_NOFILE (ulimit -n) is too low, or the sysctl fs.file-max\n"
		memory  = "hk: not enough memory: RLIMIT_AS (ulimit -v) is 1228800000, RLIMIT_DATA (ulimit -d) is unlimited\n"
	)
	long := strings.Repeat("x", 3000) + "\n"
	for _, c := range []struct {
		text             string
		starting, inside string // what comes of it, before and after the start; "" is the text itself
	}{
		{"runtime: failed to create new OS thread (have |2| already; errno=|11|)\n|runtime: may need to increase max user processes (ulimit -u)\n|fatal error: |newosproc|\n|\nruntime stack:\n", threads, threads},
		{"fatal error: |out of memory allocating heap arena map|\n|more", memory, memory},
		{"runtime: out of memory: cannot allocate |4194304|-byte block (|0| in use)\n|fatal error: |out of memory|\n", memory, memory},
		{"fatal error: |failed to reserve page summary memory|\n", memory, memory},
		{"fatal error: |runtime: cannot allocate memory|\n", memory, memory},
		{"runtime: epollcreate failed with |24\n|fatal error: |runtime: netpollinit failed|\n|\ngoroutine 1:\n", files, files},
		{"runtime: eventfd failed with |24\n|fatal error: |runtime: eventfd failed|\n|\ngoroutine 1:\n", files, files},
		{"panic: |runtime error: index out of range\n|\n|goroutine 1 [running]:\n", "", ""},
		{"init main @1.2 ms\n|fatal error: |all goroutines are asleep - deadlock!|\n", "init main @1.2 ms\nhk: the Go runtime does not start: all goroutines are asleep - deadlock!\n", ""},
		{long + "|fatal error: |newosproc|\n", long + threads, long + threads},
		{"gc 1 @0.01s\n|gc 2 @0.02s\n", "", ""},
	} {
		for started, want := range []string{c.starting, c.inside} {
			status := 125
			if want == "" {
				want, status = strings.ReplaceAll(c.text, "|", ""), 2
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "HK_CRASH="+c.text, "HK_STARTED="+string(rune('0'+started)))
			var out bytes.Buffer
			cmd.Stderr = &out
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != status || out.String() != want {
				t.Errorf("started %d, %q: %v, %q; want %d, %q", started, c.text, err, out.String(), status, want)
			}
		}
	}
}

// TestSentFault has the runtime report a signal that another process sent, and a fault
// of its own.
func TestSentFault(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
		out  bool
	}{
		{"SIGQUIT: quit|\n|PC=|0x46b812| m=|0| sigcode=|0|\n|\n|goroutine 1:\n", "signal: quit", false},
		{"SIGTRAP: trace trap|\n|PC=|0x46b812| m=|0| sigcode=|18446744073709551610|\n|\n", "signal: trace/breakpoint trap", false},
		{"SIGSEGV: segmentation violation|\n|PC=|0x46b812| m=|0| sigcode=|0| addr=|0xaf7|\n|\n", "signal: segmentation fault", false},
		{"SIGSEGV: segmentation violation|\n|PC=|0x46b812| m=|0| sigcode=|1| addr=|0x0|\n|\n", "exit status 2", true},
		{"SIGILL: illegal instruction|\n|PC=|0x46b812| m=|0| sigcode=|128|\n|\n", "exit status 2", true},
		{"PC=|0x46b812| m=|0| sigcode=|0|\n", "exit status 2", true},
	} {
		want := ""
		if c.out {
			want = strings.ReplaceAll(c.text, "|", "")
		}
		// ulimit: a core file would remain here.
		cmd := exec.Command("sh", "-c", `ulimit -c 0; exec "$0"`, os.Args[0])
		cmd.Env = append(os.Environ(), "HK_CRASH="+c.text, "HK_STARTED=1")
		var out bytes.Buffer
		cmd.Stderr = &out
		err := cmd.Run()
		if got, _, _ := strings.Cut(fmt.Sprint(err), " (core"); got != c.want || out.String() != want {
			t.Errorf("%q: %v, %q; want %s, %q", c.text, err, out.String(), c.want, want)
		}
	}
}

// TestPlain checks what a plain build finds: nothing is recorded, and no limit has
// changed.
func TestPlain(t *testing.T) {
	if Kept() || len(Changed()) > 0 {
		t.Errorf("Kept() = %v, Changed() = %v; want false, none", Kept(), Changed())
	}
}
