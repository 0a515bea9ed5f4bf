package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also a process that listens to signals: HK_LISTEN says what it
// does then.
func TestMain(m *testing.M) {
	what, ok := os.LookupEnv("HK_LISTEN")
	if !ok {
		os.Exit(m.Run())
	}
	word, arg, _ := strings.Cut(what, " ")
	switch word { // before there is a supervisor
	case "inherited":
		inherited()
		return
	case "program":
		program(arg)
		return
	case "spared":
		spared()
		return
	case "descriptors":
		ownDescriptors()
		return
	}
	s, err := NewSupervisor(0, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	listening(s, what)
}

func listening(s *Supervisor, what string) {
	var err error
	word, arg, _ := strings.Cut(what, " ")
	switch word {
	case "handle":
		i, _ := strconv.Atoi(arg)
		c := handledSignals[i]
		info := siginfo{signo: int32(c.signal), code: c.code, pid: 1}
		if c.self {
			info.pid = int32(os.Getpid())
		}
		err = passing(s, info, c.session)
	case "stale":
		err = stale(s)
	case "ended":
		err = adoptEnded()
	case "exit":
		ExitAs(unix.WaitStatus(unix.SIGQUIT), 0)
	case "fault":
		var p *int
		fmt.Println(*p)
	case "sent":
		fmt.Println("ready")
		for s.wait(-1, -1) == nil {
			for info, ok := s.take(); ok; info, ok = s.take() {
				if info.signal() != unix.SIGURG {
					fmt.Println(int(info.signo), info.sentBy(os.Getppid()))
					os.Exit(7)
				}
			}
		}
	case "flood":
		for range 2000 {
			unix.Kill(os.Getpid(), unix.Signal(34))
		}
		unix.Kill(os.Getpid(), unix.SIGTERM)
		asked := s.asked()
		for end := time.Now().Add(10 * time.Second); asked == nil && time.Now().Before(end); asked = s.asked() {
			time.Sleep(time.Millisecond) // another thread may get it, and not have run yet
		}
		fmt.Println(asked)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func listener(what string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HK_LISTEN="+what)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// TestFault checks that a fault of this process is still handled by the runtime.
func TestFault(t *testing.T) {
	cmd, _, stderr := listener("fault")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(stderr.String(), "nil pointer dereference") {
		t.Errorf("a fault ends with %v, %s; want status 2 and a trace", err, stderr)
	}
}

// TestSent checks that what a fault raises can be sent.
func TestSent(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGABRT, unix.SIGUSR1} {
		cmd, _, stderr := listener("sent")
		cmd.Stdout = nil
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var word, by string
		fmt.Fscan(out, &word)
		cmd.Process.Signal(sig)
		fmt.Fscan(out, &word, &by)
		cmd.Wait()
		if want := fmt.Sprint(int(sig)); word != want || by != "true" {
			t.Errorf("%v: got %q, sent by the parent %q, %s; want %s, true", sig, word, by, stderr, want)
		}
	}
}

// TestFlood checks that no signal is lost when there are more than the pipe holds.
func TestFlood(t *testing.T) {
	cmd, stdout, stderr := listener("flood")
	if err := cmd.Run(); err != nil || stdout.String() != "SIGTERM before the payload was executed\n" {
		t.Errorf("after a flood: %v, %q, %s; want SIGTERM", err, stdout, stderr)
	}
}

func TestParseSignals(t *testing.T) {
	const whole = "Name:\tSigBlk:\nState:\tS (sleeping)\nSigQ:\t0/31106\nSigPnd:\t0\nShdPnd:\t0000000000000040\nSigBlk:\t0000000000010000\nSigIgn:\t0000000000381000\nSigCgt:\t8000000000000002\n"
	for _, c := range []struct {
		in   string
		want signalSets
		ok   bool
	}{
		{strings.TrimPrefix(whole, "Name:\tSigBlk:\n"), signalSets{0x40, 0x10000, 0x381000, 0x8000000000000002}, true},
		{whole, signalSets{0x40, 0x10000, 0x381000, 0x8000000000000002}, true},
		{"SigBlk:\t0\nSigIgn:\t0\n", signalSets{}, false},
		{"ShdPnd:\t0\nSigBlk:\tx\nSigIgn:\t0\nSigCgt:\t0\n", signalSets{}, false},
		{"", signalSets{}, false},
	} {
		if got, err := parseSignals([]byte(c.in)); got != c.want || (err == nil) != c.ok {
			t.Errorf("parseSignals(%q) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
}

func TestParseWait(t *testing.T) {
	here := fmt.Sprint(unix.SYS_RT_SIGTIMEDWAIT)
	for _, c := range []struct {
		in             string
		set            uintptr
		waits, running bool
	}{
		{here + " 0x7ffc00001000 0x0 0x0 0x8 0x0 0x0 0x7ffc00000f00 0x7f0000000000\n", 0x7ffc00001000, true, false},
		{"177 0xfff01000 0x0 0x0 0x8 0x0 0x0 0xfff00f00 0xf7000000\n", 0xfff01000, true, false},
		{"421 0xfff01000 0x0 0x0 0x8 0x0 0x0 0xfff00f00 0xf7000000\n", 0xfff01000, true, false},
		{"35 0x7ffc00001000 0x0 0x0 0x0 0x0 0x0 0x7ffc00000f00 0x7f0000000000\n", 0, false, false},
		{"-1 0x7ffc00000f00 0x7f0000000000\n", 0, false, false},
		{"running\n", 0, false, true},
		{"", 0, false, true},
		{here, 0, false, false},
		{here + " x\n", 0, false, false},
	} {
		if set, waits, running := parseWait([]byte(c.in)); set != c.set || waits != c.waits || running != c.running {
			t.Errorf("parseWait(%q) = %#x, %v, %v; want %#x, %v, %v", c.in, set, waits, running, c.set, c.waits, c.running)
		}
	}
}

func TestIsStopped(t *testing.T) {
	for in, want := range map[string]bool{
		"12 (sh) T 1 12 12 0":       true,
		"12 (sh) t 1 12 12 0":       true,
		"12 (sh) S 1 12 12 0":       false,
		"12 (a) T (b) S 1 12 12 0":  false,
		"12 (a) S (b)) T 1 12 12 0": true,
		"12 (sh) T 1)":              false,
		"12 (sh)":                   false,
		"":                          false,
	} {
		if got := isStopped([]byte(in)); got != want {
			t.Errorf("isStopped(%q) = %v; want %v", in, got, want)
		}
	}
}

func TestHasChild(t *testing.T) {
	for in, want := range map[string]bool{
		"SigPnd:\t0000000000010000\nShdPnd:\t0000000000010000\nSigBlk:": true,
		"SigPnd:\t0000000000010000\nShdPnd:\t0000000000000000\nSigBlk:": false,
		"\nShdPnd:\tffffffffffffffff":                                   true,
		"\nShdPnd:\tfffffffffffaffff":                                   false,
		"\nShdPnd:\tfffffffffffbffff":                                   true,
		"\nShdPnd:\tffffffffffe1ffff":                                   true,
		"\nShdPnd:\tfffffff":                                            false,
		"":                                                              false,
	} {
		if got := hasChild([]byte(in), "\nShdPnd:\t"); got != want {
			t.Errorf("hasChild(%q) = %v; want %v", in, got, want)
		}
	}
}

// FuzzProc reads what looks like files of procfs, in which a payload chooses its
// name.
func FuzzProc(f *testing.F) {
	for _, s := range []string{"12 (a) T (b) S 1", "Name:\tx\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t1\n", "128 0x10 0x0", "running", ")", "9 (a) b) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		isStopped(b)
		if p, ok := parseStat(b); !ok && p.over {
			t.Errorf("parseStat(%q) = %+v, %v; want no zombie that is not a process", b, p, ok)
		}
		hasChild(b, "\nSigBlk:\t")
		parsePID(b)
		if sets, err := parseSignals(b); err != nil && sets != (signalSets{}) {
			t.Errorf("parseSignals(%q) = %v, %v; want nothing with an error", b, sets, err)
		}
		if set, waits, running := parseWait(b); running && waits || !waits && set != 0 {
			t.Errorf("parseWait(%q) = %#x, %v, %v; want a set only of one that waits, and is not running", b, set, waits, running)
		}
	})
}
