package limit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// keeperName is the program that creates, keeps and removes the control group:
// hk-cgroup-keeper(8). It links what the stages should not: a start is page faults.
const keeperName = "hk-cgroup-keeper"

// keeperTime is how long the keeper may take to create the group, or to end what is in
// it.
const keeperTime = 30 * time.Second

var errEnded = errors.New("it has ended")

// A keeper is the process that keeps the control group, as the supervisor sees it. They
// send each other one line for each message; the keeper sees the end of the supervisor,
// also by SIGKILL, as the end of the socket.
type keeper struct {
	path string
	args []string
	sock int
	cmd  *exec.Cmd
	// begun is set once the payload has been executed.
	begun bool
	// v2 is set if the kernel has only the unified hierarchy.
	v2    bool
	group *plan.Result
}

// planCgroup adds the step that has the group created, and has the clone create the
// process in it.
func (g *guard) planCgroup(s *stage.State) error {
	path, err := findKeeper(s)
	if err != nil {
		return err
	}
	k := &keeper{path: path, args: g.Cgroup.Args(), v2: s.Host.CgroupV2(), sock: -1}
	g.keeper = k
	text := "have " + keeperName + " create a control group: " + strings.Join(g.Cgroup.Args(), " ")
	step := plan.Step{Stage: s.Name, Text: text, Do: func(at plan.Context) error { return k.create(at, g) }}
	if k.v2 {
		if s.Plan.Into != nil {
			return errors.New("an earlier hk-limit of this chain has a control group: give all its limits to one")
		}
		k.group = s.Plan.NewResult("cgroup")
		step.Text += "; on Linux before 7.3, try whether a process that is created in it is killed (CLONE_INTO_CGROUP), and as long as it is, write 1 to its cgroup.kill"
		step.Gives = []*plan.Result{k.group}
		s.Plan.Into = k.group
	} else {
		if s.Child.Moves {
			return errors.New("an earlier hk-limit of this chain has a control group: give all its limits to one")
		}
		s.Child.Moves = true
	}
	s.Plan.AddStep(step)
	return nil
}

// findKeeper returns the path of the keeper.
func findKeeper(s *stage.State) (string, error) {
	path, err := s.Host.Beside(keeperName, "libexec/hk", 0o111)
	switch {
	case errors.Is(err, fs.ErrNotExist): // of /proc/self/exe
		return "", cause.Because(cause.NoProcfs, fmt.Errorf("a control group needs %s, which is found by /proc: %w", keeperName, err))
	case err != nil:
		return "", cause.Because(cause.CgroupKeeper, fmt.Errorf("a control group needs %w: install it", err))
	}
	return path, nil
}

// create starts the keeper and waits until the group exists.
func (k *keeper) create(at plan.Context, g *guard) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	k.sock = pair[0]
	theirs := os.NewFile(uintptr(pair[1]), "control")
	args := k.args
	cmd := exec.Command(k.path)
	cmd.ExtraFiles = []*os.File{theirs}
	if g.report != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, g.report)
		args = append(args[:len(args):len(args)], "--report=fd:4")
	}
	cmd.Args = append(cmd.Args, args...)
	cmd.Stderr, cmd.Dir = os.Stderr, "/"
	// Its own session: signals of the terminal are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	theirs.Close() // so that its end is seen
	if err != nil {
		return err
	}
	at.Helper(cmd.Process.Pid)
	k.cmd = cmd
	return k.ready(at)
}

// ready waits for the keeper's first message.
func (k *keeper) ready(at plan.Context) error {
	if err := at.Await(k.sock, time.Now().Add(keeperTime)); err != nil {
		return fmt.Errorf("%s: %w", keeperName, err)
	}
	// Elsewhere the descriptors are received after the clone, so that the child does not
	// inherit them.
	read := peek
	if k.v2 {
		read = receive
	}
	text, fds, err := read(k.sock)
	if err != nil {
		return fmt.Errorf("%s: %w", keeperName, err)
	}
	what, rest, _ := strings.Cut(text, " ")
	version, place, _ := strings.Cut(rest, " ")
	switch {
	case what == "error":
		return cause.Because(cause.Name(version), errors.New(place))
	case what != "ready" || k.v2 && (version != "v2" || len(fds) != 1):
		return fmt.Errorf("%s: unexpected message %q with %d descriptors", keeperName, text, len(fds))
	}
	at.Note("control group " + place)
	if !k.v2 {
		return nil
	}
	at.Set(k.group, uint64(fds[0]))
	if mayKillAtBirth() {
		return survive(fds[0])
	}
	return nil
}

// planChild closes the directory of the group in the child, through which a hostile root
// could lead it elsewhere, or adds the step that moves the child, where it was not created
// in the group. The process is a child of the supervisor, so its number is its own.
func (k *keeper) planChild(s *stage.State) {
	if k.v2 {
		s.Add(plan.Close(k.group))
		return
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "move the child into the control group: write its PID to cgroup.procs in each hierarchy",
		Do: func(at plan.Context) error { return k.move(at.PID()) }})
}

