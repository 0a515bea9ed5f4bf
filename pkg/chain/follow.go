package chain

import (
	"fmt"
	"path/filepath"
	"slices"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// follower is the program that --why executes.
const follower = "hk-why"

// Follower makes the plan by which this program becomes hk-why, for the same chain. That
// performs or explains it, and follows its payload.
func (c *Chain) Follower(h *host.Host) (*stage.State, error) {
	s := stage.NewState(h)
	s.Name = c.Links[0].Kind.Name
	path, err := h.Beside(follower, "bin", 0o111)
	if err != nil {
		return nil, &UsageError{s.Name, fmt.Errorf("--why executes %w", err)}
	}
	plain := *c
	plain.Links = slices.Clone(c.Links)
	for i := range plain.Links {
		plain.Links[i].Common.Why = false
		kind := *plain.Links[i].Kind
		kind.Name = filepath.Join(filepath.Dir(path), kind.Name)
		plain.Links[i].Kind = &kind
	}
	t := translator{State: s}
	t.ExecutesSealed = true
	t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	for _, l := range c.Links {
		for _, fd := range l.Common.Args {
			t.Add(plan.CloseFD(fd))
		}
	}
	if fd := c.Settings().StatusFD; fd > 2 {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
	if h.Handover.Supervisor > 0 {
		t.Add(plan.KeepOpen(plan.Int(int64(h.Handover.Supervisor))))
	}
	env := slices.Clone(h.Env)
	if v := h.Handover.Variable(); v != "" {
		env = append(env, v)
	}
	t.restoreSignals()
	t.Add(plan.Execve(path, plan.NewImage(append([]string{follower, "--"}, plain.Args()...), env, plan.Changes{})))
	return s, nil
}
