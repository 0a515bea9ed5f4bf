package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// protectedNames do not exist in a new repository.
var protectedNames = []string{".mcp.json", ".env", ".git/hooks", ".claude/settings.json"}

// aRepository is a repository of git(1) without hooks, in which others may write.
func aRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if !have("git") { // as on other kernels
		if err := os.Mkdir(dir+"/.git", 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	git := exec.Command("git", "init", "--quiet", "--template=", dir)
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// protected is a command in a sandbox that may write to a directory, but create none of
// the names in it.
func protected(dir, fuse string, unshare []string, payload ...string) *exec.Cmd {
	args := append(append([]string{"--user", "--mount", "--pid", "--no-nested-userns"}, unshare...), "hk-idmap", "hk-mount", "--rootfs", "/", "--proc", "--rw", dir+":/w")
	for _, name := range protectedNames {
		args = append(args, "--protect", "/w/"+name)
	}
	cmd := exec.Command(filepath.Join(bin, "hk-unshare"), append(append(args, "hk-setuser", "--caps", "none", "--"), payload...)...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + fuse, own}
	return cmd
}

// gitStatus is what git reports about a repository.
func gitStatus(t *testing.T, dir string) string {
	t.Helper()
	if !have("git") {
		return ""
	}
	cmd := exec.Command("git", "-C", dir, "status", "--porcelain", "--ignored")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// debris lists what is left of the names that were protected.
func debris(dir string) (left []string) {
	for _, name := range append([]string{".claude"}, protectedNames...) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			left = append(left, name)
		}
	}
	return left
}

// TestProtectKilled kills the processes of sandboxes. Nothing is left, but if it was the
// supervisor there may be empty directories, which git does not see, and which the next
// run removes.
func TestProtectKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fuse string
		unshare    []string
		// who is the number of the process from the supervisor on, or -1 for the last.
		who int
	}{
		{"payload", "", nil, -1},
		{"payload", "0", nil, -1},
		{"payload below an init", "", []string{"--init"}, -1},
		{"init", "", []string{"--init"}, 1},
		{"supervisor", "", nil, 0},
		{"supervisor", "0", nil, 0},
		{"supervisor above an init", "", []string{"--init"}, 0},
	} {
		t.Run(c.name+c.fuse, func(t *testing.T) {
			t.Parallel()
			dir, mark := aRepository(t), aSleep()
			cmd := protected(dir, c.fuse, c.unshare, "/usr/bin/sleep", mark)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() })
			var list []process
			within(t, "the payload runs", func() bool {
				list = fromParent(withArgument(mark))
				return len(list) > 1 && list[len(list)-1].program() == "sleep"
			})
			if left := debris(dir); len(left) != len(protectedNames) {
				t.Errorf("while it runs there are %v", left)
			}
			list[(c.who+len(list))%len(list)].signal(unix.SIGKILL)
			cmd.Wait()
			within(t, "it has ended", func() bool { return len(withArgument(mark)) == 0 })
			if s := gitStatus(t, dir); s != "" {
				t.Errorf("git status: %s", s)
			}
			if left := debris(dir); len(left) > 0 && !strings.HasPrefix(c.name, "supervisor") {
				t.Errorf("left: %v", left)
			}
			if out, err := protected(dir, c.fuse, c.unshare, "/usr/bin/true").CombinedOutput(); err != nil {
				t.Errorf("the next run: %v: %s", err, out)
			}
			if left := debris(dir); len(left) > 0 {
				t.Errorf("left after the next run: %v", left)
			}
		})
	}
}

// fromParent sorts processes of which each but one is the child of another.
func fromParent(list []process) (sorted []process) {
	for range list {
		for _, p := range list {
			above := ""
			if n := len(sorted); n > 0 {
				above = strconv.Itoa(sorted[n-1].pid)
			} else if slices.ContainsFunc(list, func(q process) bool { return strconv.Itoa(q.pid) == p.status("PPid") }) {
				continue
			}
			if above == "" || p.status("PPid") == above {
				sorted = append(sorted, p)
				break
			}
		}
	}
	return sorted
}

