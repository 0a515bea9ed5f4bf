package idmap

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// TestHelper runs a program in place of newuidmap, which writes its arguments and
// environment. The process whose PID it gets is checked before and after: its PID may
// have been reused.
func TestHelper(t *testing.T) {
	dir := t.TempDir()
	program, wrote := filepath.Join(dir, "helper"), filepath.Join(dir, "wrote")
	script := "#!/bin/sh\n{ echo \"$*\"; /usr/bin/env; } >" + wrote + "\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LD_PRELOAD_CONTROL", "of the caller")
	gone := errors.New("gone")
	for _, c := range []struct {
		name string
		// answers are what the process is said to be, in order.
		answers []error
		ran     bool
	}{
		{"alive", []error{nil, nil}, true},
		{"gone before", []error{gone}, false},
		{"gone meanwhile", []error{nil, gone}, true},
	} {
		os.Remove(wrote)
		asked := 0
		var err error
		p := plan.New()
		p.AddStep(plan.Step{Stage: "test", Text: "test", Do: func(at plan.Context) error {
			return runHelper(at, program, []string{"0", "1", "2"}, 77, func() error {
				asked++
				return c.answers[asked-1]
			})
		}})
		runtime.LockOSThread()
		err = run.Exec(p, run.Attr{})
		runtime.UnlockOSThread()
		if want := c.answers[len(c.answers)-1]; !errors.Is(err, want) || asked != len(c.answers) {
			t.Errorf("%s: %v, asked %d times; want %v, asked %d times", c.name, err, asked, want, len(c.answers))
		}
		b, err := os.ReadFile(wrote)
		if (err == nil) != c.ran {
			t.Errorf("%s: the helper wrote %q, %v; want it to run: %v", c.name, b, err, c.ran)
		}
		if !c.ran {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if lines[0] != "77 0 1 2" {
			t.Errorf("%s: the helper has the arguments %q; want %q", c.name, lines[0], "77 0 1 2")
		}
		for _, line := range lines[1:] {
			name, _, _ := strings.Cut(line, "=")
			switch name {
			case "PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_": // the last ones are the shell's
			default:
				t.Errorf("%s: the helper has %s of the caller's environment", c.name, line)
			}
		}
	}
}

// TestHelperOfOther is the same for the process of --pid, which ends.
func TestHelperOfOther(t *testing.T) {
	step, err := helper("test", "/bin/true", direction{name: "uid", helper: "newuidmap"}, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	if err := step.Do(nil); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that is not there: %v; want %v", err, unix.ESRCH)
	}
}
