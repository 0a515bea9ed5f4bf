package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSupervisorGone kills a supervisor whose child is about to ask for its
// parent-death signal, which it then never gets: strace(1) holds the child there. The
// child ends all the same, and nothing runs. The chains have no step for which the
// child would wait. The control is a chain whose supervisor is not killed.
func TestSupervisorGone(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	for _, c := range []struct {
		root bool
		line string
	}{
		{line: "hk-unshare --setsid"},
		{root: true, line: "hk-unshare --pid"},
		{root: true, line: "hk-unshare --pid --init"},
	} {
		if c.root && os.Getuid() != 0 {
			continue
		}
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			for _, kill := range []bool{false, true} {
				dir := openDir(t)
				ran := filepath.Join(dir, "ran")
				// The first call of each process; a separate process is the child.
				j := start(t, "strace -D -f -qq -o /dev/null -e trace=prctl -e inject=prctl:delay_enter=500000:when=1 "+c.line, "touch", ran)
				above := newProcess(j.Process.Pid)
				var child process
				within(t, "a child of "+c.line, func() bool {
					for _, p := range above.children() {
						if p.program() == "hk-unshare" && p.start != "" {
							child = p
							return true
						}
					}
					return stat(above.pid)[0] == "Z" || stat(above.pid)[0] == ""
				})
				if child.pid == 0 {
					t.Fatalf("%s: there was no child; %s", c.line, &j.stderr)
				}
				if kill {
					above.signal(unix.SIGKILL)
				}
				within(t, fmt.Sprintf("%s: the end of the child %d, killed: %v", c.line, child.pid, kill), func() bool {
					return stat(child.pid)[19] != child.start || stat(child.pid)[0] == "Z"
				})
				j.end()
				if _, err := os.Stat(ran); (err == nil) == kill {
					t.Errorf("%s: killed: %v; the payload ran: %v", c.line, kill, err == nil)
				}
			}
		})
	}
}
