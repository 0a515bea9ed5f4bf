package hakoniwa

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"hk/internal/profile"
	"hk/internal/vis"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// rendererName is the program that renders templates: hk-run-template(8). It links what
// hk-run should not: a start is page faults.
const rendererName = "hk-run-template"

// renderTime is how long it may take.
const renderTime = 10 * time.Second

// render has the templates of a file rendered.
func render(h *host.Host, file string) ([]*profile.Source, []profile.Action, error) {
	path, err := h.Beside(rendererName, "libexec/hk", 0o111)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: templates need %w", vis.Text(file), err)
	}
	// The lines of a source take more space than its text.
	stdout, stderr := pipe{most: 256 * profile.MaxSize}, pipe{most: 4096}
	status, err := start(path, file, &stdout, &stderr)
	if err == nil && status.Exited() && status.ExitStatus() == 1 && len(stderr.text) > 0 {
		return nil, nil, errors.New(strings.TrimSuffix(string(stderr.text), "\n"))
	}
	if err == nil && status != 0 {
		first, _, _ := strings.Cut(string(stderr.text), "\n")
		err = fmt.Errorf("wait status %#x: %s", int(status), vis.Text(first))
	}
	var sources []*profile.Source
	var actions []profile.Action
	if err == nil {
		sources, actions, err = profile.ParseRendered(stdout.text)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s: %w", vis.Text(file), rendererName, err)
	}
	return sources, actions, nil
}

// A pipe is what is written to a descriptor of another program, up to a size.
type pipe struct {
	read, write int
	text        []byte
	most        int
}

func (p *pipe) open() error {
	var fds [2]int
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	p.read, p.write = fds[0], fds[1]
	if err == nil {
		// The other program is not to be told that it would block.
		err = unix.SetNonblock(p.write, false)
	}
	return err
}

// drain reads what there is. It is false at the end.
func (p *pipe) drain() bool {
	var b [64 << 10]byte
	for {
		n, err := unix.Read(p.read, b[:])
		if n <= 0 || err != nil {
			return err == unix.EAGAIN || err == unix.EINTR
		}
		p.text = append(p.text, b[:min(n, p.most-len(p.text))]...)
	}
}

// start runs a program with one argument. Package os/exec would start threads for it, which
// cost more than the rest.
func start(path, arg string, stdout, stderr *pipe) (syscall.WaitStatus, error) {
	for _, p := range []*pipe{stdout, stderr} {
		if err := p.open(); err != nil {
			return 0, err
		}
		defer unix.Close(p.read)
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("/dev/null: %w", err)
	}
	pid, err := syscall.ForkExec(path, []string{rendererName, arg}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{uintptr(null), uintptr(stdout.write), uintptr(stderr.write)},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	for _, fd := range []int{null, stdout.write, stderr.write} {
		unix.Close(fd)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	late := collect(stdout, stderr)
	if late {
		unix.Kill(pid, unix.SIGKILL)
	}
	var status syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	if late {
		err = fmt.Errorf("the templates take longer than %v", renderTime)
	}
	return status, err
}

// collect reads both pipes to their ends. It is true if that takes too long.
func collect(stdout, stderr *pipe) (late bool) {
	deadline := time.Now().Add(renderTime)
	open := []*pipe{stdout, stderr}
	for len(open) > 0 {
		var fds []unix.PollFd
		for _, p := range open {
			fds = append(fds, unix.PollFd{Fd: int32(p.read), Events: unix.POLLIN})
		}
		left := time.Until(deadline)
		if left <= 0 {
			return true
		}
		unix.Poll(fds, int(left/time.Millisecond)+1)
		for i := len(open) - 1; i >= 0; i-- {
			if fds[i].Revents != 0 && !open[i].drain() {
				open = append(open[:i], open[i+1:]...)
			}
		}
	}
	return false
}
