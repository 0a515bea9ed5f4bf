package bisect

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"hk/internal/cli"
	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// guard has a child do what its arguments say, and waits for it. It is a subreaper between
// hk-bisect and what a run leaves: if hk-bisect is killed, it kills all of that, which would
// go on otherwise, without a PID namespace that ends with its init.
func guard(f *cli.Front) int {
	fd, gone, err := guarded()
	if err != nil {
		return f.Fail(exitFailed, fd, err)
	}
	asked := make(chan os.Signal, 1)
	signal.Ignore(unix.SIGTERM) // package entry has taken the runtime's handler away
	signal.Notify(asked, unix.SIGTERM)
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{os.Args[3], os.Args[1]}, os.Args[4:]...), Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}}
	if err := cmd.Start(); err != nil {
		return f.Fail(exitFailed, fd, err)
	}
	unix.CloseOnExec(fd)
	end := make(chan unix.WaitStatus, 1)
	go func() { end <- reap(cmd.Process.Pid) }()
	for {
		select {
		case <-asked:
			unix.Kill(cmd.Process.Pid, unix.SIGTERM) // a supervisor passes it on
		case <-gone:
			killLeft(nil)
			return exitFailed
		case status := <-end:
			line, err := json.Marshal(event{Event: ended, Status: uint32(status)})
			if err == nil {
				_, err = unix.Write(fd, append(line, '\n'))
			}
			if err != nil {
				return f.Fail(exitFailed, -1, err)
			}
			return 0
		}
	}
}

// guarded makes this process a subreaper, and returns the descriptor for events, and what is
// closed once hk-bisect has ended.
func guarded() (fd int, gone <-chan struct{}, err error) {
	if len(os.Args) < 5 {
		return -1, nil, errors.New("is started by hk-bisect")
	}
	if fd, err = getopt.ParseFD(os.Args[1]); err != nil {
		return -1, nil, err
	}
	parent, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return fd, nil, err
	}
	if err := above(); err != nil {
		return fd, nil, err
	}
	pidfd, err := unix.PidfdOpen(parent, 0)
	if err != nil {
		return fd, nil, fmt.Errorf("pidfd_open: %w", err)
	}
	if os.Getppid() != parent {
		return fd, nil, errors.New("hk-bisect has ended")
	}
	closed := make(chan struct{})
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
			if n > 0 || err != nil && err != unix.EINTR {
				close(closed)
				return
			}
		}
	}()
	return fd, closed, nil
}

// above makes this process a subreaper, and one that a payload of the same user cannot trace.
func above() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_CHILD_SUBREAPER): %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_DUMPABLE): %w", err)
	}
	return nil
}

// reap waits for a child, and for what has become one meanwhile.
func reap(child int) unix.WaitStatus {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if pid == child || err != nil && err != unix.EINTR {
			return status
		}
	}
}
