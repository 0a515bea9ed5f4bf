package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"hk/pkg/idmap"
	"hk/pkg/plan"
	"hk/pkg/setuser"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// small is a sandbox that contains only programs.
const small = "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp"

func prepare(t testing.TB, line string) *Box {
	t.Helper()
	c, err := Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Prepare(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCommand(t *testing.T) {
	b := prepare(t, small)
	cmd := b.Command("sh", "-c", "cat; echo $$ $V; pwd; ls /proc/self/fd | wc -l; cat <&3; echo err >&2; exit 3")
	var out, words bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in\n"), &out, &words
	cmd.Env = []string{"V=old", "V=new", "PATH=/usr/bin"}
	cmd.Dir = "/tmp"
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to.WriteString("extra\n")
	to.Close()
	cmd.ExtraFiles = []*os.File{from}
	err = cmd.Run()
	var exit *ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || exit.Rusage.Maxrss == 0 {
		t.Errorf("Run() = %v, %+v; want exit status 3", err, exit)
	}
	if got, want := out.String(), "in\n1 new\n/tmp\n5\nextra\n"; got != want || words.String() != "err\n" {
		t.Errorf("output is %q and %q; want %q and err", got, words.String(), want)
	}
}

// TestStartError distinguishes errors that prevent a payload from starting from how one
// ends.
func TestStartError(t *testing.T) {
	b := prepare(t, small)
	for _, c := range []struct {
		name, dir string
		is        error
		text      string
	}{
		{"/nonexistent", "", fs.ErrNotExist, `execve("/nonexistent", `},
		{"nonexistent", "", fs.ErrNotExist, `/nonexistent", `},
		{"/etc", "", fs.ErrPermission, `execve("/etc", `},
		{"true", "/nonexistent", fs.ErrNotExist, `the command's directory: openat2(AT_FDCWD, "/nonexistent", `},
		{"", "", nil, "no program"},
		{"a\x00", "", nil, "null byte"},
	} {
		cmd := b.Command(c.name)
		cmd.Dir = c.dir
		err := cmd.Run()
		var start *StartError
		if !errors.As(err, &start) || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("Command(%q) in %q: %v; want a StartError with %q", c.name, c.dir, err, c.text)
		}
	}
	var op *plan.Error
	if err := b.Command("nonexistent").Run(); !errors.As(err, &op) || !op.Exec || op.Hint == "" {
		t.Errorf("Run() = %+v; want an Error of execve with a hint", err)
	}
	err := b.Command("sh", "-c", "exit 127").Run()
	if exit := (*ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 127 {
		t.Errorf("Run() = %v; want an ExitError", err)
	}
}

// TestContext has a context end a start and a payload.
func TestContext(t *testing.T) {
	b := prepare(t, small)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.CommandContext(ctx, "true").Run(); !errors.Is(err, context.Canceled) || !isStart(err) {
		t.Errorf("Run() = %v; want a StartError that is Canceled", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cmd := b.CommandContext(ctx, "sh", "-c", "echo there; sleep 1000 & sleep 1000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 6))
	cancel()
	if _, err := io.ReadAll(out); err != nil { // to the end: nobody has the other end any more
		t.Error(err)
	}
	err = cmd.Wait()
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Signal() != unix.SIGKILL || !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() = %v; want SIGKILL by the context", err)
	}
	if err := cmd.Kill(); err != os.ErrProcessDone {
		t.Errorf("Kill() = %v; want ErrProcessDone", err)
	}
	// Cancel replaces the kill, which comes after the delay.
	ctx, cancel = context.WithCancel(context.Background())
	cmd = b.CommandContext(ctx, "sh", "-c", "trap 'echo term; exit 7' TERM; echo there; while :; do sleep 0.01; done")
	cmd.Cancel = func() error { return cmd.Signal(unix.SIGTERM) }
	cmd.WaitDelay = time.Hour
	r, w, _ := os.Pipe()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	io.ReadFull(r, make([]byte, 6))
	cancel()
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("Wait() = %v; want exit status 7", err)
	}
	r.Close()
}

func isStart(err error) bool {
	var start *StartError
	return errors.As(err, &start)
}

// TestNotDumpable has a program that is not dumpable: its child must not be so either.
func TestNotDumpable(t *testing.T) {
	for _, c := range []struct {
		uid      uint32
		dumpable bool
		want     string
	}{{1000, true, ""}, {1000, false, "is not dumpable"}, {0, false, ""}} {
		chain, err := Parse(strings.Fields("hk-unshare --user --pid hk-idmap --root"))
		if err != nil {
			t.Fatal(err)
		}
		h := fakeHost(c.uid)
		h.Dumpable, h.Ordinary = c.dumpable, c.uid != 0
		_, err = chain.Plan(h)
		if got := fmt.Sprint(err); !strings.Contains(got, c.want) || (err == nil) != (c.want == "") {
			t.Errorf("Plan() as user %d, dumpable %v = %v; want %q", c.uid, c.dumpable, err, c.want)
		}
	}
}

// TestEnvironment compares the environment of a chain with what a command gives.
func TestEnvironment(t *testing.T) {
	t.Setenv("CALLERS", "1")
	changes := []setuser.Change{{Do: setuser.Clear}, {Do: setuser.Keep, Name: "CALLERS"}, {Do: setuser.Set, Name: "PATH", Value: "/usr/bin:/bin"}}
	box, err := New(&unshare.Namespaces{Setsid: true}, &setuser.Credentials{Environment: changes}).Prepare(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  []string
		want string
	}{
		{nil, "CALLERS=1\nPATH=/usr/bin:/bin\n"},
		{[]string{}, ""},
		{[]string{"A=b"}, "A=b\n"},
	} {
		cmd := box.Command("env")
		cmd.Env = c.env
		if out, err := cmd.Output(); string(out) != c.want || err != nil {
			t.Errorf("with Env %q the environment is %q, %v; want %q", c.env, out, err, c.want)
		}
	}
	// What only the plan knows is added, in each of several starts at once.
	box, err = New(&unshare.Namespaces{New: unix.CLONE_NEWUSER}, &idmap.Maps{Root: true}, &setuser.Credentials{Environment: []setuser.Change{{Do: setuser.Reset}, {Do: setuser.Unset, Name: "TERM"}}}).Prepare(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		t.Run("reset", func(t *testing.T) {
			t.Parallel()
			out, err := box.Command("sh", "-c", "echo $USER $HOME ${TERM-none}").Output()
			if string(out) != "root /root none\n" || err != nil {
				t.Errorf("the environment has %q, %v; want root's", out, err)
			}
			cmd := box.Command("env")
			cmd.Env = []string{"A=b"}
			if out, err := cmd.Output(); string(out) != "A=b\n" || err != nil {
				t.Errorf("with an Env the environment is %q, %v; want that", out, err)
			}
		})
	}
	for _, bad := range []setuser.Change{{}, {Do: setuser.Set, Name: "A=B"}, {Do: setuser.Unset}, {Do: setuser.Set, Name: "A", Value: "\x00"}} {
		if _, err := New(&unshare.Namespaces{Setsid: true}, &setuser.Credentials{Environment: []setuser.Change{bad}}).Prepare(context.Background()); err == nil {
			t.Errorf("Prepare() accepts the change %+v; want an error", bad)
		}
	}
}
