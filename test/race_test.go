package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSymlinkRace builds roots from a tree in which another process continuously
// exchanges a directory with a symbolic link that leads outside. Some roots fail; the
// target of the link is never accessed.
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
	tab := filepath.Join(dir, "tab")
	if err := os.WriteFile(tab, []byte("tmpfs /d/in tmpfs defaults\n/etc /other/in none rbind,ro\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	swaps := swap(tree+"/d", tree+"/other")
	roots := [][]string{
		{"--root-rw", tree, "--tmpfs", "/d/in", "--file", "/d/in/f=x", "--ro", "/etc:/other/in"},
		{"--ephemeral", tree, "--dir", "/d/x", "--file", "/d/f=x", "--tmpfs", "/d/in/t", "--symlink", "a:/d/s", "--ro", "/etc:/d/e"},
		{"--in-place", "--tmpfs", tree + "/d/in", "--dir", tree + "/d/in/x"},
		{"--root-rw", tree, "--fstab", tab, "--tmp-overlay", "/etc:/d/in", "--dev-bind", "/dev:/other/in"},
		{"--root", tree, "--mask", "/d/in", "--read-only", "/d/in", "--proc=/d/in", "--dev", "/other/in"},
	}
	worked, failed := 0, 0
	start := time.Now()
	for i := 0; racing(start, worked > 0 && failed > 0); i++ {
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
	n := swaps()
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

// racing reports whether a race should continue: for a while, shorter on a slow
// machine, and until both outcomes have occurred.
func racing(start time.Time, both bool) bool {
	since := time.Since(start)
	if slow > 1 && both {
		return since < 2*time.Second
	}
	return since < 5*time.Second || !both && since < time.Minute
}

// swap continuously exchanges two names until the function that it returns is called,
// which returns the number of exchanges.
func swap(a, b string) (stop func() int) {
	var end atomic.Bool
	swapped := make(chan int)
	go func() {
		n := 0
		for !end.Load() {
			if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil {
				n++
			}
		}
		swapped <- n
	}()
	return func() int {
		end.Store(true)
		return <-swapped
	}
}

// TestSourceRace makes the top of a tree the root while another process exchanges a
// directory there with a symbolic link that leads outside: what was a directory when
// the plan was made may be a link when it is performed. The target of the link is never
// bind mounted.
func TestSourceRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"secret", "tree/etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"secret/secret", "tree/etc/mine"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "secret"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	swaps := swap(filepath.Join(dir, "tree/etc"), filepath.Join(dir, "other"))
	got := map[string]int{}
	for start := time.Now(); racing(start, got["/etc/mine ok"] > 0); {
		for _, name := range []string{"/etc/secret", "/etc/mine"} {
			cmd := exec.Command(filepath.Join(bin, "hk-unshare"), "--user", "--mount", "hk-idmap", "--root", "hk-mount",
				"--rootfs", filepath.Join(dir, "tree"), "--ro", bin+":/b", "--", "/b/probe", "exists", name)
			cmd.Env = append(os.Environ(), "PATH="+bin)
			out, _ := cmd.Output()
			got[name+" "+strings.TrimSpace(string(out))]++
		}
	}
	n := swaps()
	t.Logf("%d swaps; %v", n, got)
	if n == 0 || got["/etc/mine ok"] == 0 {
		t.Error("nothing was tried")
	}
	if got["/etc/secret ok"] != 0 {
		t.Errorf("a directory out of the tree was bound %d times", got["/etc/secret ok"])
	}
}
