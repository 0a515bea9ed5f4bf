package keeper

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/cause"

	"github.com/containerd/cgroups/v3/cgroup2"
)

// callerSuffix is that of the cgroup into which the caller is moved to make room.
const callerSuffix = "-caller"

// under makes the group in a cgroup of version 2.
func (r *request) under(parent *dir, kind string) (*group, error) {
	release, err := hold(parent)
	if err != nil {
		return nil, err
	}
	sweep(parent, r.owner.boot)
	g := &group{text: parent.path + "/" + r.owner.String() + " (" + kind + ")"}
	err = r.fill(g, parent, r.owner.String(), r.needed)
	release()
	if err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// fill adds to g a directory in parent, with the limits of the needed controllers.
func (r *request) fill(g *group, parent *dir, name string, needed []string) error {
	if err := isDomain(parent); err != nil {
		return err
	}
	available := parent.words("cgroup.controllers")
	for _, c := range needed {
		if !slices.Contains(available, c) {
			return cause.Because(cause.CgroupController, fmt.Errorf("%s: the controller %s is not available in %s: %s", r.flag[c], c, parent.path, noController(c)))
		}
	}
	missing := without(needed, parent.words("cgroup.subtree_control"))
	if len(missing) > 0 {
		if err := r.makeRoom(g, parent); err != nil {
			return err
		}
	}
	p, err := g.add(parent, name, nil)
	if err != nil {
		return err
	}
	m, err := cgroup2.Load("/"+name, cgroup2.WithMountpoint(parent.procPath()))
	if err != nil {
		return err
	}
	if err := enable(parent, m, missing); err != nil {
		return err
	}
	r.enableWanted(parent, m, available)
	if err := isDomain(p.dir); err != nil {
		return err
	}
	limits := *r.limits
	settings, err := settingsV2(&limits, m, p.dir)
	if err != nil {
		return err
	}
	return apply(p.dir, slices.DeleteFunc(settings, func(s setting) bool { return !slices.Contains(needed, s.controller) }))
}

// enableWanted enables what only the report would have, where that is possible.
func (r *request) enableWanted(parent *dir, m *cgroup2.Manager, available []string) {
	// Beside processes some controllers would make the cgroup a threaded one.
	if parent.has("cgroup.type") && len(parent.words("cgroup.procs")) > 0 {
		return
	}
	for _, c := range r.wanted {
		if slices.Contains(available, c) {
			enable(parent, m, []string{c})
		}
	}
}

func noController(c string) string {
	if systemdRuns() {
		return "systemd delegates to a user what Delegate= of user@.service lists: see systemd.resource-control(5)"
	}
	return "it is not enabled in cgroup.subtree_control of the cgroup above, or the kernel has it not"
}

// isDomain checks that processes and controllers of all kinds can be in a cgroup. The
// root of the hierarchy has no type.
func isDomain(d *dir) error {
	if text, err := d.read("cgroup.type"); err == nil && strings.TrimSpace(text) != "domain" {
		return fmt.Errorf("%s/cgroup.type: is %q, not \"domain\"", d.path, strings.TrimSpace(text))
	}
	return nil
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// makeRoom moves the caller from parent into a cgroup below it: where a controller is to
// be enabled, there must not be processes. If there are others than those of the caller,
// it is an error.
func (r *request) makeRoom(g *group, parent *dir) error {
	pids := parent.words("cgroup.procs")
	if !parent.has("cgroup.type") || len(pids) == 0 {
		return nil
	}
	ours := []string{strconv.Itoa(os.Getpid()), strconv.Itoa(r.supervisor)}
	if others := without(pids, ours); len(others) > 0 {
		return fmt.Errorf("%s: limits can be set below it only if no other process is in it, but process %s is", parent.path, describe(others[0]))
	}
	leaf := r.owner.String() + callerSuffix
	d, err := parent.make(leaf)
	if err != nil {
		return err
	}
	before := parent.words("cgroup.subtree_control")
	g.leave = func() error {
		defer d.close()
		return moveBack(parent, d, leaf, before)
	}
	for _, pid := range pids {
		if err := d.write("cgroup.procs", pid); err != nil {
			return err
		}
	}
	if others := parent.words("cgroup.procs"); len(others) > 0 {
		return fmt.Errorf("%s: process %s has come into it", parent.path, describe(others[0]))
	}
	return nil
}

// moveBack undoes makeRoom, unless another has made a cgroup there meanwhile, which may
// need the controllers.
func moveBack(parent, leaf *dir, name string, before []string) error {
	release, err := hold(parent)
	if err != nil {
		return err
	}
	defer release()
	if names, err := parent.children(); err != nil || len(names) != 1 || names[0] != name {
		return err
	}
	for _, c := range without(parent.words("cgroup.subtree_control"), before) {
		if err := parent.write("cgroup.subtree_control", "-"+c); err != nil {
			return err
		}
	}
	for _, pid := range leaf.words("cgroup.procs") {
		if err := ignoreGone(parent.write("cgroup.procs", pid)); err != nil {
			return err
		}
	}
	return parent.remove(name)
}

// describe names a process.
func describe(pid string) string {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return pid
	}
	return pid + " (" + strings.TrimSpace(string(name)) + ")"
}
