package plan

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// At is the place at which an outside step is done.
type At struct {
	// PID is the process in which the plan goes on, seen from the supervisor's
	// PID namespace. Before a clone it is the calling process.
	//
	// Below an init or a joiner it may have ended, and another may have its number: a step
	// uses [At.Open], and asks [At.Alive] where it can not.
	PID int

	plan   *Plan
	layout *layout
	// stage is that of the step, and fds what it takes from a child.
	stage string
	fds   map[*Result]int
	// sock is our end of the socket to the child, or -1 before a clone.
	sock int
	warn func(stage, text string)
	// ends is where AtEnd leaves its function; nil before a clone.
	ends    *[]func()
	process *Process // nil without a clone
}

// Set gives a value to the ops that use r.
func (a *At) Set(r *Result, v uint64) {
	a.layout.set(r, v)
}

// Result is what the op that gives r has returned; below 0 it is -errno, of an
// errno that the op excepts. The op must come before the step.
func (a *At) Result(r *Result) int64 {
	for k, i := range a.layout.index {
		if a.plan.items[i].op.gives == r {
			return int64(a.layout.record(k).result)
		}
	}
	panic("plan: no op gives " + r.String())
}

// FD is the descriptor that r, one of the step's Takes, is in this process. It
// is open until the step is done.
func (a *At) FD(r *Result) int {
	if fd, ok := a.fds[r]; ok {
		return fd
	}
	return int(a.Result(r))
}

// LeftOut tells that something was asked for only if possible, and is not
// there.
func (a *At) LeftOut(what string) {
	if a.plan.LeftOut != nil {
		a.plan.LeftOut(a.stage, what)
	}
}

// do does a step here.
func (a *At) do(step *Outside) error {
	a.stage = step.Stage
	if err := step.Do(a); err != nil {
		return &StepError{Stage: step.Stage, For: step.For, Err: err}
	}
	return nil
}

// Fill puts bytes into memory made by [Reserve], if an op uses that. It panics
// when they do not fit: the step checks that first.
func (a *At) Fill(m *Mem, b []byte) { a.layout.fill(m, b) }

// Warn tells the user of something that is no failure.
func (a *At) Warn(stage, text string) {
	if a.warn != nil {
		a.warn(stage, text)
	}
}

// Alive is nil as long as the process is there, and so PID is its number.
func (a *At) Alive() error {
	if a.sock < 0 {
		return nil
	}
	// Only the process still has the other end. It waits, and so sends nothing.
	_, _, err := unix.Recvfrom(a.sock, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN {
		return nil
	}
	return fmt.Errorf("process %d: %w", a.PID, unix.ESRCH)
}

// Open opens a file of the process's directory in procfs, as "uid_map". It
// fails if the process is gone, and with EXDEV if something is mounted over the
// file.
func (a *At) Open(name string, flags int) (int, error) {
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
		return -1, &os.PathError{Op: "openat2", Path: fmt.Sprintf("/proc/%d/%s", a.PID, name), Err: err}
	}
	return fd, nil
}

// Write writes a file of the process's directory in procfs with one call, as
// uid_map needs it. It fails as [At.Open] does.
func (a *At) Write(name, text string) error {
	fd, err := a.Open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// These files take a text whole or not at all.
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		return &os.PathError{Op: fmt.Sprintf("write of %q to", text), Path: fmt.Sprintf("/proc/%d/%s", a.PID, name), Err: err}
	}
	return nil
}

// AtEnd has f called when the payload has ended, or when the plan fails. It
// panics before a clone, where nobody is left to call it.
func (a *At) AtEnd(f func()) { *a.ends = append(*a.ends, f) }

// dir opens the process's directory in procfs. The descriptor is bound to the
// process, not to its number.
func (a *At) dir() (int, error) {
	proc, err := openDir(unix.AT_FDCWD, "/proc", "/proc")
	if err != nil {
		return -1, err
	}
	defer unix.Close(proc)
	var st unix.Statfs_t
	if err := unix.Fstatfs(proc, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return -1, fmt.Errorf("/proc is no procfs")
	}
	pid := strconv.Itoa(a.PID)
	dir, err := openDir(proc, pid, "/proc/"+pid)
	if err != nil {
		return -1, err
	}
	// If it is there now, it was when the directory was opened.
	if err := a.Alive(); err != nil {
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