// intrude tries for some time to create what is protected, and fails if it can.
const intrude = `
cd /w
i=0
while [ $i -lt $1 ]; do
	i=$((i + 1))
	for f in .mcp.json .env .git/hooks .claude; do
		mkdir $f/x 2>&- && echo "created $f/x"
		rmdir $f 2>&- && echo "removed $f"
		mkdir $f 2>&- && echo "created $f"
	done
	mv .git x 2>&- && echo "renamed .git"
done
exit 0
`

// TestProtectMany has many sandboxes protect the same names at once, each for another
// time; some are killed. No payload ever succeeds, although others clean up, and finally
// nothing is left.
func TestProtectMany(t *testing.T) {
	t.Parallel()
	dir := aRepository(t)
	var all sync.WaitGroup
	limit := make(chan struct{}, 50)
	for i := range max(100/slow, 50) {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			var out bytes.Buffer
			cmd := protected(dir, "", nil, "/bin/sh", "-c", intrude, "sh", fmt.Sprint(rand.IntN(8)))
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			kills := i%5 == 0
			if kills {
				time.Sleep(time.Duration(rand.IntN(slow*100)) * time.Millisecond)
				cmd.Process.Kill()
			}
			if err := cmd.Wait(); err != nil && !kills {
				t.Error(err)
			}
			if out.Len() > 0 {
				t.Errorf("run %d: %s", i, &out)
			}
		})
	}
	all.Wait()
	if s := gitStatus(t, dir); s != "" {
		t.Errorf("git status: %s", s)
	}
	if out, err := protected(dir, "", nil, "/usr/bin/true").CombinedOutput(); err != nil {
		t.Errorf("the last run: %v: %s", err, out)
	}
	if left := debris(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestProtectRace has the owner of a tree exchange names while sandboxes protect what
// they lead to: a directory on the way with a symbolic link that leads outside of the
// tree, and what is protected with something else. Some runs fail, and nothing is changed
// on the host.
func TestProtectRace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, other, protect string }{
		{"a directory on the way", "", "d/hooks"},
		{"a directory on the way, which does not exist in the other", "", "d/none"},
		{"a directory for a placeholder", "user", "none"},
		{"a file", "file", "text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tree, outside := filepath.Join(dir, "tree"), filepath.Join(dir, "outside")
			for _, d := range []string{tree + "/d/hooks", outside + "/hooks", dir + "/user/kept"} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{tree + "/text", dir + "/file"} {
				if err := os.WriteFile(f, []byte("secret\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(outside, dir+"/link"); err != nil {
				t.Fatal(err)
			}
			name, other := filepath.Join(tree, strings.Split(c.protect, "/")[0]), filepath.Join(dir, "link")
			if c.other != "" {
				other = filepath.Join(dir, c.other)
			}
			before := treeOf(t, dir)
			exchange := swap
			if c.protect == "none" {
				exchange = come
			}
			stop := exchange(name, other)
			worked, failed := 0, 0
			start := time.Now()
			for i := 0; i < max(60/slow, 20) && time.Since(start) < time.Minute; i++ {
				cmd := exec.Command(filepath.Join(bin, "hk-unshare"), "--user", "--mount", "--pid", "--no-nested-userns", "hk-idmap", "hk-mount", "--rootfs", "/",
					"--rw", tree+":/w", "--protect", "/w/"+c.protect, "hk-setuser", "--caps", "none", "--", "/usr/bin/true")
				cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
				if cmd.Run() == nil {
					worked++
				} else {
					failed++
				}
			}
			n := stop()
			t.Logf("%d exchanges; %d runs worked, %d failed", n, worked, failed)
			if n == 0 || worked+failed == 0 {
				t.Error("nothing was tried")
			}
			if c.protect != "none" && n%2 != 0 {
				unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
			if after := treeOf(t, dir); after != before {
				t.Errorf("there is\n%swant\n%s", after, before)
			}
		})
	}
}

// come continuously moves a directory to a name and back.
func come(name, from string) (stop func() int) {
	end, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-end:
				done <- n
				return
			default:
			}
			if unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, name, unix.RENAME_NOREPLACE) == nil {
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				os.Rename(name, from)
				n++
			}
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		}
	}()
	return func() int {
		close(end)
		return <-done
	}
}

// treeOf lists a directory with all that is in it.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", "%P %y %l\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
