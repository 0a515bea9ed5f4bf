package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

const (
	// forwarderName is the program that forwards connections: hk-net-forward(8).
	forwarderName = "hk-net-forward"
	// forwarderTime is how long it may take until it is ready, and forwarderEnd until it
	// has passed on what the payload has sent before its end, for which it takes a second.
	forwarderTime = 20 * time.Second
	forwarderEnd  = 3 * time.Second
)

// A forwarder is the process that forwards connections, as the supervisor sees it. It has
// one end of a socket, sends one message when it is ready, and ends after the other end was
// closed, also by the end of the supervisor.
type forwarder struct {
	path  string
	kind  string
	list  []Forward
	found []host.Found

	listeners []*plan.Result
	in        namespaces
}

// newForwarder finds the program and what the paths lead to.
func newForwarder(s *stage.State, kind string, list []Forward) (*forwarder, error) {
	path, err := s.Host.Beside(forwarderName, "libexec/hk", 0o111)
	if err != nil {
		return nil, fmt.Errorf("--%s needs %w: install it", kind, err)
	}
	f := &forwarder{path: path, kind: kind, list: list}
	for _, to := range list {
		found, err := f.look(s.Host, to.Path)
		if err != nil {
			return nil, fmt.Errorf("--%s %v: %w", kind, to, err)
		}
		f.found = append(f.found, found)
	}
	return f, nil
}

// look returns what the path of a socket leads to, or the path of the directory of one
// that is to be created.
func (f *forwarder) look(h *host.Host, path string) (host.Found, error) {
	if !filepath.IsAbs(path) {
		if h.Dir == "" {
			return host.Found{}, errors.New("the working directory has no name: give an absolute path")
		}
		path = h.Dir + "/" + path
	}
	if f.kind == "expose" {
		path = filepath.Dir(path)
	}
	found, err := h.Look(path)
	switch {
	case err != nil:
		return found, err
	case f.kind == "expose" && !found.IsDir:
		return found, unix.ENOTDIR
	case f.kind == "forward" && found.IsDir:
		return found, errNoSocket
	}
	return found, nil
}

var errNoSocket = errors.New("it is not a UNIX socket")

// addStep adds the step that starts the process.
func (f *forwarder) addStep(s *stage.State, takes []*plan.Result) {
	var words []string
	for _, to := range f.list {
		words = append(words, fmt.Sprintf("--%s %v", f.kind, to))
	}
	text := fmt.Sprintf("run %s for %s, with %s, until the payload has ended", f.path, strings.Join(words, " "), refs(takes))
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: text, Takes: takes, Do: f.start})
}

func refs(list []*plan.Result) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}

// start starts the process, which gets the control socket, the user and the network
// namespace that it enters, and then for each forward the listening socket, if that is in
// the namespace, and the directory of the host's socket.
func (f *forwarder) start(at plan.Context) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("--%s: socketpair: %w", f.kind, err)
	}
	control := pair[0]
	files := []*os.File{os.NewFile(uintptr(pair[1]), "control"), nil, nil}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	cmd, err := f.command(at, &files)
	if err == nil {
		cmd.ExtraFiles = files
		err = at.OnThread(cmd.Start) // the thread whose end is that of the supervisor
	}
	if err != nil {
		unix.Close(control)
		return err
	}
	at.Helper(cmd.Process.Pid)
	files[0].Close() // so that its end is seen
	if err := f.ready(at, control); err != nil {
		unix.Close(control)
		end(cmd)
		return err
	}
	at.AtEnd(func() {
		unix.Close(control)
		late := time.AfterFunc(forwarderEnd, func() { cmd.Process.Kill() })
		cmd.Wait() // a subreaper may have reaped it
		late.Stop()
	})
	return nil
}

// command is the command, to which the files are to be given.
func (f *forwarder) command(at plan.Context, files *[]*os.File) (*exec.Cmd, error) {
	list := *files
	defer func() { *files = list }()
	if f.in.net != nil {
		net, user, err := f.in.files(at)
		if err != nil {
			return nil, err
		}
		if isOwn(net) { // there is nothing to enter
			net.Close()
			user.Close()
		} else {
			list[1], list[2] = user, net
		}
	}
	args := []string{f.kind}
	for i, to := range f.list {
		if f.listeners != nil {
			l, err := duplicate(at.FD(f.listeners[i]), "listener")
			if err != nil {
				return nil, err
			}
			list = append(list, l)
		}
		dir, base, err := f.open(i)
		if err != nil {
			return nil, fmt.Errorf("--%s %v: %w", f.kind, to, err)
		}
		list = append(list, dir)
		args = append(args, to.Address.String(), base, fmt.Sprintf("--%s %v", f.kind, to))
	}
	cmd := exec.Command(f.path, args...)
	cmd.Stderr, cmd.Env, cmd.Dir = os.Stderr, host.HelperEnv, "/"
	// Its own session: signals of the terminal are not for it. The end of the supervisor, which
	// it sees, continues it if something has stopped it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGCONT}
	return cmd, nil
}

// open opens the directory of a socket, and returns it with the socket's name in it. The
// process looks up that name for each connection, so that a server can be started again,
// but nothing else of the path: nobody who can change it leads the process elsewhere.
func (f *forwarder) open(i int) (dir *os.File, base string, err error) {
	found := f.found[i]
	path := found.Path
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
	if found.Loose {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
	if err != nil {
		return nil, "", os.NewSyscallError("openat2", err)
	}
	opened := os.NewFile(uintptr(fd), path)
	if f.kind == "expose" {
		return opened, filepath.Base(f.list[i].Path), nil
	}
	defer opened.Close()
	var st, again unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, "", os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, "", errNoSocket
	}
	// The path without symbolic links.
	if path, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err != nil {
		return nil, "", err
	}
	d, err := unix.Openat2(unix.AT_FDCWD, filepath.Dir(path), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return nil, "", os.NewSyscallError("openat2", err)
	}
	dir, base = os.NewFile(uintptr(d), path), filepath.Base(path)
	err = unix.Fstatat(d, base, &again, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Dev != again.Dev || st.Ino != again.Ino {
		dir.Close()
		return nil, "", errors.New("it has been replaced since it was checked")
	}
	return dir, base, nil
}

// ready waits until the process is ready, or says why it cannot be.
func (f *forwarder) ready(at plan.Context, control int) error {
	var b [4096]byte
	n, err := at.Read(control, b[:], time.Now().Add(forwarderTime))
	text := string(b[:max(n, 0)])
	switch what, why, _ := strings.Cut(text, " "); {
	case err != nil:
		return fmt.Errorf("--%s: %s: %w", f.kind, forwarderName, err)
	case text == "ready":
		return nil
	case what == "error":
		return errors.New(why)
	}
	return fmt.Errorf("--%s: %s ended before it was ready", f.kind, forwarderName)
}
