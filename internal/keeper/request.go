package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

// A request is the group that is to be made.
type request struct {
	limits *limit.Cgroup
	// needed are the controllers without which a limit cannot be set, by the flags in
	// flag; wanted are those whose figures the report would have.
	needed, wanted []string
	flag           map[string]string
	owner          owner
	// supervisor is a process that is not to be in the group.
	supervisor int
}

// make makes the group and sets its limits.
func (r *request) make() (*group, error) {
	list, err := hierarchies()
	if err != nil {
		return nil, err
	}
	v2 := unifiedOf(list)
	old := boundToV1(list, r.needed)
	if len(r.needed) == 0 {
		old = boundToV1(list, []string{"memory"})
	}
	where := r.limits.Where
	switch {
	case strings.HasPrefix(where, "/"):
		g, err := r.at(where, list)
		return g, prefix("--cgroup "+where, err)
	case where == "systemd" && (old || v2 == nil):
		return nil, errors.New("--cgroup systemd: controllers of this machine are in hierarchies of version 1, which systemd does not delegate")
	case where == "systemd":
		g, err := r.scope()
		return g, prefix("--cgroup systemd", err)
	case old || v2 == nil:
		g, err := r.v1(list, (*hierarchy).ownParent)
		return g, prefix(r.why(), err)
	}
	g, err := r.auto(v2)
	return g, prefix(r.why(), err)
}

// why is the first flag for which a group is needed.
func (r *request) why() string {
	if len(r.needed) > 0 {
		return r.flag[r.needed[0]]
	}
	return "--cgroup auto"
}

// prefix begins an error with a flag, unless it begins with one.
func prefix(flag string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "--") {
		return err
	}
	return fmt.Errorf("%s: %w", flag, err)
}

func unifiedOf(list []*hierarchy) *hierarchy {
	for _, h := range list {
		if h.v2 && len(h.mounts) > 0 {
			return h
		}
	}
	return nil
}

func boundToV1(list []*hierarchy, controllers []string) bool {
	for _, c := range controllers {
		if hierarchyOf(list, nameV1(c)) != nil {
			return true
		}
	}
	return false
}

// hierarchyOf is the hierarchy of version 1 with a controller, or nil.
func hierarchyOf(list []*hierarchy, controller string) *hierarchy {
	for _, h := range list {
		if slices.Contains(h.controllers, controller) {
			return h
		}
	}
	return nil
}

// auto takes the first place that works: a cgroup that was delegated to the caller, a
// scope of systemd, or the top of the hierarchy.
func (r *request) auto(h *hierarchy) (*group, error) {
	g, delegated := r.delegated(h)
	if delegated == nil {
		return g, nil
	}
	g, systemd := r.scope()
	if systemd == nil {
		return g, nil
	}
	tried := []error{delegated, systemd}
	if os.Geteuid() == 0 {
		g, err := r.top(h)
		if err == nil {
			return g, nil
		}
		tried = append(tried, err)
	}
	return nil, noPlace(tried)
}

// noPlace is the error if nothing that was tried works. Its cause is that of the last try that
// has one: otherwise permission is all that is missing.
func noPlace(tried []error) error {
	name := cause.CgroupDelegation
	var texts []string
	for _, err := range tried {
		if !slices.Contains(texts, err.Error()) {
			texts = append(texts, err.Error())
		}
		if n := cause.In(err); n != "" {
			name = n
		}
	}
	return cause.Because(name, errors.New("no cgroup can be made: "+strings.Join(texts, "; ")+": "+hint()))
}

// hint says how a user gets a cgroup.
func hint() string {
	if systemdRuns() {
		return "put systemd-run --user --scope -p Delegate=yes before the command, Delegate=yes into the unit of a service, or name a directory with --cgroup"
	}
	return "name a directory of a cgroup file system that this user may write to with --cgroup"
}

func systemdRuns() bool {
	st, err := os.Lstat("/run/systemd/system")
	return err == nil && st.IsDir()
}

// delegated makes the group in the cgroup of this process, or in the one above.
func (r *request) delegated(h *hierarchy) (*group, error) {
	own, point, err := h.openOwn()
	if err != nil {
		return nil, err
	}
	g, err := r.ifDelegated(own)
	if err == nil || own.path == point {
		return g, err
	}
	above, err2 := openDir(path.Dir(own.path))
	if err2 != nil {
		return nil, err
	}
	// If this process was put into a leaf of a delegated cgroup.
	if g, err2 := r.ifDelegated(above); err2 == nil {
		return g, nil
	}
	return nil, err
}

func (r *request) ifDelegated(d *dir) (*group, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	// systemd changes cgroups that it has not delegated.
	if systemdRuns() && !d.isDelegated() && !r.isDelegatedUnit(d) {
		return nil, fmt.Errorf("%s: systemd has not delegated it", d.path)
	}
	return r.under(d, "delegated")
}

// isDelegatedUnit asks a user's manager, which cannot mark a cgroup.
func (r *request) isDelegatedUnit(d *dir) bool {
	if os.Geteuid() == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := connect(ctx)
	if err != nil {
		return false
	}
	defer s.conn.Close()
	return s.delegates(ctx, path.Base(d.path))
}

// isDelegated reports whether systemd has marked a cgroup as another's.
func (d *dir) isDelegated() bool {
	var value [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Fgetxattr(d.fd, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// top makes the group at the top of the hierarchy.
func (r *request) top(h *hierarchy) (*group, error) {
	reason := errors.New("the hierarchy is not mounted")
	for _, m := range slices.Backward(h.mounts) {
		d, err := openDir(m.point)
		if err == nil {
			return r.under(d, "root's own")
		}
		reason = err
	}
	return nil, reason
}

// at makes the group in a directory that was named.
func (r *request) at(where string, list []*hierarchy) (*group, error) {
	d, err := openDir(where)
	if err != nil {
		return nil, suggest(err, where, list)
	}
	if err := d.writable(); err != nil {
		return nil, err
	}
	if !d.isV2() {
		d.close()
		return r.v1(list, func(h *hierarchy) (*dir, error) { return h.parentAt(where, list) })
	}
	if boundToV1(list, r.needed) {
		return nil, errors.New("controllers of this machine are in hierarchies of version 1: name a directory of one of them")
	}
	return r.under(d, "named")
}

// suggest adds to an error the mount point that was perhaps meant.
func suggest(err error, where string, list []*hierarchy) error {
	for _, h := range list {
		for _, m := range h.mounts {
			if strings.HasPrefix(m.point, where+"/") {
				return fmt.Errorf("%w: name one in a hierarchy, such as that at %s", err, m.point)
			}
		}
	}
	return err
}
