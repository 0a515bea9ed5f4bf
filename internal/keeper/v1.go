package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"hk/pkg/cause"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ownParent is the cgroup of this process.
func (h *hierarchy) ownParent() (*dir, error) {
	d, _, err := h.openOwn()
	return d, err
}

// parentAt is the directory that is in this hierarchy where a named one is in its own.
func (h *hierarchy) parentAt(where string, list []*hierarchy) (*dir, error) {
	for _, other := range list {
		for _, m := range other.mounts {
			rest, ok := strings.CutPrefix(where, m.point)
			if !ok || rest != "" && rest[0] != '/' {
				continue
			}
			for _, m := range h.mounts {
				d, err := openDir(path.Join(m.point, rest))
				if errors.Is(err, fs.ErrNotExist) {
					err = fmt.Errorf("%w: in hierarchies of version 1 the directory must be in each that is needed", err)
				}
				return d, err
			}
		}
	}
	return nil, fmt.Errorf("%s: is not below a mount point of a cgroup file system", where)
}

// v1 makes the group in each hierarchy that a limit needs, and in one by which it can be
// ended.
func (r *request) v1(list []*hierarchy, parentIn func(*hierarchy) (*dir, error)) (*group, error) {
	g := &group{}
	err := r.fillV1(g, list, parentIn)
	if err != nil {
		g.remove()
		if os.Geteuid() != 0 && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
			return nil, cause.Because(cause.CgroupDelegation, fmt.Errorf("%w: in hierarchies of version 1 a cgroup is made by root, or in a directory that this user may write to: --cgroup", err))
		}
		return nil, err
	}
	var paths []string
	for _, p := range g.parts {
		paths = append(paths, p.dir.path)
	}
	g.text = strings.Join(paths, " ")
	return g, nil
}

// noHierarchy is why there is no hierarchy with a controller. That of version 2 may have it, and
// not be mounted.
func noHierarchy(list []*hierarchy, controller string) error {
	for _, h := range list {
		if h.v2 {
			return h.unseen()
		}
	}
	return cause.Because(cause.CgroupController, fmt.Errorf("the kernel has no controller %s", controller))
}

func (r *request) fillV1(g *group, list []*hierarchy, parentIn func(*hierarchy) (*dir, error)) error {
	v2 := unifiedOf(list)
	var inV2 []string
	for _, c := range r.needed {
		switch {
		case hierarchyOf(list, nameV1(c)) != nil:
		case v2 == nil:
			return fmt.Errorf("%s: %w", r.flag[c], noHierarchy(list, c))
		default:
			inV2 = append(inV2, c)
		}
	}
	// A keeper that was killed may have had a group in others than this one will.
	for _, h := range list {
		if parent, err := parentIn(h); err == nil {
			sweep(parent, r.owner.boot)
			parent.close()
		}
	}
	// The first is the one by which the group is ended.
	if h := hierarchyOf(list, "freezer"); h != nil {
		if err := r.addV1(g, h, parentIn); err != nil {
			return err
		}
	}
	if len(g.parts) == 0 || len(inV2) > 0 {
		if v2 == nil {
			return errors.New("there is neither a freezer nor a hierarchy of version 2, and the group could not be ended")
		}
		parent, err := parentIn(v2)
		if err != nil {
			return err
		}
		if err := r.fill(g, parent, r.owner.String(), inV2); err != nil {
			return err
		}
	}
	for _, c := range r.needed {
		if h := hierarchyOf(list, nameV1(c)); h != nil {
			if err := r.limitV1(g, h, c, parentIn); err != nil {
				return err
			}
		}
	}
	for _, c := range r.wanted {
		if h := hierarchyOf(list, nameV1(c)); h != nil {
			r.addV1(g, h, parentIn)
		}
	}
	return nil
}

// addV1 makes a directory in a hierarchy, once.
func (r *request) addV1(g *group, h *hierarchy, parentIn func(*hierarchy) (*dir, error)) error {
	if g.with(h.controllers[0]) != nil {
		return nil
	}
	parent, err := parentIn(h)
	if err != nil {
		return err
	}
	p, err := g.add(parent, r.owner.String(), h.controllers)
	if err == nil && slices.Contains(h.controllers, "cpuset") {
		err = inheritCPUSet(parent, p.dir)
	}
	return err
}

// inheritCPUSet gives a new cgroup the processors and memory nodes of its parent: in
// version 1 it has none, and then no process can be moved into it.
func inheritCPUSet(parent, d *dir) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := parent.read(name)
		if err == nil {
			err = d.write(name, strings.TrimSpace(text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// limitV1 sets the limits of one controller.
func (r *request) limitV1(g *group, h *hierarchy, controller string, parentIn func(*hierarchy) (*dir, error)) error {
	if err := r.addV1(g, h, parentIn); err != nil {
		return err
	}
	name := nameV1(controller)
	p := g.with(name)
	root, rest, err := h.libraryPath(name, p.dir.path)
	if err != nil {
		return err
	}
	sub, err := subsystem(name, root)
	if err != nil {
		return err
	}
	only := cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return []cgroup1.Subsystem{sub}, nil })
	settings, err := settingsV1(r.limits, name, p.dir, func(res *specs.LinuxResources) error {
		_, err := cgroup1.New(cgroup1.StaticPath(rest), res, only)
		return err
	})
	if err != nil {
		return err
	}
	return apply(p.dir, settings)
}

// libraryPath is how the library is told of a directory: it appends the name of the
// controller, then a path. Limits are read back from the open directory, so nothing is
// lost if the paths are not the same.
func (h *hierarchy) libraryPath(controller, dir string) (root, rest string, err error) {
	for _, m := range h.mounts {
		rest, ok := strings.CutPrefix(dir, m.point+"/")
		if !ok {
			continue
		}
		root := path.Dir(m.point)
		a, err := os.Stat(m.point)
		b, err2 := os.Stat(path.Join(root, controller))
		if err == nil && err2 == nil && os.SameFile(a, b) {
			return root, "/" + rest, nil
		}
	}
	return "", "", fmt.Errorf("the hierarchy of %s is not mounted under its name", controller)
}
