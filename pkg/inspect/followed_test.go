package inspect

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// TestFollowedSwapped has a process mount a file system whose server never answers after its
// mounts were read: it is asked for nothing.
func TestFollowedSwapped(t *testing.T) {
	if dir := os.Getenv("HK_TEST_SWAP"); dir != "" {
		fmt.Println(swap(dir))
		select {}
	}
	if os.Getuid() != 0 {
		t.Skip("mounting FUSE where /dev/fuse is root's")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	h := host.This()
	// The control: what is seen without it.
	own, err := openProcess(h, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := own.mounts()
	if err != nil {
		t.Fatal(err)
	}
	if found := own.followed([]string{dir + "/d/x", dir + "/link/x"}, before); len(found) != 1 || !strings.Contains(found[dir+"/link/x"], "is a symbolic link") {
		t.Fatalf("followed = %v", found)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFollowedSwapped$")
	cmd.Env = append(os.Environ(), "HK_TEST_SWAP="+dir+"/d")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // which ends the file system
		_ = cmd.Wait()
	}()
	said := make([]byte, 100)
	if n, _ := out.Read(said); string(said[:n]) != "<nil>\n" {
		t.Skipf("FUSE: %s", said[:n])
	}
	p, err := openProcess(h, cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan map[string]string, 1)
	go func() { done <- p.followed([]string{dir + "/d/x", dir + "/link/x"}, before) }()
	select {
	case found := <-done:
		if len(found) != 1 || !strings.Contains(found[dir+"/link/x"], "is a symbolic link") {
			t.Errorf("followed = %v; want only the symbolic link", found)
		}
	case <-time.After(30 * time.Second):
		t.Error("the file system was asked")
	}
}

// swap mounts a file system that never answers, in the mount namespace of this process alone.
func swap(dir string) error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("stuck", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
}
