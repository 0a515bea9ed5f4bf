package seccomp

// Learning runs a payload without a filter and records what calls it and its
// descendants make. Three ways to see them were weighed:
//
//   - SECCOMP_RET_USER_NOTIF, with a supervisor that lets every call go on. A
//     call that waits for the supervisor is interrupted by a signal with a
//     handler, also with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV until it is
//     received. Then calls fail with EINTR that never do: a getppid(2) in a
//     thousand of a process whose children end, or the close(2) of a shell that
//     builds a pipeline, which then waits for ever. And there is one listener
//     for a tree of processes.
//   - SECCOMP_RET_TRACE. What outlives the tracer can make no call any more.
//   - PTRACE_SYSCALL after PTRACE_SEIZE, which is used. It leaves job control
//     and other filters alone, sees the call before any filter does, and ends
//     without a trace. Its price: what uses ptrace(2) itself fails under it,
//     set-user-ID programs get no privileges from the kernel, which no_new_privs
//     takes anyway, and a signal that is ignored interrupts a call all the same.
//     Of those that are not restarted, as epoll_wait(2), that is to be seen;
//     what waits in them mostly copes with it, which cannot be said of close(2).
//
// The child is attached to right after the clone, before its ids change and it
// ceases to be dumpable, when that takes no privilege and the supervisor is an
// ancestor, as Yama wants it. A child that a joiner makes is none to attach to
// from its start: the joiner is, and it hands that on by making it.
// It runs on until PTRACE_EVENT_EXEC: the set-up is none of the payload's.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	sys "syscall"
	"time"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

func (f *Filter) learnFlag(fs *getopt.Flags) {
	fs.String("learn", "", func(v string) error {
		switch v {
		case "":
			return errors.New("a file is needed")
		case "-":
			return errors.New("standard output is the payload's: name a file")
		}
		f.Learn = v
		return nil
	})
}

// follow adds the step that attaches to the child.
func (f *Filter) follow(s *stage.State) error {
	l, err := f.learner()
	if err != nil {
		return err
	}
	if s.Next.Stage {
		l.also = []string{"execveat"} // the next stage may be executed by descriptor
	}
	to := "the child"
	if l.joiner = s.Plan.InJoiner(); l.joiner {
		to = "the joiner, and so to the child that it makes"
	}
	s.WhileDumpable(s.Host.Permitted>>unix.CAP_SYS_PTRACE&1 == 0, func() { s.Plan.AddStep(l.step(s.Name, to)) })
	return nil
}

// step is the step that attaches.
func (l *learner) step(name, to string) plan.Step {
	return plan.Step{
		Stage: name,
		Text:  fmt.Sprintf("attach to %s (PTRACE_SEIZE); from its execve(2) on record every call of it and its descendants (PTRACE_SYSCALL); in the end write %s", to, l.path),
		Do:    l.attach,
	}
}

var errLearnAlone = errors.New("--learn loads no filter: no profile, no rules and no --dump besides")

// planLearn adds what a filter would come with.
func (f *Filter) planLearn(s *stage.State) {
	if !f.AllowNewPrivs {
		s.SetNoNewPrivs()
	}
}

// A learner is a recording to be written to a file.
type learner struct {
	path string
	// dir is the directory of the file, and base its name there, from before
	// the payload starts: what it does to names on the way leads nowhere else.
	dir  *os.Root
	base string
	// tmp is the name under which it is written. A process number would not do:
	// another run can have it in another PID namespace.
	tmp string
	tracer
	also []string
	// joiner is set if the plan attaches to the joiner.
	joiner bool
}

// learner checks the settings, and what can be known of the file in advance.
func (f *Filter) learner() (*learner, error) {
	if f.Profile != "" || len(f.Rules) > 0 || f.Default != nil || len(f.Arches) > 0 || f.BPF != "" {
		return nil, errLearnAlone
	}
	native := Native(runtime.GOARCH)
	if native == nil {
		return nil, errors.New("--learn: there is no system call table for this architecture")
	}
	l := &learner{path: f.Learn}
	l.recording = &Recording{}
	if err := l.open(); err != nil {
		return nil, l.error(err)
	}
	defer l.dir.Close()
	if _, err := l.existing(&Recording{}); err != nil {
		return nil, l.error(err)
	}
	return l, nil
}

func (l *learner) error(err error) error { return fmt.Errorf("--learn %s: %w", l.path, err) }

