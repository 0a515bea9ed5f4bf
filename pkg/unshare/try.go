package unshare

import (
	"errors"
	"fmt"

	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// tries are the flags for namespaces that are created only if that is possible.
var tries = []struct {
	name string
	flag uint64
}{
	{"user-try", unix.CLONE_NEWUSER},
	{"cgroup-try", unix.CLONE_NEWCGROUP},
}

// possible returns the settings with the namespaces in New that are only tried and can be
// created. It reports the others.
func (n *Namespaces) possible(s *stage.State) (*Namespaces, error) {
	tried := n.tried()
	if tried == 0 {
		return n, nil
	}
	if tried&unix.CLONE_NEWUSER != 0 && s.Plan.Isolated() && !s.Host.Ordinary {
		return nil, errors.New("--user-try: a program with privileges that continues to run cannot try it: use --user")
	}
	m := *n
	if tried&unix.CLONE_NEWUSER != 0 {
		if err := s.Host.TryUserNS(); lacks(s, err) {
			return nil, fmt.Errorf("--user-try: a user namespace cannot be created just now: %w", err)
		} else if err != nil {
			s.NS.NoUser = true
			s.Skip("--user-try: a user namespace cannot be created: " + err.Error())
		} else {
			m.New |= unix.CLONE_NEWUSER
		}
	}
	if tried&unix.CLONE_NEWCGROUP != 0 {
		if !s.Host.Has(host.CgroupNamespaces) {
			s.Skip("--cgroup-try: " + host.CgroupNamespaces.String() + ": " + host.CgroupNamespaces.Advice())
		} else {
			m.New |= unix.CLONE_NEWCGROUP
		}
	}
	return &m, nil
}

// lacks reports whether a namespace could be created at another time: others, who may want the
// payload to run without it, can have used up what is limited.
func lacks(s *stage.State, err error) bool {
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return true
	case errors.Is(err, unix.ENOSPC):
		return !s.Host.NoNested()
	}
	return false
}
