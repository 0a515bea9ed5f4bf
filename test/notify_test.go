package test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A manager is a service manager that listens to one process, as with NotifyAccess=main.
type manager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

// told is a message that a manager has received.
type told struct {
	pid  int
	text string
	// files are what the descriptors contain; that of a barrier is closed.
	files []string
}

func newManager(t *testing.T) *manager {
	dir, err := os.MkdirTemp("", "n") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	m := &manager{t: t, path: dir + "/notify"}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: m.path}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	os.Chmod(m.path, 0o777)
	raw, _ := m.conn.SyscallConn()
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	return m
}

// next is the next message, or ok is false if there is none for a while.
func (m *manager) next(wait time.Duration) (got told, ok bool) {
	text, control := make([]byte, 5000), make([]byte, 2000)
	m.conn.SetReadDeadline(time.Now().Add(wait))
	n, c, _, _, err := m.conn.ReadMsgUnix(text, control)
	if err != nil {
		return got, false
	}
	got.text = string(text[:n])
	list, err := unix.ParseSocketControlMessage(control[:c])
	if err != nil {
		m.t.Fatal(err)
	}
	for _, c := range list {
		if cred, err := unix.ParseUnixCredentials(&c); err == nil {
			got.pid = int(cred.Pid)
		}
		fds, _ := unix.ParseUnixRights(&c)
		for _, fd := range fds {
			b := make([]byte, 100)
			n, _ := unix.Pread(fd, b, 0)
			got.files = append(got.files, string(b[:max(n, 0)]))
			unix.Close(fd)
		}
	}
	return got, true
}

// start starts a chain under the manager; line is without the payload's name.
func (m *manager) start(fuse, line string, payload ...string) (*exec.Cmd, *strings.Builder) {
	words := append(strings.Fields(line), append([]string{"--"}, payload...)...)
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	var out strings.Builder
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HK_FUSE=" + fuse, "NOTIFY_SOCKET=" + m.path}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return cmd, &out
}

const patient = 20 * time.Second

// relayShapes are chains with a supervisor.
var relayShapes = []string{
	"hk-unshare --setsid",
	"hk-unshare --user hk-idmap --root",
	"hk-unshare --user --pid hk-idmap --root hk-limit --core 0",
	"hk-unshare --user --pid --init hk-idmap --root",
	"hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --ro $BIN hk-setuser --caps none hk-landlock --rx / hk-seccomp",
	"hk-unshare --all --init hk-idmap --root hk-mount --rootfs / --proc --ro $BIN hk-seccomp --profile docker",
	"hk-unshare --user --uts hk-idmap --root hk-unshare --pid hk-limit --core 0",
	"hk-limit --wall 1h",
	"hk-seccomp --learn $DIR/profile",
}

// TestRelay has a payload notify a manager that listens to the supervisor alone, in every
// shape of a chain.
func TestRelay(t *testing.T) {
	payload := []string{filepath.Join(bin, "probe"), "notify",
		`READY=1\nMAINPID=1\nSTATUS=up`, "MAINPID=1", "fd:stored", "barrier", "STOPPING=1"}
	want := "[{READY=1\nSTATUS=up []} {FDSTORE=1\nFDNAME=stored [stored]} {BARRIER=1 []} {STOPPING=1 []}]"
	for _, line := range relayShapes {
		for _, fuse := range []string{"1", "0"} {
			t.Run(fuse+" "+line, func(t *testing.T) {
				t.Parallel()
				m := newManager(t)
				cmd, out := m.start(fuse, landlockLine(strings.NewReplacer("$BIN", bin, "$DIR", filepath.Dir(m.path)).Replace(line)), payload...)
				var list []told
				for len(list) < 4 {
					got, ok := m.next(time.Duration(slow) * patient)
					if !ok {
						break
					}
					if got.pid != cmd.Process.Pid {
						t.Errorf("%q comes from process %d, not from the supervisor", got.text, got.pid)
					}
					got.pid = 0
					if got.text == "BARRIER=1" {
						got.files = nil
					}
					list = append(list, got)
				}
				if err := cmd.Wait(); err != nil || out.String() != "ok\n" {
					t.Errorf("%v: %s", err, out)
				}
				if got := strings.ReplaceAll(fmt.Sprint(list), "{0 ", "{"); got != want {
					t.Errorf("the manager got %q; want %q", got, want)
				}
			})
		}
	}
}