// open opens the directory of the file, or of what it is a symbolic link to.
func (l *learner) open() error {
	path := l.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir := filepath.Dir(path)
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	if err == nil {
		l.dir, err = os.OpenRoot(dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, bare(err))
	}
	l.base = filepath.Base(path)
	l.tmp = fmt.Sprintf(".%s.%08x", l.base, rand.Uint32())
	return nil
}

// existing merges the file that is there, if there is one, into a recording.
func (l *learner) existing(into *Recording) (fs.FileInfo, error) {
	fi, err := l.dir.Lstat(l.base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, bare(err)
	case fi.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("it is a symbolic link that leads nowhere, or has come since the start")
	case !fi.Mode().IsRegular():
		return nil, errNotRegular
	case fi.Size() == 0: // as mktemp(1) leaves it
		return fi, nil
	}
	// It may be another one by now, and a FIFO nobody writes to.
	f, err := l.dir.OpenFile(l.base, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	if fi, err = f.Stat(); err != nil {
		return nil, bare(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(data) > maxProfile {
		return nil, errNotLearned
	}
	return fi, into.Merge(data)
}

// maxProfile is more bytes than a profile has that allows all that there is to
// tell apart.
const maxProfile = 1 << 20

// patience is how long another run that writes is waited for. That takes it no
// time; but anyone may hold the lock.
const patience = 10 * time.Second

// lock keeps other runs from writing between here and unlock.
func (l *learner) lock() (unlock func(), err error) {
	d, err := l.dir.Open(".")
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { d.Close() }, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR || time.Now().After(end) {
			d.Close()
			return nil, fmt.Errorf("flock of its directory: %w", err)
		}
	}
}

// keep gives a new file the owner, if the caller may, and the mode of another.
func keep(f *os.File, old fs.FileInfo) error {
	if st, ok := old.Sys().(*sys.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
	return f.Chmod(old.Mode().Perm())
}

var errNotRegular = errors.New("it is no regular file")

func bare(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}

// attach is the outside step. That the file can be made is found out before
// anything else is done.
func (l *learner) attach(at plan.Context) error {
	if err := l.open(); err != nil {
		return l.error(err)
	}
	tmp, err := l.create(0o600)
	if err != nil {
		return l.error(err)
	}
	tmp.Close()
	l.dir.Remove(l.tmp)
	if err := l.seize(at.PID()); err != nil {
		text := fmt.Errorf("--learn: ptrace(PTRACE_SEIZE, %d): %w", at.PID(), err)
		if err == unix.EPERM {
			text = fmt.Errorf("%w (is this traced already, or is kernel.yama.ptrace_scope above 1?)", text)
		}
		return text
	}
	if err := at.CheckAlive(); err != nil {
		return fmt.Errorf("--learn: %w", err) // another process has its number
	}
	if l.joiner {
		l.between = at.PID()
	}
	at.Watch(&plan.Watcher{Stage: Kind.Name, Stopped: l.stopped, Ended: l.write})
	return nil
}

// create makes a file beside the one that is to be written.
func (l *learner) create(mode fs.FileMode) (*os.File, error) {
	f, err := l.dir.OpenFile(l.tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.tmp, bare(err))
	}
	return f, nil
}

// write is plan.Watcher.Ended. The file is there as a whole or not at all.
func (l *learner) write(plan.End) (notes []string, err error) {
	for _, n := range l.recording.Notes() {
		notes = append(notes, "--learn: "+n)
	}
	native := Native(runtime.GOARCH)
	for _, name := range l.also {
		l.recording.add(native, name, 0)
	}
	// Another run may have written it meanwhile, or be about to.
	if unlock, err := l.lock(); err == nil {
		defer unlock()
	} else {
		notes = append(notes, fmt.Sprintf("--learn %s: %v: what another run learns at the same time may be lost", l.path, bare(err)))
	}
	old, err := l.existing(l.recording)
	if err != nil {
		return notes, l.error(err)
	}
	data, err := l.recording.Profile(native)
	if err != nil {
		return notes, l.error(err)
	}
	tmp, err := l.create(0o644)
	if err != nil {
		return notes, l.error(err)
	}
	if old != nil {
		err = keep(tmp, old)
	}
	if err == nil {
		_, err = tmp.Write(data)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = l.dir.Rename(l.tmp, l.base)
	}
	if err != nil {
		l.dir.Remove(l.tmp)
		return notes, l.error(bare(err))
	}
	return notes, nil
}
