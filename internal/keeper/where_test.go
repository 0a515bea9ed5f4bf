package keeper

import (
	"strings"
	"testing"
)

// TestWhere prints where the group is. scripts/systemd/keeper knows where it must be.
func TestWhere(t *testing.T) {
	f := start(t, "--memory=64M", "--pids=20", "--cpus=0.5", "--cpuset=0")
	_, where, _ := strings.Cut(f.text, "(")
	t.Logf("where: %s", where)
	if f.version == "v1" {
		t.Skip("other files")
	}
	for file, want := range map[string]string{"memory.max": "67108864", "pids.max": "20", "cpu.max": "50000 100000", "cpuset.cpus": "0"} {
		if got := f.file(file); got != want {
			t.Errorf("%s is %q; want %q", file, got, want)
		}
	}
	cmd, err := f.run("exit 0")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	f.end(t, "exited", cmd)
}