// TestRelayScope has a payload in a Landlock domain that cannot reach abstract sockets
// made outside of it.
func TestRelayScope(t *testing.T) {
	if landlockABI() < 6 {
		t.Skip("missing: scopes of Landlock")
	}
	m := newManager(t)
	cmd, out := m.start("1", "hk-unshare --user --pid hk-idmap --root hk-landlock --rwx / --scope abstract-unix-socket,signal", filepath.Join(bin, "probe"), "notify", "READY=1")
	if got, ok := m.next(time.Duration(slow) * patient); !ok || got.text != "READY=1" || got.pid != cmd.Process.Pid {
		t.Errorf("the manager got %v", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRelayStranger sends to the socket of a payload from a process that does not belong
// to it, and from a descendant, which does.
func TestRelayStranger(t *testing.T) {
	for _, line := range []string{"hk-unshare --setsid", "hk-unshare --user --pid hk-idmap --root", "hk-unshare --user --pid --init hk-idmap --root"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			words := append(strings.Fields(line), "--", "sh", "-c", `echo $NOTIFY_SOCKET; read go; (probe notify STATUS=own barrier); read go`)
			cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
			cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "NOTIFY_SOCKET=" + m.path}
			var stderr strings.Builder
			cmd.Stderr = &stderr
			stdin, _ := cmd.StdinPipe()
			stdout, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			name, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil || name[0] != '@' {
				t.Fatalf("the payload's socket is %q, %v", name, err)
			}
			// The forged message comes first.
			stranger := exec.Command(filepath.Join(bin, "probe"), "notify-to", strings.TrimSpace(name), "STATUS=forged", "barrier")
			if err := stranger.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- stranger.Wait() }()
			for waits := true; waits; {
				select {
				case err := <-ended:
					waits = false
					if err != nil {
						t.Error("the stranger:", err)
					}
				default:
					if got, ok := m.next(10 * time.Millisecond); ok {
						t.Errorf("the manager got %v of a stranger", got)
					}
				}
			}
			fmt.Fprintln(stdin)
			for _, want := range []string{"STATUS=own", "BARRIER=1"} {
				if got, ok := m.next(time.Duration(slow) * patient); !ok || got.text != want {
					t.Errorf("the manager got %v; want %s", got, want)
				}
			}
			stdin.Close()
			cmd.Wait()
			if n := strings.Count(stderr.String(), "which is not one of the payload's or has ended, was ignored"); n != 1 {
				t.Errorf("%d warnings: %s", n, &stderr)
			}
			if got, ok := m.next(time.Millisecond); ok {
				t.Errorf("the manager got %v", got)
			}
		})
	}
}

// TestRelayFull has a manager that receives nothing for a while. The payload's messages
// wait, signals do not, and no message is lost.
func TestRelayFull(t *testing.T) {
	m := newManager(t)
	var words, want []string
	for i := range 100 {
		words = append(words, fmt.Sprint("STATUS=", i))
		want = append(want, words[i])
	}
	words, want = append(words, "barrier"), append(want, "BARRIER=1") // whoever sends must exist
	script := `trap 'echo caught' USR1; probe notify "$@" & wait; wait; wait; exit 0`
	cmd, out := m.start("1", "hk-unshare --user --pid hk-idmap --root", append([]string{"sh", "-c", script, "sh"}, words...)...)
	time.Sleep(time.Duration(slow) * 300 * time.Millisecond)
	cmd.Process.Signal(unix.SIGUSR1)
	time.Sleep(time.Duration(slow) * 300 * time.Millisecond)
	var list []string
	for len(list) < len(want) {
		got, ok := m.next(time.Duration(slow) * patient)
		if !ok {
			break
		}
		list = append(list, got.text)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "caught") {
		t.Errorf("%v: %s", err, out)
	}
	if !slices.Equal(list, want) {
		t.Errorf("the manager got %q", list)
	}
}
