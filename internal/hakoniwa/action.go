package hakoniwa

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"hk/internal/cli"
	"hk/internal/profile"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// stat is that of the host when the chain runs: with what the templates ask for.
func (c *compiler) stat(p string) (fs.FileMode, error) {
	mode, err := c.Host.Stat(p)
	if !errors.Is(err, fs.ErrNotExist) {
		return mode, err
	}
	for _, a := range c.Actions {
		switch clean := path.Clean(p); {
		case a.Func == "fs_touch" && a.Path == clean:
			return 0o644, nil
		case a.Func == "fs_mkdir" && (a.Path == clean || strings.HasPrefix(a.Path, clean+"/")):
			return fs.ModeDir | 0o755, nil
		}
	}
	return mode, err
}

// shell is the actions as commands of sh(1).
func shell(actions []profile.Action) string {
	var b strings.Builder
	for _, a := range actions {
		if a.Func == "fs_mkdir" {
			b.WriteString("mkdir -p " + cli.Quote(a.Path) + "\n")
		} else {
			b.WriteString(": >>" + cli.Quote(a.Path) + "\n")
		}
	}
	return b.String()
}

// pending are the actions that have something to do.
func pending(actions []profile.Action, h *host.Host) []profile.Action {
	var list []profile.Action
	for _, a := range actions {
		mode, err := h.Stat(a.Path)
		if err != nil || a.Func == "fs_mkdir" && !mode.IsDir() {
			list = append(list, a)
		}
	}
	return list
}

// A maker creates directories and files on the host. What it has created it can remove,
// as long as nothing is in it.
type maker struct {
	host *host.Host
	made []created
	// open are its descriptors.
	open []int
}

type created struct {
	dir   int
	name  string
	isDir bool
}

// do performs the actions.
func (m *maker) do(actions []profile.Action) error {
	for _, a := range actions {
		if err := m.create(a.Path, a.Func == "fs_mkdir"); err != nil {
			return fmt.Errorf("%s: %s(%q): %w", a.At, a.Func, a.Path, err)
		}
	}
	return nil
}

// create creates what is missing of a path, which is clean. Links that another user could
// have made are not followed.
func (m *maker) create(p string, isDir bool) error {
	there, missing := p, []string(nil)
	found, err := m.host.Look(there)
	for errors.Is(err, fs.ErrNotExist) {
		missing = append([]string{path.Base(there)}, missing...)
		there = path.Dir(there)
		found, err = m.host.Look(there)
	}
	switch {
	case err != nil:
		return err
	case len(missing) == 0 && (found.IsDir || !isDir):
		return nil
	case len(missing) == 0 || !found.IsDir:
		return unix.ENOTDIR
	case !isDir && len(missing) > 1:
		return unix.ENOENT
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC}
	if found.Loose {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	dir, err := unix.Openat2(unix.AT_FDCWD, found.Path, &how)
	if err != nil {
		return err
	}
	m.open = append(m.open, dir)
	for i, name := range missing {
		last := i == len(missing)-1
		if dir, err = m.one(dir, name, isDir || !last); err != nil {
			return err
		}
	}
	return nil
}

// one creates a name in a directory and returns a descriptor of it.
func (m *maker) one(dir int, name string, isDir bool) (int, error) {
	flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	var err error
	if isDir {
		err = unix.Mkdirat(dir, name, 0o777)
	} else {
		flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	}
	switch {
	case err == nil:
		m.made = append(m.made, created{dir, name, isDir})
	case err != unix.EEXIST: // it can have been created meanwhile
		return -1, err
	}
	fd, err := unix.Openat(dir, name, flags, 0o666)
	if err == nil {
		m.open = append(m.open, fd)
	}
	if err != nil && !isDir {
		m.made = m.made[:len(m.made)-1]
		if err == unix.EEXIST {
			return dir, nil
		}
	}
	return fd, err
}

// close closes the descriptors: no other process is to have them.
func (m *maker) close() {
	for _, fd := range m.open {
		unix.Close(fd)
	}
}

// undo removes what was created, the last first.
func (m *maker) undo() {
	for i := len(m.made) - 1; i >= 0; i-- {
		c := m.made[i]
		flags := 0
		if c.isDir {
			flags = unix.AT_REMOVEDIR
		} else {
			var st unix.Stat_t
			if unix.Fstatat(c.dir, c.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Size > 0 {
				continue
			}
		}
		unix.Unlinkat(c.dir, c.name, flags)
	}
}
