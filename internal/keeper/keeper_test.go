package keeper

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test program is also the keeper, and a supervisor that is to be killed.
func TestMain(m *testing.M) {
	switch os.Getenv("HK_TEST_AS") {
	case "keeper":
		os.Exit(Main())
	case "supervisor":
		superviseForever()
	}
	os.Exit(m.Run())
}

// slow is by how much waits are longer on a slow machine.
func slow() time.Duration {
	n, err := strconv.Atoi(os.Getenv("HK_TEST_SLOW"))
	if err != nil || n < 1 {
		n = 1
	}
	return time.Duration(n)
}

// skip skips a test for want of something, which root of a test machine must have.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("HK_TEST_STRICT") == "1" && os.Geteuid() == 0 {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// A fake is a supervisor, as the stages have one.
type fake struct {
	control *os.File
	keeper  *exec.Cmd
	stderr  strings.Builder
	report  string
	// of the group
	version, text string
	fds           []int
	paths         []string
}

// reply waits for a message of the keeper.
func (f *fake) reply() (word, text string, fds []int, err error) {
	buf, oob := make([]byte, longest), make([]byte, unix.CmsgSpace(4*32))
	unix.SetsockoptTimeval(int(f.control.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(30 * slow())})
	n, oobn, _, _, err := unix.Recvmsg(int(f.control.Fd()), buf, oob, unix.MSG_CMSG_CLOEXEC)
	for err == unix.EINTR { // by SIGCONT, for example
		n, oobn, _, _, err = unix.Recvmsg(int(f.control.Fd()), buf, oob, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return "", "", nil, err
	}
	word, text, _ = strings.Cut(string(buf[:n]), " ")
	return word, text, descriptors(oob[:oobn]), nil
}

func (f *fake) send(text string) {
	unix.Sendmsg(int(f.control.Fd()), []byte(text), nil, nil, 0)
}

// startKeeper starts a keeper and waits until it is ready. err is what it has refused; it
// has ended then.
func startKeeper(report string, flags ...string) (*fake, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &fake{control: os.NewFile(uintptr(pair[0]), "control"), report: report}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	f.keeper = exec.Command("/proc/self/exe", flags...)
	f.keeper.Env = append(os.Environ(), "HK_TEST_AS=keeper")
	f.keeper.ExtraFiles = []*os.File{theirs}
	f.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	f.keeper.Stderr = &f.stderr
	if report != "" {
		file, err := os.Create(report)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		f.keeper.ExtraFiles = append(f.keeper.ExtraFiles, file)
		f.keeper.Args = append(f.keeper.Args, "--report=fd:4")
	}
	if err := f.keeper.Start(); err != nil {
		return nil, err
	}
	word, text, fds, err := f.reply()
	f.fds = fds
	if err == nil && word != "ready" {
		err = fmt.Errorf("%s: %s", word, text)
	}
	if err != nil {
		f.keeper.Wait()
		return f, err
	}
	f.version, f.text, _ = strings.Cut(text, " ")
	for _, fd := range fds {
		p, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		f.paths = append(f.paths, strings.TrimSuffix(p, "/cgroup.procs"))
	}
	return f, nil
}

// run starts a shell script in the group. It does not wait for it.
func (f *fake) run(script string) (*exec.Cmd, error) {
	cmd := exec.Command("sh", "-c", "read go; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if f.version == "v2" {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: f.fds[0]}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if f.version == "v1" {
		for _, fd := range f.fds {
			if _, err := unix.Write(fd, []byte(strconv.Itoa(cmd.Process.Pid))); err != nil {
				cmd.Process.Kill()
				cmd.Wait()
				return nil, err
			}
		}
	}
	f.send("started")
	fmt.Fprintln(in, "go")
	return cmd, nil
}

// end tells the keeper that the payload has ended, and waits for the end of the keeper.
// It returns the figures and the report.
func (f *fake) end(t *testing.T, reason string, cmd *exec.Cmd) (figures, report string) {
	t.Helper()
	status := int(cmd.ProcessState.Sys().(syscall.WaitStatus))
	f.send(fmt.Sprintf("end %s %d 1000 2000 3000 4000", reason, status))
	word, figures, _, err := f.reply()
	if err != nil || word != "empty" {
		t.Errorf("end: %s %s, %v; want empty", word, figures, err)
	}
	f.wait(t)
	return figures, f.read(t)
}

func (f *fake) wait(t *testing.T) {
	t.Helper()
	if err := f.keeper.Wait(); err != nil || f.stderr.Len() > 0 {
		t.Errorf("the keeper ends with %v, %q; want status 0 and no message", err, f.stderr.String())
	}
	f.removed(t)
}

// removed checks that nothing of the group is left.
func (f *fake) removed(t *testing.T) {
	t.Helper()
	for _, p := range f.paths {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s is left", p)
		}
	}
}

func (f *fake) read(t *testing.T) string {
	t.Helper()
	if f.report == "" {
		return ""
	}
	b, err := os.ReadFile(f.report)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// file reads a file of the group, in the hierarchy that has it.
func (f *fake) file(name string) string {
	for _, p := range f.paths {
		if b, err := os.ReadFile(filepath.Join(p, name)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return "absent"
}

// start is startKeeper for a test: where no cgroup can be made, it skips.
func start(t *testing.T, flags ...string) *fake {
	t.Helper()
	f, err := startKeeper(filepath.Join(t.TempDir(), "report"), flags...)
	if err != nil {
		skip(t, "a cgroup in which this user may make another: %v", err)
	}
	t.Cleanup(func() {
		f.control.Close()
		f.keeper.Process.Wait()
	})
	return f
}

// superviseForever starts a keeper and a payload, and waits to be killed.
func superviseForever() {
	f, err := startKeeper(os.Getenv("HK_TEST_REPORT"), os.Args[1:]...)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	cmd, err := f.run("sleep 1000 & (setsid sleep 1000 &) ; echo; sleep 1000")
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", f.keeper.Process.Pid, cmd.Process.Pid, strings.Join(f.paths, " "))
	for {
		time.Sleep(time.Hour)
	}
}

// A victim is a supervisor in a process of its own.
type victim struct {
	cmd             *exec.Cmd
	keeper, payload int
	paths           []string
	report          string
}

func startVictim(t *testing.T, flags ...string) *victim {
	t.Helper()
	v := &victim{cmd: exec.Command("/proc/self/exe", flags...), report: filepath.Join(t.TempDir(), "report")}
	v.cmd.Env = append(os.Environ(), "HK_TEST_AS=supervisor", "HK_TEST_REPORT="+v.report)
	v.cmd.Stderr = os.Stderr
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.cmd.Process.Kill(); v.cmd.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[0] != "ready" {
		skip(t, "a cgroup in which this user may make another: %s", line)
	}
	v.keeper, _ = strconv.Atoi(fields[1])
	v.payload, _ = strconv.Atoi(fields[2])
	v.paths = fields[3:]
	return v
}

// soon waits until something is so.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second * slow()); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not soon: %s", what)
		}
	}
}

func (v *victim) processes() (pids []string) {
	for _, p := range v.paths {
		b, _ := os.ReadFile(filepath.Join(p, "cgroup.procs"))
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}

func (v *victim) gone() bool {
	for _, p := range v.paths {
		if _, err := os.Stat(p); err == nil {
			return false
		}
	}
	return true
}

func descriptors(oob []byte) (fds []int) {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		rights, _ := unix.ParseUnixRights(&m)
		fds = append(fds, rights...)
	}
	return fds
}
