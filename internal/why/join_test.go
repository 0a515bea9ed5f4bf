package why

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace starts a process in a user namespace, as its root.
func inNamespace(t *testing.T) (pid int) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, Pdeathsig: unix.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	if err := cmd.Start(); err != nil {
		t.Skip("no user namespaces: ", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

func joinerFor(t *testing.T, pid int) *joiner {
	id, err := identify("/proc/" + strconv.Itoa(pid))
	own, err2 := identify("/proc/self")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	id.groups = own.groups
	j := id.joins(own)
	if j == nil {
		t.Skip("fs.suid_dumpable is 1")
	}
	t.Cleanup(j.close)
	return j
}

// TestJoiner opens and tries files in a user namespace: its capabilities count for files of
// the IDs that it has, and for others they do not.
func TestJoiner(t *testing.T) {
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	if err := os.WriteFile(locked, nil, 0); err != nil {
		t.Fatal(err)
	}
	j := joinerFor(t, inNamespace(t))
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
	fd, err := j.open(unix.AT_FDCWD, locked, how)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := j.access(fd, unix.R_OK|unix.W_OK); err != nil {
		t.Errorf("with capabilities: %v", err)
	}
	j.caps = 0
	if err := j.access(fd, unix.R_OK); err != unix.EACCES {
		t.Errorf("without: %v", err)
	}
	if _, err := j.open(unix.AT_FDCWD, filepath.Join(dir, "none"), how); err != unix.ENOENT || j.failed {
		t.Errorf("none: %v, %v", err, j.failed)
	}
	var st unix.Stat_t
	if shadow := "/etc/shadow"; unix.Stat(shadow, &st) == nil && os.Getuid() != 0 {
		j.caps = 1 << unix.CAP_DAC_OVERRIDE
		if fd, err = j.open(unix.AT_FDCWD, shadow, how); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := j.access(fd, unix.R_OK); err != unix.EACCES {
			t.Errorf("of another user: %v", err)
		}
	}
	j.fs = 77
	if err := j.access(fd, unix.R_OK); err != unix.EIO || !j.failed {
		t.Errorf("as a user that there is not: %v, %v", err, j.failed)
	}
}

// TestJoinerUntraced has root of the user namespace attack the process that has joined it. The
// control is a process that was executed there.
func TestJoinerUntraced(t *testing.T) {
	if target := os.Getenv("HK_TEST_ATTACK"); target != "" {
		pid, _ := strconv.Atoi(target)
		fmt.Println("attack:", attack(pid))
		return
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		t.Skip("nsenter")
	}
	pid := inNamespace(t)
	from := func(target int) string {
		cmd := exec.Command(nsenter, "--user=/proc/"+strconv.Itoa(pid)+"/ns/user", "--preserve-credentials", "--", os.Args[0], "-test.run=^TestJoinerUntraced$")
		cmd.Env = append(os.Environ(), "HK_TEST_ATTACK="+strconv.Itoa(target))
		out, _ := cmd.CombinedOutput()
		_, text, _ := strings.Cut(string(out), "attack: ")
		line, _, ok := strings.Cut(text, "\n")
		if !ok {
			t.Fatalf("the attack: %s", out)
		}
		return line
	}
	if got := from(pid); got != "[<nil> <nil> <nil>]" {
		t.Skip("a process there cannot be traced either: ", got)
	}
	const refused = "[operation not permitted operation not permitted permission denied]"
	j := joinerFor(t, pid)
	tried := false
	fd, err := j.open(unix.AT_FDCWD, "/", unix.OpenHow{Flags: unix.O_PATH})
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
	j.waiting = func(pid int) {
		tried = true
		if got := from(pid); got != refused {
			t.Errorf("the process that has joined: %s", got)
		}
	}
	if fd, err = j.open(unix.AT_FDCWD, "/", unix.OpenHow{Flags: unix.O_PATH}); err != nil || !tried {
		t.Errorf("%v, %v", err, tried)
	}
	unix.Close(fd)
}

// attack tries to trace a process, to write to its memory, and to open what it has open.
func attack(pid int) (errs [3]error) {
	errs[0] = unix.PtraceSeize(pid)
	b := []byte{0}
	_, errs[1] = unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: 0x1, Len: 1}}, 0)
	if errors.Is(errs[1], unix.EFAULT) {
		errs[1] = nil // it was let at it
	}
	var f *os.File
	if f, errs[2] = os.Open(fmt.Sprintf("/proc/%d/fd/0", pid)); errs[2] != nil {
		errs[2] = errors.Unwrap(errs[2])
	}
	f.Close()
	return errs
}
