package test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnread has nobody read what the programs write beside the payload: it runs to its end
// and its status is that of the program. An account that was asked for is said to be lost.
func TestUnread(t *testing.T) {
	t.Parallel()
	const deny = "hk-seccomp --profile none --deny personality"
	for _, c := range []struct {
		line string
		// output is set if what nobody reads is descriptor 3 and not standard error.
		output bool
	}{
		{"hk-why " + deny, false},
		{"hk-why --json " + deny, false},
		{deny + " --why", false},
		{"hk-unshare --user --pid -v hk-idmap", false},
		{"hk-setuser -v --umask 022", false},
		{"hk-why --output fd:3 " + deny, true},
		{"hk-why --json --output fd:3 " + deny, true},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			defer w.Close()
			words := append(strings.Fields(c.line), "--", "sh", "-c", "probe syscall personality 0 2>&1; sleep 0.1; echo goes on; exit 3")
			cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
			cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, w
			if c.output {
				cmd.Stderr, cmd.ExtraFiles = &stderr, []*os.File{w}
			}
			err = cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasSuffix(stdout.String(), "goes on\n") {
				t.Errorf("%v\n%s%s", err, &stdout, &stderr)
			}
			if lost := "the account is not whole: write fd:3: broken pipe\n"; c.output && !strings.HasSuffix(stderr.String(), lost) {
				t.Errorf("standard error is %q; want %q in the end", &stderr, lost)
			}
		})
	}
}
