package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// target starts a sandbox to be joined, and returns its payload's PID.
func target(t *testing.T) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	line := "--status-fd 3 --all --time hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp -- sleep 1080"
	cmd := exec.Command(filepath.Join(bin, "hk-unshare"), strings.Fields(line)...)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	cmd.ExtraFiles = []*os.File{w}
	cmd.Dir = "/usr"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var event struct {
		Event string
		PID   int
	}
	text, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil || json.Unmarshal(text, &event) != nil || event.Event != "started" {
		t.Fatalf("the target says %q, %v", text, err)
	}
	return event.PID
}

// joins are chains that join the namespaces of a target, for which T stands.
var joins = []struct {
	name  string
	root  bool
	equal bool // compare the chain with one that is not fused
	line  string
}{
	{name: "all", equal: true, line: "hk-unshare --join user,mnt,pid,net,ipc,uts,cgroup,time=T hk-limit --core 0"},
	{name: "without mounts", equal: true, line: "hk-unshare --join user,pid,net=T hk-setuser --caps +kill hk-limit --nofile 100 hk-seccomp"},
	{name: "as root inside", equal: true, line: "hk-unshare --join user,pid,ipc=T hk-setuser --umask 077 hk-seccomp --profile podman"},
	{name: "new ones inside", equal: true, line: "hk-unshare --join user,net=T --mount --pid hk-mount --rootfs / --proc --tmpfs /tmp"},
	{name: "by path", line: "hk-unshare --join user=/proc/T/ns/user --join net=/proc/T/ns/net --join pid=/proc/T/ns/pid --outlive"},
	{name: "descriptors", equal: true, line: "hk-unshare --join user,mnt,pid=T --close-fds hk-limit --core 0 hk-setuser --umask 077 hk-limit --nofile 100"},
	{name: "time", line: "hk-unshare --join user,time=T --setsid --keep-caps"},
	{name: "root's", root: true, equal: true, line: "hk-unshare --join mnt,net,ipc,uts=T --cgroup hk-limit --core 0"},
	{name: "root's and a new user namespace", root: true, equal: true, line: "hk-unshare --join net=T --user --pid hk-idmap --root hk-limit --core 0"},
}

// TestExplainJoin is TestExplain for chains that join.
func TestExplainJoin(t *testing.T) {
	t.Parallel()
	require(t, "strace", have("strace"))
	if os.Getuid() != 0 {
		t.Skip("an ordinary user's strace cannot look at a process that is not dumpable")
	}
	pid := target(t)
	for _, c := range joins {
		t.Run(c.name, func(t *testing.T) {
			explained(t, "root", strings.Fields(strings.ReplaceAll(c.line, "T", fmt.Sprint(pid))+" -- /usr/bin/true"))
		})
	}
}

// TestEqualJoin is TestEqual for chains that join.
func TestEqualJoin(t *testing.T) {
	t.Parallel()
	pid := target(t)
	for _, c := range joins {
		if !c.equal {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if c.root && os.Getuid() != 0 {
				t.Skip("a chain of root's")
			}
			line := strings.ReplaceAll(c.line, "T", fmt.Sprint(pid))
			fused, apart := look(t, line, "1"), look(t, line, "0")
			if fused != apart {
				t.Errorf("%s\nfused and HK_FUSE=0 differ:\n%s", line, diff(fused, apart))
			}
		})
	}
}
