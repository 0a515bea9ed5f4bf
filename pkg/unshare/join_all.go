package unshare

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// joinsAll reports whether all namespaces of a process are joined.
func (n *Namespaces) joinsAll() bool {
	return slices.ContainsFunc(n.Join, func(j Join) bool { return j.All })
}

// find returns the settings with the namespaces of all= found out.
func (n *Namespaces) find(s *stage.State) (*Namespaces, error) {
	if !n.joinsAll() {
		return n, nil
	}
	m := *n
	m.Join = slices.Clone(n.Join)
	for i := range m.Join {
		j := &m.Join[i]
		if !j.All {
			continue
		}
		fail := func(err error) (*Namespaces, error) { return nil, fmt.Errorf("--join %v: %w", *j, err) }
		if err := sees(s); err != nil {
			return fail(err)
		}
		pid, _, err := j.process(s)
		if err != nil {
			return fail(err)
		}
		for _, ns := range names {
			if (n.flags()|n.tried()|m.named())&ns.flag != 0 {
				continue
			}
			shared, err := s.Host.SharesNamespace(pid, fileName(ns.flag))
			if err != nil {
				return fail(err)
			}
			if !shared {
				j.Namespaces |= ns.flag
			}
		}
		if j.Namespaces == 0 {
			return fail(fmt.Errorf("process %d has no namespace that is not the caller's own", pid))
		}
	}
	return &m, m.checkJoins()
}

// sees rejects a PID that is another process's.
func sees(s *stage.State) error {
	if s.Plan.Cloned() && s.NS.Entered(unix.CLONE_NEWPID) {
		return errors.New("the chain has entered another PID namespace, in which PIDs are different: join first, or by path")
	}
	return nil
}

// ofSocket opens the network namespace of a socket of the caller, and returns it with the
// descriptor of the socket.
func ofSocket(s *stage.State, j Join) (member, int, error) {
	fd, err := strconv.Atoi(j.Target[len(socketWord):])
	if err == nil {
		_, err = s.Host.FDInfo(fd)
	}
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("the caller has no such descriptor")
	}
	if err != nil {
		return member{}, 0, err
	}
	m := member{name: "net", flag: unix.CLONE_NEWNET, by: "--join " + j.String()}
	m.fd = s.Open("net", plan.SocketNetwork(fd))
	return m, fd, nil
}
