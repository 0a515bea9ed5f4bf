package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hk/pkg/chain"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// TestLibraryMemory has children with their own memory and with this program's at once:
// afterwards the program is dumpable again.
func TestLibraryMemory(t *testing.T) {
	boxes := []*chain.Box{prepared(t, libraryBox), prepared(t, strings.Replace(libraryBox, "--pid", "--pid --init", 1)), prepared(t, "hk-limit --core 0")}
	var wg sync.WaitGroup
	for i := range 9 {
		wg.Go(func() {
			for range 10 {
				if err := boxes[i%len(boxes)].Command("true").Run(); err != nil {
					t.Error(err)
				}
				boxes[i%len(boxes)].Command("/nonexistent").Run()
			}
		})
	}
	wg.Wait()
	n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || n != 1 {
		t.Errorf("PR_GET_DUMPABLE = %d, %v; want 1", n, err)
	}
}

// TestLibraryAttach has a neighbour, with the same user ID and no capability, look at a child
// in the midst of its set-up, which has this program's memory or a copy of it.
func TestLibraryAttach(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := chain.Parse(strings.Fields("hk-unshare --user --mount hk-idmap --root"))
	if err != nil {
		t.Fatal(err)
	}
	var stages []stage.Stage
	for _, l := range c.Links {
		stages = append(stages, l.Stage)
	}
	b, err := chain.New(append(stages, stuck{fifo: fifo})...).Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	look := func(pid int) string {
		words := []string{"head", "-c1", fmt.Sprintf("/proc/%d/environ", pid)}
		if os.Getuid() == 0 {
			words = append([]string{filepath.Join(bin, "hk-setuser"), "--caps", "none"}, words...)
		}
		out, _ := exec.Command(words[0], words[1:]...).CombinedOutput()
		return string(out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := b.CommandContext(ctx, "sleep", "1000")
	cmd.Env = []string{"X=1", "PATH=/usr/bin:/bin"}
	started := make(chan error)
	go func() { started <- cmd.Start() }()
	child := 0
	comm := readFile(t, "/proc/self/comm")
	for seen := map[string]int{}; child == 0; time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob("/proc/self/task/*/children")
		for _, f := range files {
			list, _ := os.ReadFile(f)
			for _, pid := range strings.Fields(string(list)) {
				// A clone of this program that waits, and so for the other end of the pipe.
				name, _ := os.ReadFile("/proc/" + pid + "/comm")
				status, _ := os.ReadFile("/proc/" + pid + "/status")
				if string(name) == comm && strings.Contains(string(status), "\nState:\tS") {
					if seen[pid]++; seen[pid] > 20 {
						child = atoi(pid)
					}
				}
			}
		}
	}
	if got := look(child); !strings.Contains(got, "Permission denied") {
		t.Errorf("a neighbour reads of a child in its set-up: %q; want that it is denied", got)
	}
	other, err := unix.Open(fifo, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	// The control: the payload's it may.
	if got := look(cmd.PID()); got != "X" {
		t.Errorf("a neighbour reads of the payload: %q; want X", got)
	}
	cancel()
	cmd.Wait()
}
