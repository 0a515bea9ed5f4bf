package limit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Finishes implements [stage.Finisher]: the limits of another process need no next program.
func (l *Limits) Finishes() bool { return l.PID != 0 }

// planOther adds the step that sets the limits of another process.
func (l *Limits) planOther(s *stage.State) error {
	switch {
	case l.supervises():
		return errors.New("--pid: only resource limits can be set for a running process, not those of a control group, of time or of output")
	case s.Plan.Cloned():
		return errors.New("--pid: the number is of the caller's PID namespace: it must come before hk-unshare")
	case len(l.List) == 0:
		return errors.New("no limit was given: see hk-limit(1)")
	}
	s.For(fmt.Sprintf("--pid %d", l.PID))
	words := make([]string, len(l.List))
	for i, lim := range l.List {
		words[i] = "RLIMIT_" + upper(lim.Resource) + " " + lim.value()
	}
	raise := s.Cred.Has(unix.CAP_SYS_RESOURCE)
	s.Plan.AddStep(plan.Step{Stage: s.Name, Do: func(plan.Context) error { return l.setOther(raise) },
		Text: fmt.Sprintf("open process %d (pidfd_open), set its limits (prlimit64): %s, read them back, and check that it is still the same process",
			l.PID, strings.Join(words, ", "))})
	s.For("")
	return nil
}

// A change is a limit of another process to be set.
type change struct {
	name     string
	resource int
	to       unix.Rlimit
}

// setOther sets the limits. prlimit(2) has no form with a pidfd, but as long as the process
// that a pidfd refers to exists, its number is its own. What can be known to fail is found
// before the first limit is changed.
func (l *Limits) setOther(raise bool) error {
	fd, err := unix.PidfdOpen(l.PID, 0)
	switch {
	case err == unix.ESRCH:
		return errors.New("there is no such process")
	case err == unix.EINVAL || err == unix.ENOENT:
		return errors.New("it is a thread, not a process")
	case err != nil:
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	changes, err := l.changes(raise)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := alive(fd); err != nil {
			return err
		}
		if err := unix.Prlimit(l.PID, c.resource, &c.to, nil); err != nil {
			return fmt.Errorf("--%s: prlimit64: %w", c.name, err)
		}
	}
	for _, c := range changes {
		var got unix.Rlimit
		if err := unix.Prlimit(l.PID, c.resource, nil, &got); err == nil && got != c.to {
			return fmt.Errorf("--%s: the limit is %s:%s, as if another process had changed it", c.name, format(got.Cur), format(got.Max))
		}
	}
	return alive(fd)
}

func alive(fd int) error {
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err == unix.ESRCH {
		return errors.New("it has ended")
	}
	return nil // EPERM: it exists
}

// changes are the limits to set, with what is not given from the process. raise says whether
// a hard limit may be raised.
func (l *Limits) changes(raise bool) (list []change, err error) {
	now := map[int]unix.Rlimit{}
	for _, lim := range l.List {
		for _, r := range resources {
			if r.name != lim.Resource {
				continue
			}
			old, known := now[r.id]
			if !known {
				switch err := unix.Prlimit(l.PID, r.id, nil, &old); {
				case err == unix.EPERM:
					return nil, errors.New("prlimit64: operation not permitted: its user and group IDs must be those of the caller, or the caller needs CAP_SYS_RESOURCE in its user namespace")
				case err != nil:
					return nil, fmt.Errorf("prlimit64: %w", err)
				}
			}
			to := old
			if !lim.KeepSoft {
				to.Cur = lim.Soft
			}
			if !lim.KeepHard {
				to.Max = lim.Hard
			}
			switch {
			case to.Cur > to.Max:
				return nil, fmt.Errorf("--%s: the soft limit %s is above the hard limit %s", r.name, format(to.Cur), format(to.Max))
			case to.Max > old.Max && !raise:
				return nil, fmt.Errorf("--%s: its hard limit is %s, and can be raised only with CAP_SYS_RESOURCE in the initial user namespace", r.name, format(old.Max))
			}
			now[r.id] = to
			list = slices.DeleteFunc(list, func(c change) bool { return c.resource == r.id })
			list = append(list, change{r.name, r.id, to})
		}
	}
	return list, nil
}
