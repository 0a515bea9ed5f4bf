package test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hk/pkg/chain"
)

// TestLibraryChain has hk-inspect print the chain of a sandbox of this program, which says it in
// its memory as long as the sandbox exists.
func TestLibraryChain(t *testing.T) {
	for _, line := range []string{
		confinedBox + " hk-limit --nofile 77", strings.Replace(filteredBox, "--pid", "--pid --init", 1), "hk-limit --nofile 77",
	} {
		line = landlockLine(line)
		box := prepared(t, line)
		var running []*chain.Cmd
		for range 3 {
			c := box.Command("sleep", "60")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, c)
			t.Cleanup(func() {
				c.Kill()
				c.Wait()
			})
		}
		for _, c := range running {
			out := chainOf(t, c.PID())
			if !strings.HasPrefix(out, "# As the memory of process ") || !strings.Contains(out, " says. The kernel tells the same of process "+strconv.Itoa(c.PID())+": ") {
				t.Errorf("%s:\n%s", line, out)
			}
			if got := commandIn(out); got != strings.Join(flagsOf(t, line), " ")+" -- sleep 60" {
				t.Errorf("%s is printed as %s", line, got)
			}
		}
	}
	// The control: what another box of the program, or os/exec, has started is not said to be in one.
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	if out := chainOf(t, other.Process.Pid); strings.Contains(out, "the memory of process") {
		t.Errorf("of a process that is in no box:\n%s", out)
	}
}

func chainOf(t *testing.T, pid int) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "hk-inspect"), "--pid", strconv.Itoa(pid), "--chain")
	cmd.Env = []string{"PATH=" + bin}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// commandIn is the first command in a script, on one line.
func commandIn(script string) string {
	var words []string
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		line, more := strings.CutSuffix(line, " \\")
		if words = append(words, line); !more {
			break
		}
	}
	return strings.Join(words, " ")
}

// flagsOf are the words of a chain as its flags are printed.
func flagsOf(t *testing.T, line string) []string {
	t.Helper()
	c, err := chain.Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	return c.Args()
}
