package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
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
	for i := 0; racing(start, i, worked > 0 && failed > 0); i++ {
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

// TestCreateRace creates names on the host, in a tree in which a directory and a symbolic
// link are continuously exchanged. Only names in the tree are created, whether the link
// leads outside or to another tree in the root.
func TestCreateRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree, victim, other := filepath.Join(dir, "tree"), filepath.Join(dir, "victim"), filepath.Join(dir, "other")
	for _, d := range []string{victim, other, tree + "/d", tree + "/e", tree + "/usr", tree + "/b"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out": victim, "in": "/b"} {
		if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	out, in := swap(tree+"/d", tree+"/out"), swap(tree+"/e", tree+"/in")
	roots := [][]string{
		{"--root-rw", tree, "--rw", other + ":/b", "--tmpfs", "/d/%/t", "--ro", "/etc:/e/%/t"},
		{"--root", tree, "--rw", other + ":/b", "--file", "/d/%=x", "--symlink", "x:/e/%"},
		{"--rw", tree + ":/a", "--rw", other + ":/b", "--dir", "/a/d/%/x", "--file", "/a/e/%/f=x"},
		{"--rw", tree + ":/a", "--rw", other + ":/b", "--ro", "/etc/passwd:/a/e/%/x"},
		{"--tmp-overlay", tree + ":/a", "--rw", other + ":/b", "--dir", "/a/d/%", "--file", "/a/e/%/f=x"},
	}
	worked, failed := 0, 0
	start := time.Now()
	for i := 0; racing(start, i, worked > 0 && failed > 0); i++ {
		args := []string{"--user", "--mount", "hk-idmap", "--root", "hk-mount", "--create"}
		for _, word := range roots[i%len(roots)] {
			args = append(args, strings.ReplaceAll(word, "%", "new"+strconv.Itoa(i)))
		}
		cmd := exec.Command(filepath.Join(bin, "hk-unshare"), append(args, "--ro", bin+":/usr", "--", "/usr/probe", "getpgrp")...)
		cmd.Env = append(os.Environ(), "PATH="+bin)
		if cmd.Run() == nil {
			worked++
		} else {
			failed++
		}
	}
	n, m := out(), in()
	t.Logf("%d and %d swaps; %d roots worked, %d failed", n, m, worked, failed)
	if n == 0 || m == 0 || worked == 0 {
		t.Error("nothing was tried")
	}
	for _, d := range []string{victim, other} {
		if list, err := os.ReadDir(d); err != nil || len(list) > 0 {
			t.Errorf("%v was made in %s, %v", list, d, err)
		}
	}
	if list, err := os.ReadDir(tree + "/b"); err != nil || len(list) > 0 {
		t.Errorf("%v was made below a mount, %v", list, err)
	}
	// Of d and out, and of e and in, either name is that of the directory now. Where the tree
	// was the root, the link led to a directory in it.
	asked := regexp.MustCompile(`^/?$|^/(usr|b|d|out|e|in)$|^(/d|/out|/e|/in|` + victim + `)/new\d+(/[tfx])?$`)
	filepath.WalkDir(tree, func(p string, _ os.DirEntry, err error) error {
		if rest := strings.TrimPrefix(p, tree); err != nil || !asked.MatchString(rest) && !strings.HasPrefix(victim, rest) {
			t.Errorf("%s was made, %v", rest, err)
		}
		return nil
	})
}

// racing reports whether a race should continue after n attempts: until there were 250
// of them, fewer on a slow machine, and until both outcomes have occurred.
func racing(start time.Time, n int, both bool) bool {
	if !both {
		return time.Since(start) < time.Minute
	}
	return n < max(250/slow, 30)
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
	start := time.Now()
	for i := 0; racing(start, i, got["/etc/mine ok"] > 0); i += 2 {
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
