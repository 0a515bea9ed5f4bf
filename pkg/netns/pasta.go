package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// patience is how long pasta may take until it is ready.
const patience = 20 * time.Second

// newPasta checks what pasta needs of the chain.
//
// The supervisor runs pasta as the caller's own user, who owns the user namespace: no
// other user may enter it. As root, pasta would change to the user nobody and fail to
// enter it. And without a new user namespace pasta would keep CAP_SYS_ADMIN in the
// initial one while it reads what the payload sends.
func (n *Network) newPasta(s *stage.State) (*pasta, error) {
	switch {
	case !s.Plan.Cloned() && s.Host.Handover.Net:
		return nil, errors.New("--pasta: only a process outside the network namespace can run pasta, and a chain that is not fused has none")
	case s.NS.New&unix.CLONE_NEWNET == 0:
		return nil, errors.New("--pasta: this chain has not created the network namespace: hk-unshare --net must come first, with no program in between")
	case s.NS.Joined&unix.CLONE_NEWUSER != 0:
		return nil, errors.New("--pasta: not in an existing user namespace: a chain with hk-unshare --join user cannot run pasta")
	case s.NS.New&unix.CLONE_NEWUSER == 0:
		return nil, errors.New("--pasta needs a new user namespace, otherwise pasta would have capabilities in the initial one: add hk-unshare --user")
	case s.Unmapped():
		return nil, cause.Because(cause.Unmapped, errors.New("--pasta: the new user namespace has no ID map: hk-idmap must come between hk-unshare and hk-net"))
	}
	path := s.Host.Helper("pasta")
	if path == "" {
		return nil, cause.Because(cause.PastaMissing, fmt.Errorf("--pasta: there is no pasta in %s: install the package passt", strings.Join(host.HelperDirs, ", ")))
	}
	p := pasta{path: path, args: options(n.PastaArgs)}
	if s.Host.UID == 0 {
		p.args = append(p.args, "--runas", fmt.Sprintf("%d:%d", s.Host.UID, s.Host.GID))
	}
	p.args = append(p.args, "--quiet", "--foreground", "--no-netns-quit",
		"--netns", "/proc/self/fd/0", "--userns", "/proc/self/fd/1", "--pid", "/proc/self/fd/2")
	return &p, nil
}

// addStep adds the step that runs pasta in the namespaces.
func (p *pasta) addStep(s *stage.State, in namespaces) {
	p.namespaces = in
	s.Plan.AddStep(plan.Step{
		Stage: s.Name,
		Text: fmt.Sprintf("run %s %s, where 0 is %v and 1 is %v, until the payload has ended",
			p.path, strings.Join(p.args, " "), in.net, in.user),
		Takes: in.results(),
		Do:    p.start,
	})
}

type pasta struct {
	path string
	args []string
	namespaces
}

// start runs pasta until it reports that it is ready, and leaves it running until the
// payload has ended. If the supervisor dies, the kernel kills pasta: pasta does not
// change its credentials in a way that clears the parent-death signal.
//
// The namespaces are passed as its standard input and output, which it does not use
// and, unlike other descriptors, does not close. It writes its PID to standard error
// when it is ready, or, before that, what is wrong.
func (p *pasta) start(at plan.Context) error {
	net, user, err := p.files(at)
	if err != nil {
		return err
	}
	defer net.Close()
	defer user.Close()
	if isOwn(net) {
		return errors.New("the supervisor is in the same network namespace: --net must be given to the hk-unshare that has --user")
	}
	from, to, err := pipe()
	if err != nil {
		return err
	}
	// Nobody reads what pasta writes later: it ignores SIGPIPE.
	defer unix.Close(from)
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = net, user, to
	cmd.Env, cmd.Dir = host.HelperEnv, "/"
	// pasta gets its own session, so that signals of the terminal for the payload do
	// not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	err = at.OnThread(cmd.Start) // the thread whose end is that of the supervisor
	if err == nil {
		at.Helper(cmd.Process.Pid)
	}
	to.Close()
	if err != nil {
		return err
	}
	given := time.Now().Add(patience)
	words, err := ready(func(b []byte) (int, error) { return at.Read(from, b, given) }, cmd.Process.Pid)
	if err == nil {
		at.AtEnd(func() { end(cmd) })
		return nil
	}
	if status := end(cmd); errors.Is(err, io.EOF) && status != nil {
		err = status
	} else if errors.Is(err, io.EOF) {
		err = errors.New("it ended before it was ready")
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("it was not ready after %v", patience)
	}
	if words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	err = fmt.Errorf("%s: %w", p.path, err)
	if strings.Contains(words, "tun") && unix.Access(tun, unix.R_OK|unix.W_OK) != nil {
		err = cause.Because(cause.PastaTun, fmt.Errorf("%w: it needs %s, which is missing or may not be opened", err, tun))
	}
	if strings.Contains(words, "No external routable interface") || strings.Contains(words, "External interface not usable") {
		err = cause.Because(cause.PastaRoute, fmt.Errorf("%w: this network namespace has no route to the outside", err))
	}
	return err
}

// tun is what pasta makes its interface with.
const tun = "/dev/net/tun"

// pipe is a pipe to read from by [plan.Context.Read].
func pipe() (from int, to *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, nil, fmt.Errorf("pipe2: %w", err)
	}
	return fds[0], os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// ready reads what pasta writes until that is its PID, or until the end. It returns
// anything else that was written, as one line, without the usage text.
func ready(read func([]byte) (int, error), pid int) (string, error) {
	var said strings.Builder
	var b [1024]byte
	for {
		n, err := read(b[:])
		if err == nil && n == 0 {
			err = io.EOF
		}
		said.Write(b[:n])
		var words []string
		usage := false
		for line := range strings.Lines(said.String()) {
			line, whole := strings.CutSuffix(line, "\n")
			if whole && line == strconv.Itoa(pid) {
				return "", nil
			}
			usage = usage || strings.HasPrefix(line, "Usage:")
			// It is not an error that there is no syslog.
			if line != "" && !usage && !strings.HasSuffix(line, "to syslog") {
				words = append(words, line)
			}
		}
		if err == nil && said.Len() > 64<<10 {
			err = errors.New("it printed too much")
		}
		if err != nil {
			return strings.Join(words, "; "), err
		}
	}
}

// end kills pasta, if it has not ended, and returns how it ended.
func end(cmd *exec.Cmd) error {
	cmd.Process.Kill()
	return cmd.Wait()
}
