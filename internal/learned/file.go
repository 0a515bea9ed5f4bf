// Package learned writes the files of --learn: what a run has needed is added to what the
// file has, out of the reach of the payload.
//
// The directory of the file is opened before the payload starts, so that changes that the
// payload makes to the path have no effect, and the file is read. It is replaced when the run
// has ended, by a new one with the same mode. If it is not as it was at the start, that is an
// error, because the payload may have written it: runs that learn at the same time need a file
// each.
package learned

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	sys "syscall"
	"time"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// A File is the file to be written.
type File struct {
	// Flag is the flag that is about it, in messages, Path its name, and Max more than the
	// size that it can have.
	Flag, Path string
	Max        int64
	// Mode is that of a new file.
	Mode fs.FileMode
	// TooLarge is the error for a larger one.
	TooLarge error

	// dir is the directory of the file, and base its name there.
	dir  *os.Root
	base string
	// before is what the file had at the start, and info describes it, or is nil.
	before []byte
	info   fs.FileInfo
	// tmp is the temporary name of the file. A PID would not do: another run may have
	// the same one in another PID namespace.
	tmp string
}

// Error adds to an error which file it is about.
func (f *File) Error(err error) error { return fmt.Errorf("%s %s: %w", f.Flag, f.Path, err) }

// CheckName returns an error for a name that cannot be that of a file.
func CheckName(path string) error {
	switch path {
	case "", "--":
		return errors.New("a file is needed")
	case "-":
		return errors.New("standard output is the payload's: give a file")
	}
	return nil
}

// Open opens the directory of the file, or of the file that it is a symbolic link to.
func (f *File) Open() error {
	path, err := host.Straight(f.Path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err = unix.Access(dir, unix.W_OK|unix.X_OK); err == nil {
		f.dir, err = host.OpenRoot(dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, bare(err))
	}
	f.base = filepath.Base(path)
	f.tmp = fmt.Sprintf(".%s.%08x", f.base, rand.Uint32())
	return nil
}

// Close closes the directory.
func (f *File) Close() { f.dir.Close() }

// Dir is the directory of the file without symbolic links, or "".
func (f *File) Dir() string {
	d, err := f.dir.Open(".")
	if err != nil {
		return ""
	}
	defer d.Close()
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
	return name
}

// Probe returns an error if the file cannot be created.
func (f *File) Probe() error {
	tmp, err := f.create(0o600)
	if err != nil {
		return err
	}
	tmp.Close()
	f.dir.Remove(f.tmp)
	return nil
}

// Start reads the file, before the payload starts. The data is nil if it does not exist or is
// empty. Precondition: [File.Open].
func (f *File) Start() (data []byte, err error) {
	f.before, f.info, err = f.read()
	return f.before, err
}

// errChanged is also the error for another run that has written the file.
var errChanged = errors.New("it has changed since the start, perhaps by the payload: nothing is written")

// unchanged reports whether a file is that of the start, as it was.
func (f *File) unchanged(data []byte, info fs.FileInfo) bool {
	if info == nil || f.info == nil {
		return info == nil && f.info == nil
	}
	now, ok := info.Sys().(*sys.Stat_t)
	was, ok2 := f.info.Sys().(*sys.Stat_t)
	return ok && ok2 && os.SameFile(info, f.info) && now.Mode == was.Mode && now.Uid == was.Uid && now.Gid == was.Gid && bytes.Equal(data, f.before)
}

// read reads the file; info is nil if it does not exist, and data if it is empty.
func (f *File) read() (data []byte, info fs.FileInfo, err error) {
	fi, err := f.dir.Lstat(f.base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, bare(err)
	case fi.Mode()&fs.ModeSymlink != 0:
		return nil, nil, errors.New("it is a dangling symbolic link, or was created since the start")
	case !fi.Mode().IsRegular():
		return nil, nil, errNotRegular
	case fi.Size() == 0: // as created by mktemp(1)
		return nil, fi, nil
	}
	// The file may have been replaced, for example by a FIFO without a writer.
	in, err := f.dir.OpenFile(f.base, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, bare(err)
	}
	defer in.Close()
	if fi, err = in.Stat(); err != nil {
		return nil, nil, bare(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	data, err = io.ReadAll(io.LimitReader(in, f.Max+1))
	if err != nil {
		return nil, nil, bare(err)
	}
	if int64(len(data)) > f.Max {
		return nil, nil, f.TooLarge
	}
	return data, fi, nil
}

// patience is how long to wait for another run that is writing. Writing takes no time,
// but anybody may hold the lock.
const patience = 10 * time.Second

// lock prevents other runs from writing until unlock.
func (f *File) lock() (unlock func(), err error) {
	d, err := f.dir.Open(".")
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

// Update replaces the file by what change makes of its content, if it is as it was at
// [File.Start]. The data is nil if the file does not exist or is empty. notes are warnings.
func (f *File) Update(change func(data []byte) ([]byte, error)) (notes []string, err error) {
	// Another run may have written the file in the meantime, or be about to.
	if unlock, err := f.lock(); err == nil {
		defer unlock()
	} else {
		notes = append(notes, fmt.Sprintf("%s %s: %v: what another run learns at the same time may be lost", f.Flag, f.Path, bare(err)))
	}
	data, old, err := f.read()
	if err == nil && !f.unchanged(data, old) {
		err = errChanged
	}
	if err == nil {
		data, err = change(data)
	}
	if err != nil {
		return notes, f.Error(err)
	}
	if err := f.replace(data, old); err != nil {
		return notes, f.Error(bare(err))
	}
	return notes, nil
}

func (f *File) replace(data []byte, old fs.FileInfo) error {
	tmp, err := f.create(f.Mode)
	if err != nil {
		return err
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
		err = f.dir.Rename(f.tmp, f.base)
	}
	if err != nil {
		f.dir.Remove(f.tmp)
	}
	return err
}

// keep gives a new file the mode of an existing one and, if the caller may set it, the
// owner.
func keep(f *os.File, old fs.FileInfo) error {
	if st, ok := old.Sys().(*sys.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
	return f.Chmod(old.Mode().Perm())
}

// create creates a file beside the one to be written.
func (f *File) create(mode fs.FileMode) (*os.File, error) {
	tmp, err := f.dir.OpenFile(f.tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.tmp, bare(err))
	}
	return tmp, nil
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
