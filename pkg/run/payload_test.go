package run

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// siTkill is SI_TKILL: sent by tgkill(2).
const siTkill = -6

// count is a payload that counts a signal, and writes how many it had on SIGSYS,
// which the kernel delivers last.
const count = `n=0; trap 'n=$((n + 1))' %d; trap end=1 SYS; : >ready; while test -z "$end"; do sleep 0.02; done; echo $n`

// adopted is a supervisor above a payload: see [TestMain].
func adopted(s *Supervisor, between, session bool, argv ...string) error {
	p := plan.New()
	if between {
		p.CloneInit("test", 0, nil)
	} else {
		p.Clone("test", 0, false)
	}
	p.CheckSupervisor()
	p.AskSupervisor("test")
	if session {
		p.Add("test", plan.Setsid())
	}
	p.Add("test", plan.Sigmask(0), plan.Execve(argv[0], plan.NewImage(argv, []string{"PATH=/usr/bin:/bin"}, plan.Changes{})))
	child, err := Start(p, Attr{})
	if err != nil {
		return err
	}
	if err := child.Setup(); err != nil {
		return err
	}
	return s.Adopt(child)
}

// passing has a signal handled while a payload runs.
func passing(s *Supervisor, info siginfo, session bool) error {
	if err := adopted(s, false, session, "/bin/sh", "-c", fmt.Sprintf(count, info.signo)); err != nil {
		return err
	}
	for exists := false; !exists; {
		_, err := os.Stat("ready")
		exists = err == nil
	}
	s.handle(info)
	s.send(unix.SIGSYS)
	end, err := s.Wait()
	if err == nil && end.Status != 0 {
		err = fmt.Errorf("status %#x", end.Status)
	}
	return err
}

// handledSignals are signals, and how many of them a payload gets from the supervisor.
var handledSignals = []struct {
	name    string
	signal  unix.Signal
	code    int32
	self    bool // who sends it is the supervisor
	session bool // the payload has a session of its own
	want    string
}{
	{"of the terminal, which the payload has got too", unix.SIGINT, siKernel, false, false, "0"},
	{"of the terminal, to a payload in a session of its own", unix.SIGINT, siKernel, false, true, "1"},
	{"of another process", unix.SIGINT, siUser, false, false, "1"},
	{"of another process, to a session", unix.SIGINT, siUser, false, true, "1"},
	{"of the Go runtime", unix.SIGURG, siTkill, true, false, "0"},
	{"the same of another process", unix.SIGURG, siUser, false, false, "1"},
	{"of a timer of the caller's", unix.SIGALRM, siKernel, false, false, "1"},
	{"of its own time that is up", unix.SIGXCPU, siKernel, false, false, "0"},
	{"the same of another process", unix.SIGXCPU, siUser, false, false, "1"},
}

// TestHandle counts the signals that reach the payload.
func TestHandle(t *testing.T) {
	for i, c := range handledSignals {
		cmd, stdout, stderr := listener(fmt.Sprint("handle ", i))
		cmd.Dir = t.TempDir()
		if err := cmd.Run(); err != nil || strings.TrimSpace(stdout.String()) != c.want {
			t.Errorf("%v %s: the payload got %q, %v, %s; want %s", c.signal, c.name, stdout, err, stderr, c.want)
		}
	}
}

// TestAdoptEnded has the payload of an init end before a pidfd of it is opened, and
// another process have its number: that is sent nothing.
func TestAdoptEnded(t *testing.T) {
	cmd, stdout, stderr := listener("ended")
	if err := cmd.Run(); err != nil || stdout.String() != "init\n" {
		t.Errorf("adopted %q, %v, %s; want init", stdout, err, stderr)
	}
}

func adoptEnded() error {
	s := &Supervisor{}
	if err := adopted(s, true, false, "/bin/true"); err != nil {
		return err
	}
	p := s.Process
	for ended := false; !ended; {
		_, ended = p.PayloadStatus()
	}
	unix.Close(p.payload)
	p.payload, p.Payload = -1, os.Getpid()
	p.openPayload()
	if err := s.Adopt(p); err != nil {
		return err
	}
	if s.payload == p.PidFD {
		fmt.Println("init")
	} else {
		fmt.Println("another process")
	}
	return nil
}

