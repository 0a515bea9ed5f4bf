package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLibraryIDMap has mounts ID-mapped in many starts, each through a user namespace of
// its own, while a goroutine writes programs and executes them: the process that holds
// the namespace has none of them open.
func TestLibraryIDMap(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can map the mounts of a file system on the disk")
	}
	if ok, err := condition(t, "needs-idmap:tmp"); !ok || err != nil {
		t.Skipf("the mounts of the file system of /tmp cannot be ID-mapped: %v", err)
	}
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open, before := openFiles(t), memoryUse(t)
	b := prepared(t, "hk-unshare --mount --pid hk-mount --rootfs / --ro "+dir+":/mnt:idmap=0:1000:1")
	if err := b.Command("test", "-O", "/mnt/f").Run(); err == nil {
		t.Error("the mount is not mapped")
	}
	var over atomic.Bool
	var writer, starters sync.WaitGroup
	writer.Go(func() {
		for i := 0; !over.Load(); i++ {
			file := filepath.Join(dir, fmt.Sprint("true", i))
			if err := os.WriteFile(file, program, 0o755); err != nil {
				t.Error(err)
				return
			}
			if err := exec.Command(file).Run(); err != nil {
				t.Errorf("%s, just written: %v", file, err)
				return
			}
			os.Remove(file)
		}
	})
	for range 4 {
		starters.Go(func() {
			for range 40 {
				if out, err := b.Command("stat", "-c", "%u", "/mnt/f").Output(); err != nil || string(out) != "1000\n" {
					t.Errorf("the owner is %q, %v; want 1000", out, err)
					return
				}
			}
		})
	}
	starters.Wait()
	over.Store(true)
	writer.Wait()
	nothingLeft(t, open, before)
}
