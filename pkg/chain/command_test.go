package chain

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestArguments has arguments and variables of many sizes, up to more than the kernel takes.
func TestArguments(t *testing.T) {
	b := prepare(t, small)
	long := strings.Repeat("x", 100<<10)
	args := []string{"-c", `printf '%s %s %s %s' $# ${#1} "$2" ${#LONG}`, "sh", long, ""}
	for i := range 5000 {
		args = append(args, fmt.Sprint(i))
	}
	cmd := b.Command("sh", args...)
	cmd.Env = []string{"PATH=/usr/bin", "LONG=" + long, "=x", "NO"}
	out, err := cmd.Output()
	if want := fmt.Sprintf("5002 %d  %d", len(long), len(long)); err != nil || string(out) != want {
		t.Errorf("Output() = %q, %v; want %q", out, err, want)
	}
	err = b.Command("true", strings.Repeat("x", 200<<10)).Run()
	if !isStart(err) || !errors.Is(err, unix.E2BIG) {
		t.Errorf("Run() with an argument of 200 KiB = %v; want a StartError of E2BIG", err)
	}
}

// TestPipes has a payload read and write while it runs, and both outputs be one writer.
func TestPipes(t *testing.T) {
	b := prepare(t, small)
	cmd := b.Command("sh", "-c", "while read -r l; do echo got $l; done; echo err >&2")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	words, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{"a", "b"} {
		fmt.Fprintln(in, l)
		got := make([]byte, len("got a\n"))
		if _, err := io.ReadFull(out, got); err != nil || string(got) != "got "+l+"\n" {
			t.Errorf("%q, %v; want got %s", got, err, l)
		}
	}
	in.Close()
	if got, err := io.ReadAll(words); err != nil || string(got) != "err\n" {
		t.Errorf("standard error is %q, %v; want err", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("Wait() = %v", err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a second Wait() = nil")
	}
	if err := cmd.Start(); err == nil {
		t.Error("a second Start() = nil")
	}
	both, err := b.Command("sh", "-c", "echo a; echo b >&2; echo c").CombinedOutput()
	if err != nil || string(both) != "a\nb\nc\n" {
		t.Errorf("CombinedOutput() = %q, %v; want a, b, c", both, err)
	}
	_, err = b.Command("sh", "-c", "echo why >&2; exit 1").Output()
	if exit := (*ExitError)(nil); !errors.As(err, &exit) || string(exit.Stderr) != "why\n" {
		t.Errorf("Output() = %+v; want what was written to standard error", err)
	}
}

// TestWaitDelay has a process that stays behind, with the other end of a pipe.
func TestWaitDelay(t *testing.T) {
	b := prepare(t, "hk-unshare --user hk-idmap --root")
	mark := fmt.Sprintf("1000.%d", os.Getpid())
	cmd := b.Command("sh", "-c", "sleep "+mark+" & echo $!")
	var out strings.Builder
	cmd.Stdout = &out
	cmd.WaitDelay = 50 * time.Millisecond
	if err := cmd.Run(); !errors.Is(err, ErrWaitDelay) {
		t.Errorf("Run() = %v; want ErrWaitDelay", err)
	}
	var pid int
	fmt.Sscan(out.String(), &pid)
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	defer unix.Close(fd)
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || string(b) != "sleep\x00"+mark+"\x00" {
		t.Fatalf("process %d is %q, %v", pid, b, err)
	}
	unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

// TestSignal has signals reach a payload below an init, and not what is none any more.
func TestSignal(t *testing.T) {
	b := prepare(t, strings.Replace(small, "--pid", "--pid --init", 1))
	cmd := b.Command("sh", "-c", "trap 'exit 9' USR1; echo; while :; do sleep 0.01; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Signal(unix.SIGUSR1); err != os.ErrProcessDone {
		t.Errorf("Signal() before the start = %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 1))
	if err := cmd.Signal(unix.SIGUSR1); err != nil {
		t.Errorf("Signal() = %v", err)
	}
	err = cmd.Wait()
	if exit := (*ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Errorf("Wait() = %v; want exit status 9", err)
	}
	if err := cmd.Signal(unix.SIGUSR1); err != os.ErrProcessDone {
		t.Errorf("Signal() after the end = %v", err)
	}
}
