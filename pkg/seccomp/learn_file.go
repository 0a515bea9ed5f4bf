package seccomp

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

	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A learner is a recording that will be written to a file.
type learner struct {
	path string
	// dir is the directory of the file, and base its name there. They are determined
	// before the payload starts, so that changes it makes to the path have no effect.
	dir  *os.Root
	base string
	// tmp is the temporary name of the file. A PID would not do: another run may have
	// the same one in another PID namespace.
	tmp       string
	recording *filter.Recording
	tracer    ptrace.Tracer
	also      []string
	// joiner is set if the plan attaches to the joiner.
	joiner bool
}

func (l *learner) error(err error) error { return fmt.Errorf("--learn %s: %w", l.path, err) }

// open opens the directory of the file, or of the file that it is a symbolic link to.
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

// existing merges an existing file into a recording.
func (l *learner) existing(into *filter.Recording) (fs.FileInfo, error) {
	fi, err := l.dir.Lstat(l.base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, bare(err)
	case fi.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("it is a dangling symbolic link, or was created since the start")
	case !fi.Mode().IsRegular():
		return nil, errNotRegular
	case fi.Size() == 0: // as created by mktemp(1)
		return fi, nil
	}
	// The file may have been replaced, for example by a FIFO without a writer.
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
	return fi, mergeError(into.Merge(data))
}

var errNotLearned = errors.New("it exists and is not a profile written by --learn: remove it, or give another file")

// mergeError adds to an error of [filter.Recording.Merge] what to do about it.
func mergeError(err error) error {
	var unknown filter.UnknownCallError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("it exists, and %w: fix it, or remove it", err)
	case err != nil:
		return errNotLearned
	}
	return nil
}

// maxProfile is more than the size of a profile that allows everything that can be
// distinguished.
const maxProfile = 1 << 20

// patience is how long to wait for another run that is writing. Writing takes no time,
// but anybody may hold the lock.
const patience = 10 * time.Second

// lock prevents other runs from writing until unlock.
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

// keep gives a new file the mode of an existing one and, if the caller may set it, the
// owner.
func keep(f *os.File, old fs.FileInfo) error {
	if st, ok := old.Sys().(*sys.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
	return f.Chmod(old.Mode().Perm())
}

var errNotRegular = errors.New("it is not a regular file")

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

// create creates a file beside the one to be written.
func (l *learner) create(mode fs.FileMode) (*os.File, error) {
	f, err := l.dir.OpenFile(l.tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.tmp, bare(err))
	}
	return f, nil
}

// write writes the file atomically.
func (l *learner) write() (notes []string, err error) {
	for _, n := range l.recording.Notes() {
		notes = append(notes, "--learn: "+n)
	}
	native := filter.Native(runtime.GOARCH)
	for _, name := range l.also {
		l.recording.Add(native, name, 0)
	}
	// Another run may have written the file in the meantime, or be about to.
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