// move writes the number of a process to the files that the keeper has sent, or, if only
// the unified hierarchy is used although there are others, to that of the directory.
func (k *keeper) move(pid int) error {
	text, fds, err := receive(k.sock)
	if err != nil {
		return fmt.Errorf("%s: %w", keeperName, err)
	}
	if strings.HasPrefix(text, "ready v2 ") {
		for i, dir := range fds {
			fds[i], err = unix.Openat(dir, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return &os.PathError{Op: "open", Path: pathOf(dir) + "/cgroup.procs", Err: err}
			}
			unix.Close(dir)
		}
	}
	for _, fd := range fds {
		if _, err := unix.Write(fd, []byte(strconv.Itoa(pid))); err != nil {
			return &os.PathError{Op: fmt.Sprintf("write of \"%d\" to", pid), Path: pathOf(fd), Err: err}
		}
		unix.Close(fd)
	}
	return nil
}

func pathOf(fd int) string {
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "cgroup.procs"
	}
	return path
}

// begin tells the keeper that the payload is about to be executed: from now on a report
// says if the supervisor is killed. A start that fails has none. Some time after the
// payload should have been ended, which is most or 0, the keeper ends it.
func (k *keeper) begin(at plan.Context, most time.Duration) {
	at.AtEnd(func() {
		if !k.begun {
			k.tell("failed")
		}
	})
	k.tell(fmt.Sprintf("started %d", most.Microseconds()))
}

// executed tells the keeper that the time of the payload has begun.
func (k *keeper) executed(most time.Duration) {
	if k.begun = true; most > 0 {
		k.tell(fmt.Sprintf("executed %d", most.Microseconds()))
	}
}

// late reports whether the keeper has ended the payload, because this process was stopped.
func (k *keeper) late() bool {
	var b [8]byte
	n, _, err := unix.Recvfrom(k.sock, b[:], unix.MSG_DONTWAIT|unix.MSG_PEEK)
	return err == nil && isLate(string(b[:n]))
}

func isLate(text string) bool { return strings.HasPrefix(text, "late ") }

func (k *keeper) kill() { k.tell("kill") }

// ended has the keeper kill what is left, which could stop this process.
func (k *keeper) ended() { k.tell("ended") }

// tell sends a message. If the keeper has ended, end says so.
func (k *keeper) tell(text string) error {
	return unix.Sendto(k.sock, []byte(text), unix.MSG_NOSIGNAL, nil)
}

// end has what is left in the group killed, the report written, and the group removed.
func (k *keeper) end(r *Report, end *plan.End, p plan.Payload) error {
	text := fmt.Sprintf("end %s %d %d %d %d %d", r.Reason, end.Status, r.Wall.Microseconds(), r.User.Microseconds(), r.System.Microseconds(), end.Rusage.Maxrss)
	if r.Payload != nil {
		metrics := "proc"
		for _, m := range r.Payload {
			metrics += fmt.Sprintf(" %s=%d", m.Name, m.Value)
		}
		k.tell(metrics)
	}
	k.tell(text) // it may have ended, if it had to do this itself
	answer, err := k.hear(p, time.Now().Add(keeperTime))
	if err == errEnded {
		return fmt.Errorf("%s has ended: the control group is left", keeperName)
	}
	if what, rest, _ := strings.Cut(answer, " "); err == nil && what != "empty" {
		err = errors.New(rest)
	}
	if err == nil {
		// It writes the report, removes the group, and ends.
		if _, err = k.hear(p, time.Now().Add(keeperTime)); err == errEnded {
			k.cmd.Wait() // a subreaper may have reaped it
			return nil
		}
	}
	return fmt.Errorf("%s: %w", keeperName, err)
}

// hear returns the keeper's next message. It waits no longer than until a time, or until
// a signal asks for the end.
func (k *keeper) hear(p plan.Payload, deadline time.Time) (string, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(k.sock), Events: unix.POLLIN}}, 20)
		if n > 0 && err == nil {
			text, _, err := receive(k.sock)
			if err == unix.ECONNRESET || isLate(text) { // it has ended, after its last message
				continue
			}
			return text, err
		}
		if !time.Now().Before(deadline) || p.Asked() {
			return "", errors.New("the control group has not been removed yet: it goes on to do so")
		}
	}
}

// peek reads the text of a message, which remains to be received.
func peek(sock int) (string, []int, error) {
	var b [4096]byte
	n, _, err := unix.Recvfrom(sock, b[:], unix.MSG_PEEK)
	if err == nil && n == 0 {
		err = errEnded
	}
	return string(b[:max(n, 0)]), nil, err
}

// receive reads one message.
func receive(sock int) (text string, fds []int, err error) {
	var b [4096]byte
	var control [256]byte
	n, oobn, _, _, err := unix.Recvmsg(sock, b[:], control[:], unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return "", nil, err
	}
	if n == 0 {
		return "", nil, errEnded
	}
	msgs, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		return "", nil, err
	}
	for i := range msgs {
		if got, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return string(b[:n]), fds, nil
}