// TestSpared has a start go on that the caller wants to be spared some signals, and
// be given up for another.
func TestSpared(t *testing.T) {
	cmd, stdout, stderr := listener("spared")
	if err := cmd.Run(); err != nil || stdout.String() != "<nil>\nSIGINT before the payload was executed\n" {
		t.Errorf("%q, %v, %s; want nothing of SIGTERM and SIGHUP, and SIGINT", stdout, err, stderr)
	}
}

func spared() {
	s, err := NewSupervisor(bit(unix.SIGTERM)|bit(unix.SIGHUP), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT} {
		unix.Kill(os.Getpid(), sig)
		// Another thread may take it, and be slow to say so.
		for !slices.ContainsFunc(s.list, func(info siginfo) bool { return info.signal() == sig }) {
			if err := s.poll(-1); err != nil {
				fmt.Println(err)
			}
		}
		if sig != unix.SIGTERM {
			fmt.Println(s.asked())
		}
	}
}

// TestExitCore has the supervisor end as a payload that has left a core: it leaves
// none, wherever the machine's go. The control is a process that leaves one.
func TestExitCore(t *testing.T) {
	dumps := func(cmd *exec.Cmd) bool {
		t.Helper()
		cmd.Dir = t.TempDir()
		cmd.Run()
		w := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !w.Signaled() || w.Signal() != unix.SIGQUIT {
			t.Fatalf("%v: %v; want the end by SIGQUIT", cmd.Args, cmd.ProcessState)
		}
		return w.CoreDump()
	}
	if !dumps(exec.Command("/bin/sh", "-c", "ulimit -S -c $(ulimit -H -c); kill -QUIT $$")) {
		t.Skip("no process leaves a core here: see core(5)")
	}
	cmd, _, _ := listener("exit")
	cmd.Args = []string{"sh", "-c", `ulimit -S -c $(ulimit -H -c); exec "$0"`, cmd.Path}
	cmd.Path = "/bin/sh"
	if dumps(cmd) {
		t.Error("the supervisor has left a core")
	}
}

// TestOwnDescriptors has none of the supervisor's descriptors be open in a program
// that this process executes.
func TestOwnDescriptors(t *testing.T) {
	cmd, stdout, stderr := listener("descriptors")
	if err := cmd.Run(); err != nil || stdout.String() != "closes\n" {
		t.Errorf("%q, %v, %s; want that there are some, and all close", stdout, err, stderr)
	}
}

func ownDescriptors() {
	before, found := descriptors(), false
	if _, err := NewSupervisor(0, 0); err != nil {
		fmt.Println(err)
	}
	for _, fd := range descriptors() {
		if slices.Contains(before, fd) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			fmt.Println(fd, "stays open")
			return
		}
		found = true
	}
	if found {
		fmt.Println("closes")
	}
}

// TestCloseInherited closes what a caller has left open, but for what is kept and
// what is this program's own.
func TestCloseInherited(t *testing.T) {
	cmd, stdout, stderr := listener("inherited")
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd.ExtraFiles = []*os.File{null, null, null} // 3, 4 and 5
	if err := cmd.Run(); err != nil || stdout.String() != "false true false true " {
		t.Errorf("3, 4, 5 and one of its own are open: %s, %v, %s; want 4, which is kept, and the last one", stdout, err, stderr)
	}
}

func inherited() {
	own, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fmt.Println(err)
	}
	CloseInherited([]int{4})
	for _, fd := range []int{3, 4, 5, own} {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		fmt.Print(err == nil, " ")
	}
}

// TestParsePID reads what the kernel tells of a pidfd.
func TestParsePID(t *testing.T) {
	for text, want := range map[string]string{
		"pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1\nPid:\t4711\nNSpid:\t4711\n": "4711 <nil>",
		"pos:\t0\nPid:\t0\nNSpid:\t0\n":                                               "0 no such process",
		"pos:\t0\nPid:\t-1\n":                                                         "-1 no such process",
		"pos:\t0\nPid:\tx\n":                                                          `0 strconv.Atoi: parsing "x": invalid syntax`,
		"pos:\t0\nNSpid:\t3\n":                                                        "0 no data available",
		"":                                                                            "0 no data available",
	} {
		pid, err := parsePID([]byte(text))
		if got := fmt.Sprint(pid, " ", err); got != want {
			t.Errorf("%q: %s; want %s", text, got, want)
		}
	}
}
