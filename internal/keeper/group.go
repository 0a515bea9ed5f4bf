package keeper

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A group is the cgroup of a payload: one directory in the hierarchy of version 2, or in
// each hierarchy of version 1 that is needed.
type group struct {
	parts []*part
	// text says where it is.
	text string
	// leave is called when the group was removed, to undo what was done for it around
	// it. It may be nil.
	leave func() error
}

// A part is the directory of a group in one hierarchy.
type part struct {
	parent, dir *dir
	name        string
	v2          bool
	// controllers are those of the hierarchy, in version 1.
	controllers []string
	// lock is held as long as this keeper lives: see lock.
	lock int
}

// add makes a directory of the group.
func (g *group) add(parent *dir, name string, controllers []string) (*part, error) {
	d, err := parent.make(name)
	if err != nil {
		return nil, err
	}
	p := &part{parent: parent, dir: d, name: name, v2: d.isV2(), controllers: controllers}
	g.parts = append(g.parts, p)
	p.lock, err = lock(d)
	if err == nil && !d.has("cgroup.procs") {
		err = errors.New("was removed by another process")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	return p, nil
}

// with is the part with a controller of version 1, or nil.
func (g *group) with(controller string) *part {
	for _, p := range g.parts {
		if slices.Contains(p.controllers, controller) {
			return p
		}
	}
	return nil
}

// unified is the part in the hierarchy of version 2, or nil.
func (g *group) unified() *part {
	for _, p := range g.parts {
		if p.v2 {
			return p
		}
	}
	return nil
}

// version is v2 if the supervisor is to create the payload in the group, and v1 if it is
// to move it there. The supervisor has decided by the file system at /sys/fs/cgroup.
func (g *group) version() string {
	var st unix.Statfs_t
	if len(g.parts) == 1 && g.parts[0].v2 && unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		return "v2"
	}
	return "v1"
}

// descriptors are those that the supervisor gets: the directory in version 2, otherwise
// the cgroup.procs files. First comes the one by which the group is ended, so that a
// process that was moved to only some of them is ended too.
func (g *group) descriptors() ([]int, error) {
	if g.version() == "v2" {
		return []int{g.parts[0].dir.fd}, nil
	}
	var fds []int
	for _, p := range g.parts {
		fd, err := p.dir.open("cgroup.procs", unix.O_WRONLY)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// remove removes the group, which must be empty, and what the payload made in it.
func (g *group) remove() error {
	var errs []error
	for _, p := range slices.Backward(g.parts) {
		errs = append(errs, p.parent.removeAll(p.name))
	}
	if g.leave != nil {
		errs = append(errs, g.leave())
	}
	return errors.Join(errs...)
}
