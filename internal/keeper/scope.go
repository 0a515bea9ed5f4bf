package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	scopeSuffix = ".scope"
	// payloadName is the cgroup of the payload in a scope. The keeper has another, as the
	// scope lasts as long as there is a process in it.
	payloadName = "payload"
	keeperName  = "keeper"
)

// scope makes the group in a transient scope of systemd's: org.freedesktop.systemd1(5).
func (r *request) scope() (*group, error) {
	if !systemdRuns() {
		return nil, errors.New("systemd does not run here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	s, err := connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("systemd: %w", err)
	}
	defer s.conn.Close()
	unit := r.owner.String() + scopeSuffix
	if err := s.start(ctx, unit, slices.Contains(r.needed, "pids")); err != nil {
		return nil, fmt.Errorf("systemd: %s: %w", unit, err)
	}
	g := &group{}
	if err := r.fillScope(ctx, g, s, unit); err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

func (r *request) fillScope(ctx context.Context, g *group, s *systemd, unit string) error {
	list, err := hierarchies()
	if err != nil {
		return err
	}
	h := unifiedOf(list)
	if h == nil {
		return errors.New("the hierarchy of version 2 is not mounted")
	}
	d, point, err := h.openOwn()
	if err != nil {
		return err
	}
	if path.Base(d.path) != unit {
		return fmt.Errorf("systemd: %s: was started, but this process is in %s", unit, d.path)
	}
	k, err := d.make(keeperName)
	if err != nil {
		return err
	}
	defer k.close()
	if err := k.write("cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	if err := r.reach(ctx, s, h.own, point, unit); err != nil {
		return err
	}
	if slice, err := openDir(path.Dir(d.path)); err == nil {
		sweep(slice, r.owner.boot)
		slice.close()
	}
	g.text = d.path + "/" + payloadName + " (a scope of systemd)"
	return r.fill(g, d, payloadName, r.needed)
}

// reach sees to it that the supervisor may put a process into the scope: the kernel wants
// it to have write access to cgroup.procs of the cgroup that is above both. A user whose
// supervisor is in the scope of a login has not. Then the supervisor becomes a part of
// the scope too, as it does by systemd-run(1), beside the payload's cgroup.
func (r *request) reach(ctx context.Context, s *systemd, own, point, unit string) error {
	if os.Geteuid() == 0 {
		return nil
	}
	from, err := cgroupOf(r.supervisor)
	if err != nil {
		return err
	}
	common := path.Join(point, commonPath(from, own), "cgroup.procs")
	if unix.Faccessat(unix.AT_FDCWD, common, unix.W_OK, unix.AT_EACCESS) == nil {
		return nil
	}
	if !strings.HasSuffix(from, scopeSuffix) {
		return fmt.Errorf("%s: this user may not write to it, so that no process can be moved from %s to a scope of the user's: Delegate=yes is needed in the unit", common, from)
	}
	if err := s.attach(ctx, unit, "/"+keeperName, r.supervisor); err != nil {
		return fmt.Errorf("systemd: %s: %w", unit, err)
	}
	if now, err := cgroupOf(r.supervisor); err != nil || now != own+"/"+keeperName {
		return fmt.Errorf("systemd: %s: the supervisor is still in %s", unit, now)
	}
	return nil
}

// commonPath is the cgroup above two.
func commonPath(a, b string) string {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(as) && n < len(bs) && as[n] == bs[n] {
		n++
	}
	return "/" + strings.TrimPrefix(strings.Join(as[:n], "/"), "/")
}
