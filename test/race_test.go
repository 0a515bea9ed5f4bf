package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSymlinkRace builds roots out of a tree in which another process swaps a
// directory for a link out of the tree, all the while. Some roots fail; what the
// link leads to is never touched.
func TestSymlinkRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{victim, victim + "/in", tree + "/d/in", tree + "/usr"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, tree+"/other"); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	swapped := make(chan int)
	go func() {
		n := 0
		for !stop.Load() {
			if unix.Renameat2(unix.AT_FDCWD, tree+"/d", unix.AT_FDCWD, tree+"/other", unix.RENAME_EXCHANGE) == nil {
				n++
			}
		}
		swapped <- n
	}()
	roots := [][]string{
		{"--root-rw", tree, "--tmpfs", "/d/in", "--file", "/d/in/f=x", "--ro", "/etc:/other/in"},
		{"--ephemeral", tree, "--dir", "/d/x", "--file", "/d/f=x", "--tmpfs", "/d/in/t", "--symlink", "a:/d/s", "--ro", "/etc:/d/e"},
		{"--in-place", "--tmpfs", tree + "/d/in", "--dir", tree + "/d/in/x"},
		{"--root", tree, "--mask", "/d/in", "--read-only", "/d/in", "--proc=/d/in", "--dev", "/other/in"},
	}
	worked, failed := 0, 0
	end := time.Now().Add(5 * time.Second)
	for i := 0; time.Now().Before(end); i++ {
		args := append([]string{"--user", "--mount", "--pid", "hk-idmap", "--root", "hk-mount"}, roots[i%len(roots)]...)
		cmd := exec.Command(filepath.Join(bin, "hk-unshare"), append(args, "--ro", bin+":/usr", "--", "/usr/probe", "getpgrp")...)
		if i%len(roots) == 2 {
			cmd.Args = append(append([]string{"hk-unshare"}, args...), "--", filepath.Join(bin, "probe"), "getpgrp")
		}
		cmd.Env = append(os.Environ(), "PATH="+bin)
		if cmd.Run() == nil {
			worked++
		} else {
			failed++
		}
	}
	stop.Store(true)
	n := <-swapped
	t.Logf("%d swaps; %d roots worked, %d failed", n, worked, failed)
	if n == 0 || worked == 0 {
		t.Error("nothing was tried")
	}
	for _, d := range []string{victim, victim + "/in"} {
		list, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Name() != "in" {
				t.Errorf("%s was made in %s", e.Name(), d)
			}
		}
	}
}
