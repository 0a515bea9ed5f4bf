package stage

import (
	"errors"
	"strings"

	"hk/pkg/ids"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// HostRoot reports whether the thread, or a program that it executes, may be or
// become user 0 of the initial user namespace, as far as is known: that user owns the
// files of procfs and sysfs that control the kernel, whatever capabilities it has.
func (s *State) HostRoot() bool {
	root, known := s.Host.HostRoot()
	entered := s.NS.Entered(unix.CLONE_NEWUSER)
	switch {
	case !known:
		return true
	case root == ids.None:
		return false
	case !entered || s.Host.UID == root && !s.ChangedUser || s.NS.MapsUser == nil:
		return true
	}
	return s.NS.MapsUser(root)
}

// OwnNet reports whether the plan is, at this point, in a network namespace other than
// the initial one: created or joined by the plan, by a stage that executed this one, or
// by the program that started it.
func (s *State) OwnNet() bool {
	return s.NS.Entered(unix.CLONE_NEWNET) || s.Host.Handover.Net || s.Host.OwnNet()
}

// OpenPath is the op that opens a path. In the caller's root a symbolic link of another
// user is an error, and so is a component that has become a symbolic link since. In a
// root created by the plan, symbolic links cannot lead outside.
func (s *State) OpenPath(path string, flags uint64) (*plan.Op, error) {
	open := plan.Openat(plan.AtCwd(), path, flags, 0)
	if s.Root.New || s.Root.Mounts || !strings.HasPrefix(path, "/") && s.Host.Dir == "" {
		return open, nil
	}
	full := path
	if !strings.HasPrefix(path, "/") {
		full = s.Host.Dir + "/" + path
	}
	found, err := s.Host.Look(full)
	if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
		return nil, err
	}
	// Any other error is reported by the kernel when the path is opened.
	if found.Loose {
		return plan.Openat2(plan.AtCwd(), found.Path, flags, 0, unix.RESOLVE_NO_SYMLINKS).
			Hint(unix.ELOOP, path+": it, or a directory in its path, has become a symbolic link since it was checked"), nil
	}
	return open, nil
}
