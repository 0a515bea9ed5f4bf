package unshare

import (
	"bytes"
	"errors"
	"fmt"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// planMapped adds the wait for another program, which maps the IDs of the new user
// namespace. It needs to know the process.
func (n *Namespaces) planMapped(s *stage.State) error {
	if n.UserBlock == 0 {
		return nil
	}
	s.For(fmt.Sprintf("--userns-block-fd %d", n.UserBlock))
	list, err := n.planFind(s)
	if err != nil {
		return err
	}
	step := plan.Step{Stage: s.Name, Text: reportText(list) + ", " + waitText(n.UserBlock) + ", and check that IDs are mapped", Do: func(at plan.Context) error {
		if err := report(at, list); err != nil {
			return err
		}
		if err := await(at, n.UserBlock); err != nil {
			return err
		}
		return mapped(at)
	}}
	s.WhileDumpable(opens(s, n), func() { s.Plan.AddStep(step) })
	s.Add(plan.CloseFD(n.UserBlock))
	s.NS.Mapped, s.NS.MapsUser = true, nil
	return nil
}

// mapped returns an error if the child's user namespace has no user or no group IDs.
func mapped(at plan.Context) error {
	for _, name := range []string{"uid_map", "gid_map"} {
		fd, err := at.Open(name, unix.O_RDONLY|unix.O_CLOEXEC)
		if err != nil {
			return err
		}
		var b [128]byte
		n, err := unix.Read(fd, b[:])
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(bytes.TrimSpace(b[:n])) == 0 {
			return errors.New("the descriptor was written or closed before anything was written to " + name + " of the process")
		}
	}
	return nil
}
