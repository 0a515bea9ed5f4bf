package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs a shell command as the leader of the session whose terminal is tty,
// and returns what it writes to standard error.
func onTerminal(t *testing.T, tty *os.File, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	cmd.Stdin, cmd.Stdout = tty, tty
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, &out)
	}
	return strings.TrimSpace(out.String())
}

// newPTY creates a pseudoterminal that passes on each byte at once.
func newPTY(t *testing.T) *os.File {
	_, tty := newTerminal(t)
	return tty
}

// newTerminal is newPTY with the other side, on which keys are typed.
func newTerminal(t *testing.T) (ptmx, tty *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ptmx = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { ptmx.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	mode, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	mode.Lflag &^= unix.ICANON | unix.ECHO
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	return ptmx, tty
}

// TestInjection has a payload type into the terminal of its caller, through an
// inherited descriptor and through /dev/tty. The last word is what the caller would
// read.
func TestInjection(t *testing.T) {
	legacy, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti")
	if err == nil && strings.TrimSpace(string(legacy)) == "0" {
		t.Skip("dev.tty.legacy_tiocsti is 0: only a process with CAP_SYS_ADMIN in the initial user namespace can, with --setsid too")
	}
	// A process with CAP_SYS_ADMIN in the initial user namespace can, into any terminal
	// that it has open.
	drop := "hk-setuser --caps none"
	if os.Getuid() != 0 {
		drop = ""
	}
	for _, c := range []struct{ name, line, want string }{
		{"control", drop, "stdin ok, tty ok; 2 bytes to read"},
		{"user namespace", "hk-unshare --user hk-idmap --root", "stdin ok, tty ok; 2 bytes to read"},
		{"setsid", "hk-unshare --setsid " + drop, "stdin EPERM, tty ENXIO; 0 bytes to read"},
		{"setsid in a user namespace", "hk-unshare --user --setsid hk-idmap --root", "stdin EPERM, tty ENXIO; 0 bytes to read"},
		{"setsid with an init", "hk-unshare --all --init --setsid hk-idmap --root", "stdin EPERM, tty ENXIO; 0 bytes to read"},
		{"hk-bwrap, control", "hk-bwrap --dev-bind / / --cap-drop ALL", "stdin ok, tty ok; 2 bytes to read"},
		{"hk-bwrap", "hk-bwrap --dev-bind / / --cap-drop ALL --unshare-pid --deny-tiocsti", "stdin EPERM, tty EPERM; 0 bytes to read"},
		{"hk-bwrap, not fused", "HK_FUSE=0 hk-bwrap --dev-bind / / --cap-drop ALL --deny-tiocsti", "stdin EPERM, tty EPERM; 0 bytes to read"},
		{"hk-bwrap in a new session", "hk-bwrap --dev-bind / / --cap-drop ALL --new-session", "stdin EPERM, tty ENXIO; 0 bytes to read"},
		{"setsid, not fused", "HK_FUSE=0 hk-unshare --all --setsid hk-idmap --root hk-limit --core 0", "stdin EPERM, tty ENXIO; 0 bytes to read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := c.line + " probe tiocsti"
			got := onTerminal(t, newPTY(t), line+" >&2; probe pending >&2")
			if got = strings.Join(strings.Fields(got), " "); got != c.want {
				t.Errorf("%s: %s; want %s", line, got, c.want)
			}
		})
	}
}

// TestInjectionConsole is the same for a virtual console, whose selection can be pasted
// with TIOCLINUX. A harmless subfunction is guarded in the same way.
func TestInjectionConsole(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("virtual consoles are root's")
	}
	const console = "/dev/tty63"
	tty, err := os.OpenFile(console, os.O_RDWR|unix.O_NOCTTY, 0)
	require(t, "the virtual console "+console, err == nil)
	t.Cleanup(func() {
		tty.Close()
		if zero, err := os.OpenFile("/dev/tty0", os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
			const vtDisallocate = 0x5608
			unix.IoctlSetInt(int(zero.Fd()), vtDisallocate, 63)
			zero.Close()
		}
	})
	for _, c := range []struct{ line, want string }{
		{"hk-setuser --caps none", "ok"},
		{"hk-unshare --setsid hk-setuser --caps none", "EPERM"},
		{"hk-unshare --user --setsid hk-idmap --root", "EPERM"},
		{"hk-bwrap --dev-bind / / --cap-drop ALL --deny-tiocsti", "EPERM"},
	} {
		// The hangup at the end of a session makes the descriptor useless.
		tty, err := os.OpenFile(console, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := onTerminal(t, tty, c.line+" "+filepath.Join(bin, "probe")+" tioclinux >&2; true")
		tty.Close()
		if got != c.want {
			t.Errorf("%s: %s; want %s", c.line, got, c.want)
		}
	}
}
