package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hiddenVariable makes this program load a filter that hides the call with that number,
// and print what its feature's probe says then.
const hiddenVariable = "HK_TEST_HIDDEN"

// coveredVariable makes it cover the directory that lists namespaces.
const coveredVariable = "HK_TEST_COVERED"

func TestMain(m *testing.M) {
	if os.Getenv(coveredVariable) != "" {
		if err := covered(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if v, ok := os.LookupEnv(hiddenVariable); ok {
		var nr uint32
		var f Feature
		fmt.Sscanf(v, "%d %d", &nr, &f)
		runtime.LockOSThread() // no_new_privs and the filter are the thread's
		if err := hide(nr); err != nil {
			fmt.Println("hide:", err)
			os.Exit(1)
		}
		err := f.Check()
		fmt.Println(errors.Is(err, ErrNotSupported), errors.Is(err, unix.ENOSYS), err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func hide(nr uint32) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: nr},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}

// TestFeatures compares the table with the running kernel: it has what its version has,
// except for what it may be built without, and nothing newer.
func TestFeatures(t *testing.T) {
	v, release, ok := Kernel()
	if !ok {
		t.Skip("missing: a version of Linux in ", release)
	}
	optional := []Feature{Keyrings, TimeNamespaces}
	for abi := 1; abi <= NewestLandlockABI; abi++ {
		optional = append(optional, Landlock(abi))
	}
	optional = append(optional, LandlockErrata)
	names := map[string]bool{}
	for _, f := range Features() {
		if names[f.String()] || f.String() == "" || f.Since() == (Version{}) || f.Advice() == "" {
			t.Errorf("feature %d, %q, since %v: %q", f, f, f.Since(), f.Advice())
		}
		names[f.String()] = true
		err := f.Check()
		missing := errors.Is(err, ErrNotSupported)
		switch old := !v.AtLeast(f.Since()); {
		case old && err == nil && f == LandlockErrata: // came to older kernels too
		case old && f == MountNoSymfollow && errors.Is(err, unix.EPERM):
		case old && !missing:
			t.Errorf("%v: Check() = %v on Linux %v; want ErrNotSupported: since %v", f, err, v, f.Since())
		case old && !strings.Contains(err.Error(), fmt.Sprintf("needs Linux %v; this is %s", f.Since(), release)):
			t.Errorf("%v: Check() = %v; want the version", f, err)
		case !old && missing && !slices.Contains(optional, f):
			t.Errorf("%v: Check() = %v on Linux %v; it is there since %v", f, err, v, f.Since())
		case err != nil && !missing && !errors.Is(err, unix.EPERM):
			t.Errorf("%v: Check() = %v: does not tell", f, err)
		}
	}
}

// TestProbesChangeNothing has every probe leave the process as it was.
func TestProbesChangeNothing(t *testing.T) {
	look := func() string {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, fd := range fds {
			if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasSuffix(target, "/fd") {
				flags, _ := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
				fmt.Fprintln(&text, fd, target, strings.SplitAfter(string(flags), "\n")[1])
			}
		}
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "Seccomp") || strings.HasPrefix(line, "NoNewPrivs") {
				text.WriteString(line)
			}
		}
		return text.String()
	}
	look() // opens what package os polls with
	before := look()
	for range 2 {
		for _, f := range Features() {
			f.Check()
		}
	}
	if after := look(); after != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
}

// TestHidden has a filter hide calls that the kernel has.
func TestHidden(t *testing.T) {
	for _, c := range []struct {
		f  Feature
		nr uint32
	}{
		{Clone3, unix.SYS_CLONE3}, {PidfdOpen, unix.SYS_PIDFD_OPEN}, {PidfdSendSignal, unix.SYS_PIDFD_SEND_SIGNAL},
		{CloseRange, unix.SYS_CLOSE_RANGE}, {Openat2, unix.SYS_OPENAT2}, {Faccessat2, unix.SYS_FACCESSAT2},
		{MountCalls, unix.SYS_FSOPEN}, {MountCalls, unix.SYS_FSMOUNT}, {MountCalls, unix.SYS_OPEN_TREE},
		{MountCalls, unix.SYS_MOVE_MOUNT}, {MountCalls, unix.SYS_FSCONFIG},
		{MountSetattr, unix.SYS_MOUNT_SETATTR}, {Keyrings, unix.SYS_KEYCTL}, {LandlockABI1, unix.SYS_LANDLOCK_CREATE_RULESET},
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{fmt.Sprintf("%s=%d %d", hiddenVariable, c.nr, c.f)}
		out, err := cmd.CombinedOutput()
		want := fmt.Sprintf("true true %v: not supported: %s\n", c.f, c.f.Advice())
		if err != nil || string(out) != want {
			t.Errorf("%v below a filter: %v: %s; want %s", c.f, err, out, want)
		}
	}
}

// TestCause has calls fail for what the kernel has, and for what it has not.
func TestCause(t *testing.T) {
	for _, c := range []struct {
		call  string
		errno unix.Errno
		f     Feature
		ok    bool
	}{
		{`openat2(AT_FDCWD, "/", {...}, 24)`, unix.ENOSYS, Openat2, true},
		{`openat2(AT_FDCWD, "/", {...}, 24)`, unix.EINVAL, 0, false},
		{`fsopen("tmpfs", FSOPEN_CLOEXEC)`, unix.ENOSYS, MountCalls, true},
		{"personality(0)", unix.ENOSYS, 0, false},
		{"", unix.ENOSYS, 0, false},
		{"unshare(CLONE_NEWNS|CLONE_NEWTIME)", unix.EINVAL, 0, TimeNamespaces.Check() != nil},
		{"unshare(CLONE_NEWTIME)", unix.EPERM, 0, false},
		{"setns($time, CLONE_NEWTIME)", unix.EINVAL, 0, false},
	} {
		if f, ok := Cause(c.call, c.errno); ok != c.ok || ok && c.f != 0 && f != c.f {
			t.Errorf("Cause(%q, %v) = %v, %v; want %v, %v", c.call, c.errno, f, ok, c.f, c.ok)
		}
	}
}

// TestNoNamespaces covers the directory that tells which namespaces there are.
func TestNoNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("missing: root, to mount")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{coveredVariable + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	const want = "time namespaces true pid namespaces true"
	if err != nil || string(out) != want {
		t.Errorf("%v: %s; want %s", err, out, want)
	}
}

// covered is what that test's child does.
func covered() error {
	runtime.LockOSThread()
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount("none", "/proc/self/ns", "tmpfs", 0, ""); err != nil {
		return err
	}
	f, ok := Cause("unshare(CLONE_NEWTIME)", unix.EINVAL)
	g, ok2 := Cause("clone3({flags=CLONE_NEWUSER|CLONE_NEWPID, exit_signal=SIGCHLD}, 64)", unix.EINVAL)
	fmt.Print(f, " ", ok, " ", g, " ", ok2)
	return nil
}

func TestNotSupported(t *testing.T) {
	err := fmt.Errorf("--flag: %w", NotSupported(&os.PathError{Op: "call", Path: "/x", Err: unix.EINVAL}))
	if !errors.Is(err, ErrNotSupported) || !errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || err.Error() != "--flag: call /x: invalid argument" {
		t.Errorf("%v", err)
	}
}

// TestErrno has an op's errno be what a caller can ask for.
func TestErrno(t *testing.T) {
	for e, want := range map[unix.Errno]bool{unix.ENOSYS: true, unix.EOPNOTSUPP: true, unix.EINVAL: false, unix.EPERM: false, unix.ENOENT: false} {
		if got := errors.Is(fmt.Errorf("x: %w", e), ErrNotSupported); got != want {
			t.Errorf("errors.Is(%v, ErrNotSupported) = %v; want %v", e, got, want)
		}
	}
}
