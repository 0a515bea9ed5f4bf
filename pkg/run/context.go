package run

import (
	"fmt"
	"os"
	"strconv"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A stepContext is a [plan.Context].
type stepContext struct {
	pid    int
	layout *layout
	// stage is the stage of the step, and fds are the descriptors that it takes from a
	// child.
	stage string
	fds   map[*plan.Result]int
	// given are the values that steps have set.
	given map[*plan.Result]uint64
	// sock is the supervisor's end of the socket to the child, or -1 before a clone.
	sock int
	// process is the child, or the process that will become it; nil in a plan without a
	// clone.
	process *Process
}

// do performs a step in this process.
func (a *stepContext) do(step *plan.Step) error {
	a.stage = step.Stage
	if err := step.Do(a); err != nil {
		return &plan.StepError{Stage: step.Stage, For: step.For, Err: err}
	}
	return nil
}

func (a *stepContext) PID() int { return a.pid }

func (a *stepContext) Set(r *plan.Result, v uint64) {
	a.layout.set(r, v)
	if a.given == nil {
		a.given = map[*plan.Result]uint64{}
	}
	a.given[r] = v
}

func (a *stepContext) Replace(r *plan.Result, fd int) (err error) {
	if a.sock < 0 { // in this process
		return unix.Dup3(fd, a.FD(r), unix.O_CLOEXEC)
	}
	a.process.reply, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	return err
}

func (a *stepContext) Fill(b *plan.Buffer, bytes []byte) { a.layout.fill(b, bytes) }

func (a *stepContext) Result(r *plan.Result) int64 {
	if v, ok := a.given[r]; ok {
		return int64(v)
	}
	for k := range a.layout.index {
		if a.layout.op(k).Result == r {
			return int64(a.layout.record(k).result)
		}
	}
	panic("run: no op gives " + r.String())
}

func (a *stepContext) FD(r *plan.Result) int {
	if fd, ok := a.fds[r]; ok {
		return fd
	}
	return int(a.Result(r))
}

func (a *stepContext) Skip(what string) {
	if tell := a.layout.attr.Skipped; tell != nil {
		tell(a.stage, what)
	}
}

func (a *stepContext) Note(text string) {
	if tell := a.layout.attr.Note; tell != nil {
		tell(a.stage, text)
	}
}

func (a *stepContext) Warn(stage, text string) {
	if tell := a.layout.attr.Warn; tell != nil {
		tell(stage, text)
	}
}

func (a *stepContext) Ready(list []plan.Namespace) error {
	if tell := a.layout.attr.Ready; tell != nil {
		return tell(a.pid, list)
	}
	return nil
}

func (a *stepContext) AtEnd(f func()) {
	if a.process == nil {
		panic("run: AtEnd in a plan without a clone")
	}
	a.process.ends = append(a.process.ends, f)
}

func (a *stepContext) Helper(pid int) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if p, ok := parseStat(b); err == nil && ok && a.process != nil {
		a.process.helpers = append(a.process.helpers, p)
	}
}

func (a *stepContext) Watch(w *plan.Watcher) {
	if a.process == nil {
		panic("run: Watch in a plan without a clone")
	}
	if w.Stopped != nil && a.process.tracer() != nil {
		panic("run: a process has one tracer")
	}
	a.process.Watchers = append(a.process.Watchers, w)
}

func (a *stepContext) CheckAlive() error {
	if a.sock < 0 {
		return nil
	}
	// Only the process still has the other end open. It waits, and so sends nothing.
	_, _, err := unix.Recvfrom(a.sock, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN {
		return nil
	}
	return fmt.Errorf("process %d: %w", a.pid, unix.ESRCH)
}

func (a *stepContext) Open(name string, flags int) (int, error) {
	dir, err := a.dir()
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, &os.PathError{Op: "openat2", Path: fmt.Sprintf("/proc/%d/%s", a.pid, name), Err: err}
	}
	return fd, nil
}

func (a *stepContext) Write(name, text string) error {
	fd, err := a.Open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// A write to these files succeeds completely or not at all.
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return &os.PathError{Op: fmt.Sprintf("write of %q to", text), Path: fmt.Sprintf("/proc/%d/%s", a.pid, name), Err: err}
	}
	return nil
}

// dir opens the process's directory in procfs. The descriptor is bound to the process,
// not to its PID.
func (a *stepContext) dir() (int, error) {
	proc, err := openDir(unix.AT_FDCWD, "/proc", "/proc")
	if err != nil {
		return -1, err
	}
	defer unix.Close(proc)
	var st unix.Statfs_t
	if err := unix.Fstatfs(proc, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return -1, fmt.Errorf("/proc is not procfs")
	}
	pid := strconv.Itoa(a.pid)
	dir, err := openDir(proc, pid, "/proc/"+pid)
	if err != nil {
		return -1, err
	}
	// If the process exists now, it existed when the directory was opened.
	if err := a.CheckAlive(); err != nil {
		unix.Close(dir)
		return -1, err
	}
	return dir, nil
}

func openDir(at int, name, path string) (int, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}
