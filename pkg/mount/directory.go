package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// enterDir changes to the working directory in the new root.
func (m *Mounts) enterDir(b *builder) error {
	switch {
	case m.Dir != "":
		if !path.IsAbs(m.Dir) {
			return fmt.Errorf("--chdir %s: not an absolute path", m.Dir)
		}
		b.For("--chdir " + m.Dir)
		dir := b.Open("dir", plan.Openat2(plan.AtCwd(), m.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0,
			unix.RESOLVE_NO_MAGICLINKS).Hint(unix.ELOOP, "a symbolic link of procfs could lead outside the root"))
		b.Add(plan.Fchdir(dir), plan.Close(dir))
	default:
		// A directory that is now covered by a mount must not remain reachable as the
		// working directory.
		if m.InPlace {
			b.Add(plan.Chdir("/"))
		}
		if m.ElseDir != "" { // the caller's, if that exists, comes after it
			b.For("--else-chdir " + m.ElseDir)
			b.tryDir(m.ElseDir)
			b.For("")
		}
		if b.Host.Dir != "" && b.Host.Dir != "/" {
			if !m.InPlace && m.ElseDir == "" {
				b.noteDirectory()
			}
			b.tryDir(b.Host.Dir)
		}
	}
	return nil
}

// tryDir changes to a directory if it exists and the caller may enter it.
func (b *builder) tryDir(name string) {
	dir := b.Open("dir", plan.Openat2(plan.AtCwd(), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_NO_MAGICLINKS).Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ELOOP))
	b.Add(plan.Fchdir(dir).Tolerate(unix.EBADF, unix.EACCES), plan.Close(dir).Tolerate(unix.EBADF))
}

// noteDirectory adds a note if the payload starts in / because the caller's working
// directory is not in the new root.
func (b *builder) noteDirectory() {
	at, err := b.locate(b.Host.Dir, false)
	switch {
	case err != nil:
	case at.known:
		if at.node == nil {
			err = unix.ENOENT
		} else if at.node.kind == file {
			err = unix.ENOTDIR
		}
	case at.inside.source == "" || path.Join(at.inside.source, at.rest) == b.Host.Dir && at.inside != b.tree:
	default:
		if isDir, e := b.isDir(at); e != nil {
			err = e
		} else if !isDir {
			err = unix.ENOTDIR
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		b.Tell(fmt.Sprintf("the working directory %s is not in the new root, so the payload starts in /", b.Host.Dir))
	}
}
