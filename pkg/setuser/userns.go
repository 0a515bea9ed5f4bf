package setuser

import (
	"errors"
	"fmt"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// enter adds the entry into an existing user namespace. The kernel enters only one that is
// a descendant of the current one: so it need not be checked that it isolates anything.
func (c *Credentials) enter(s *stage.State) error {
	if c.UserNS == 0 {
		return nil
	}
	flag := fmt.Sprintf("--userns-fd %d", c.UserNS)
	s.For(flag)
	switch _, err := s.Host.FDInfo(c.UserNS); {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%s: the caller has no such descriptor", flag)
	case err != nil:
		return fmt.Errorf("%s: %w", flag, err)
	case s.Host.SuidDumpable() == 1:
		return fmt.Errorf("%s: the sysctl fs.suid_dumpable is 1, so the owner of the user namespace could trace the process that enters it: set it to 0 or 2", flag)
	}
	s.NotDumpable()
	if err := s.Child.Attach(); err != nil {
		return err
	}
	s.Add(plan.SetnsFD(c.UserNS, unix.CLONE_NEWUSER).
		Hint(unix.EPERM, "it is not a descendant of this user namespace").
		Hint(unix.EINVAL, "it is no user namespace, or the one that the process is in"))
	s.NS.Joined |= unix.CLONE_NEWUSER
	s.NS.Mapped, s.NS.MapsUser, s.NS.NoSetgroups = true, nil, false
	s.Cred = s.Cred.EnterUserNS(s.Host.AllCaps())
	s.DieWithSupervisor()
	s.For("")
	return nil
}
