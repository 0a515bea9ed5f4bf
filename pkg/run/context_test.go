package run

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// self is a place before a clone: the process is this one.
func self() *stepContext { return &stepContext{pid: os.Getpid(), sock: -1, layout: &layout{}} }

// TestOpen opens files of a process in procfs. None of them is a symbolic link to what
// somebody else has chosen, and no program executed meanwhile inherits one.
func TestOpen(t *testing.T) {
	a := self()
	fd, err := a.Open("status", unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("Open: FD flags %#x, %v; want FD_CLOEXEC", flags, err)
	}
	// A link that stays in this procfs.
	link := fmt.Sprintf("fd/%d", fd)
	if _, err := os.Stat("/proc/self/" + link); err != nil {
		t.Fatal("the control:", err)
	}
	if other, err := a.Open(link, unix.O_RDONLY); !errors.Is(err, unix.ELOOP) {
		unix.Close(other)
		t.Errorf("Open(%q) = %v; want %v", link, err, unix.ELOOP)
	}
}

// TestOpenCovered has a file of /proc, and then all of it, covered by what
// somebody has mounted. It runs itself in namespaces of its own.
func TestOpenCovered(t *testing.T) {
	const env = "HK_TEST_COVERED"
	cover := os.Getenv(env)
	if cover == "" {
		cover = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(cover, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := osexec.Command(os.Args[0], "-test.run=^TestOpenCovered$")
		cmd.Env = append(os.Environ(), env+"="+cover)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	a := self()
	open := func() error {
		fd, err := a.Open("uid_map", unix.O_RDONLY)
		unix.Close(fd)
		return err
	}
	if err := open(); err != nil {
		t.Fatal("the control:", err)
	}
	name := fmt.Sprintf("/proc/%d/uid_map", a.PID())
	for _, err := range []error{
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(cover, name, "", unix.MS_BIND, ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); !errors.Is(err, unix.EXDEV) {
		t.Errorf("something mounted over a file: %v; want %v", err, unix.EXDEV)
	}
	for _, err := range []error{
		unix.Mount("none", "/proc", "tmpfs", 0, ""),
		os.MkdirAll(fmt.Sprintf("/proc/%d", a.PID()), 0o755),
		os.WriteFile(name, nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "not procfs") {
		t.Errorf("Open() in a /proc that is not procfs = %v; want an error that says so", err)
	}
}

// TestOpenReused opens a file of the process that has the number of one that has
// ended.
func TestOpenReused(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	a := &stepContext{pid: os.Getpid(), sock: pair[0]}
	fd, err := a.Open("status", unix.O_RDONLY)
	if err != nil {
		t.Fatal("the control:", err)
	}
	unix.Close(fd)
	unix.Close(pair[1]) // as the end of the child does
	if fd, err := a.Open("status", unix.O_RDONLY); !errors.Is(err, unix.ESRCH) {
		unix.Close(fd)
		t.Errorf("Open = %v; want %v", err, unix.ESRCH)
	}
}
