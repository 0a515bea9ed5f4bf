package inspect

import (
	"os"
	"os/exec"
	"testing"

	"hk/pkg/host"
)

// TestStill has a supervisor end, and its number be that of another process.
func TestStill(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	h := &host.Host{PID: os.Getpid()}
	p, err := openProcess(h, child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	stat, err := p.stat()
	if err != nil {
		t.Fatal(err)
	}
	s := &Supervisor{PID: child.Process.Pid, starts: map[int]int{child.Process.Pid: stat.start}}
	if err := s.still(h); err != nil {
		t.Error(err)
	}
	s.starts[s.PID]++
	if s.still(h) == nil {
		t.Error("another process has the number, and that is not noticed")
	}
	s.starts[s.PID]--
	child.Process.Kill()
	child.Wait()
	if s.still(h) == nil {
		t.Error("it has ended, and that is not noticed")
	}
}
