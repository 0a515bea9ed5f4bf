package chain

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"hk/pkg/host"
	"hk/pkg/stage"
)

// Replan makes the plan of a command line with which another process was started, for a
// host that describes that process ([host.Host.As]), in order to look at it: the plan is
// complete even if stages execute one another. dir is the directory of the stages.
//
// Somebody else may have written the words. So nothing is read from descriptors, which
// would be those of this process; files that the flags name are opened only if they are
// regular.
func Replan(words []string, dir string, h *host.Host) (*stage.State, []stage.Called, error) {
	c, err := Reread(words, dir, h)
	if c == nil {
		return nil, nil, err
	}
	var called []stage.Called
	for _, l := range c.Links {
		called = append(called, stage.Called{At: len(words) - len(l.words), Name: l.Kind.Name})
	}
	if err != nil {
		return nil, called, err
	}
	s, err := c.Plan(h)
	if usage := (*UsageError)(nil); errors.As(err, &usage) {
		err = fmt.Errorf("%s: %w", usage.Stage, err)
	}
	return s, called, err
}

// Reread parses the words for [Replan]. The chain is not to be performed. With an error the
// chain has what could be parsed, or is nil.
func Reread(words []string, dir string, h *host.Host) (*Chain, error) {
	// Hk-landlock reads the file of --rules while flags are parsed.
	if i := slices.IndexFunc(words, readOnce); i >= 0 && slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "--ru") }) {
		return nil, fmt.Errorf("what %s has read cannot be read again", words[i])
	}
	find := &Finder{Dir: dir, Path: h.Search().Path, Fuse: true, Links: true, ReadArgs: func(int) ([]string, error) {
		return nil, errors.New("it was read from a descriptor, and cannot be read again")
	}}
	// The first word is what the process was called by, which says nothing of where it is.
	kind := ByName(filepath.Base(words[0]))
	if kind == nil {
		return nil, fmt.Errorf("%q is not the name of a stage", words[0])
	}
	c, err := Read(kind, words, find)
	if usage := (*UsageError)(nil); errors.As(err, &usage) {
		return nil, fmt.Errorf("%s: %w", usage.Stage, err)
	} else if err != nil {
		return nil, err
	}
	if err := c.canBeLookedAt(); err != nil {
		return c, err
	}
	c.Links[len(c.Links)-1].Common.Explain = "text"
	return c, nil
}

// canBeLookedAt returns why the plan of a chain cannot be made again.
func (c *Chain) canBeLookedAt() error {
	for _, l := range c.Links {
		if args := l.Stage.Args(); l.Common.Help || l.Common.Version || c.Printer() != nil {
			return fmt.Errorf("%s only prints something", l.Kind.Name)
		} else if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--learn=") }) {
			return fmt.Errorf("%s --learn restricts nothing", l.Kind.Name)
		} else if i := slices.IndexFunc(args, readOnce); i >= 0 {
			return fmt.Errorf("%s: what %s has read cannot be read again", l.Kind.Name, args[i])
		}
	}
	if len(c.Payload) > 0 && ByName(filepath.Base(c.Payload[0])) != nil {
		return fmt.Errorf("%s is not a stage of this installation here", c.Payload[0])
	}
	if !c.OnePlan() {
		return errors.New("it needs a second plan, from one of its stages on")
	}
	return nil
}

// readOnce reports whether a flag names a descriptor, or what may be one.
func readOnce(flag string) bool {
	return strings.HasSuffix(flag, "=-") || strings.Contains(flag, "fd:") ||
		slices.ContainsFunc([]string{"/dev/fd", "/dev/std", "/proc/self", "/proc/thread-self"}, func(name string) bool { return strings.Contains(flag, name) })
}
