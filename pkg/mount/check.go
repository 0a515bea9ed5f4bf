package mount

import (
	"errors"

	"hk/pkg/cause"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// check reports what cannot work with the stages before, or with other flags.
func (m *Mounts) check(s *stage.State) error {
	switch {
	case m.InPlace && s.NS.Entered(unix.CLONE_NEWUSER) && !s.NS.Entered(unix.CLONE_NEWNS):
		return errors.New("--in-place: in a new user namespace it also needs hk-unshare --mount: the mounts of the caller belong to another one")
	case s.NS.Joined&unix.CLONE_NEWNS != 0:
		return errors.New("hk-mount cannot follow hk-unshare --join mnt: its paths are the caller's, and its mounts would appear in the existing namespace")
	case s.Unmapped():
		return cause.Because(cause.Unmapped, errors.New("the new user namespace has no ID map: hk-idmap must come between hk-unshare and hk-mount"))
	case m.InPlace && (m.Root != "" || m.Writable):
		return errors.New("--in-place creates no root: it cannot be combined with --root, --root-rw or --writable-root")
	case (m.RootDev || m.RootSuid || m.RootNoexec) && (m.Root == "" || m.Ephemeral):
		return errors.New("--root-dev, --root-suid and --root-noexec are for the directory of --root or --root-rw")
	case m.InPlace && len(m.Entries) == 0:
		return errors.New("--in-place with nothing to mount: see hk-mount(1)")
	}
	return m.checkPropagation(s.NS.Propagation)
}
