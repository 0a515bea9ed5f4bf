package chain

import (
	"errors"
	"fmt"
	"slices"

	"hk/pkg/getopt"
	"hk/pkg/plan"
)

// argsFlag adds --args, whose words are flags of the stage, in its place.
func (l *Link) argsFlag(fs *getopt.Flags) {
	within := false
	fs.String("args", "", func(v string) error {
		fd, err := getopt.ParseFD(v)
		switch {
		case err != nil:
			return err
		case within:
			return errors.New("it is in what another --args has read")
		case l.readArgs == nil:
			return errors.New("only on a command line")
		case fd <= 2:
			return errors.New("a descriptor above 2 is needed")
		case slices.Contains(l.Common.Args, fd):
			return errors.New("it has been read before")
		}
		words, err := l.readArgs(fd)
		if err != nil {
			return err
		}
		l.Common.Args = append(l.Common.Args, fd)
		within = true
		defer func() { within = false }()
		rest, err := fs.Parse(words)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%q is not a flag: the program to execute is given on the command line", rest[0])
		}
		return err
	})
}

// argsTwice is the error for a stage that reads the descriptor of an earlier one.
func (c *Chain) argsTwice(l *Link) error {
	for _, fd := range l.Common.Args {
		for _, before := range c.Links {
			if slices.Contains(before.Common.Args, fd) {
				return fmt.Errorf("--args=%d: %s has read it", fd, before.Kind.Name)
			}
		}
	}
	return nil
}

// leaveArgs closes the descriptors from which the stages of the plan were read, and those
// that they use, which are not for the payload. Those of stages that are executed are left to them.
func (t *translator) leaveArgs(first bool) {
	for _, fd := range t.argsDone {
		if first {
			t.Add(plan.CloseFD(fd))
		}
	}
	for _, fd := range t.argsNext {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
}

func argsOf(links []Link) (fds []int) {
	for _, l := range links {
		fds = append(fds, l.Common.Args...)
		fds = append(fds, l.Stage.Needs().FDs...)
	}
	slices.Sort(fds)
	return slices.Compact(fds)
}

// checkLeft rejects a descriptor that is to be left to the payload and is for the stages.
func (c *Chain) checkLeft() error {
	status := c.Settings().StatusFD
	for _, l := range c.Links {
		for _, fd := range l.Stage.Needs().Leaves {
			by := ""
			if fd == status && fd > 2 {
				by = fmt.Sprintf("--status-fd %d", fd)
			}
			for _, m := range c.Links {
				switch {
				case slices.Contains(m.Common.Args, fd):
					by = fmt.Sprintf("%s --args %d", m.Kind.Name, fd)
				case slices.Contains(m.Stage.Needs().FDs, fd):
					by = m.Kind.Name
				}
			}
			if by != "" {
				return &UsageError{l.Kind.Name, fmt.Errorf("--close-fds=%d: this descriptor is for %s, and is not left to the payload", fd, by)}
			}
		}
	}
	return nil
}

// argsDone are the descriptors that the stages have used, without those that stages which show
// something use and later ones use again: what several show can be in one file. What was read
// cannot be read again.
func argsDone(links, later []Link) []int {
	shows := func(list []Link, fd int) bool {
		return slices.ContainsFunc(list, func(l Link) bool { n := l.Stage.Needs(); return n.First && slices.Contains(n.FDs, fd) })
	}
	reads := func(list []Link, fd int) bool {
		return slices.ContainsFunc(list, func(l Link) bool { return slices.Contains(l.Common.Args, fd) })
	}
	return slices.DeleteFunc(argsOf(links), func(fd int) bool {
		return shows(links, fd) && shows(later, fd) && !reads(links, fd) && !reads(later, fd)
	})
}
