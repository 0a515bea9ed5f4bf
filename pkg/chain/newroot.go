package chain

import (
	"errors"
	"io/fs"
	"path"

	"hk/pkg/cause"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// rootAfter sets how files are looked up in what the plan has mounted, as far as the plan
// tells.
func (t *translator) rootAfter(d *host.Host, u *unknowns) {
	r := &madeRoot{t: t, host: t.Host, unknowns: u}
	d.Look, d.Stat, d.Procfs = r.look, r.stat, r.procfs
	d.Lstat = func(p string) (fs.FileMode, error) { return 0, r.unknown(p) }
	d.StatIn = func(root, p string) (fs.FileMode, error) { return 0, r.unknown(path.Join(root, p)) }
	d.Owner = func(p string) (uid, gid uint32, err error) { return 0, 0, r.unknown(p) }
	d.Inode = func(p string) (dev, ino uint64, err error) { return 0, 0, r.unknown(p) }
	d.Readlink = func(p string) (string, uint32, error) { return "", 0, r.unknown(p) }
	d.ReadDir = func(p string) ([]fs.DirEntry, error) { return nil, r.unknown(p) }
	d.Root = func() (int, error) {
		return -1, u.say("files are looked up in the new root where the stage runs")
	}
	d.Helper = func(name string) string {
		u.say("%s is looked up in the new root where the stage runs", name)
		return t.Host.Helper(name)
	}
}

// A madeRoot answers for what is in a root directory that a plan makes.
type madeRoot struct {
	t    *translator
	host *host.Host
	*unknowns
}

func (r *madeRoot) unknown(p string) error {
	return r.say("what %s leads to in the new root is looked up where the stage runs", p)
}

// at is the file of the host that a path leads to, or "" if the plan makes what is there.
func (r *madeRoot) at(p string) (source string, dir bool, err error) {
	if !path.IsAbs(p) || r.t.Root.See == nil {
		return "", false, r.unknown(p)
	}
	seen, err := r.t.Root.See(p)
	switch {
	case err != nil:
		return "", false, err
	case seen.Unsure != "":
		return "", false, r.unknown(p)
	case !seen.There:
		return "", false, unix.ENOENT
	}
	return seen.Source, seen.Dir, nil
}

func (r *madeRoot) look(p string) (host.Found, error) {
	source, dir, err := r.at(p)
	switch {
	case errors.Is(err, errUnknown), err == nil && source == "":
		return host.Found{Path: p, Straight: p, IsDir: dir}, nil
	case err != nil:
		return host.Found{Path: p}, err
	}
	found, err := r.host.Look(source)
	if found.Loose {
		r.say("whether others can change what %s leads to in the new root is looked up where the stage runs", p)
	}
	return host.Found{Path: p, Straight: p, IsDir: found.IsDir, Reach: found.Reach}, err
}

func (r *madeRoot) stat(p string) (fs.FileMode, error) {
	source, dir, err := r.at(p)
	switch {
	case err != nil:
		return 0, err
	case source != "":
		return r.host.Stat(source)
	case dir:
		return fs.ModeDir | 0o755, nil
	}
	return 0o644, nil
}

func (r *madeRoot) procfs() error {
	if r.t.Root.Procfs {
		return nil
	}
	source, _, err := r.at("/proc")
	switch {
	case err == nil && source == "/proc":
		return r.host.Procfs()
	case err == nil || errors.Is(err, errUnknown):
		err = errors.New("/proc is not a procfs")
	}
	return cause.Because(cause.NoProcfs, err)
}
