package unshare

import (
	"errors"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

const fileWord = "fd:"

// isFile reports whether the target is the file of a namespace.
func (j Join) isFile() bool {
	return strings.Contains(j.Target, "/") || strings.HasPrefix(j.Target, fileWord)
}

// ofFile adds the namespace of a file.
func (all *joining) ofFile(s *stage.State, proc *plan.Result, j Join) error {
	m := member{name: fileName(j.Namespaces), flag: j.Namespaces, by: "--join " + j.String()}
	open, fd, err := j.file(s)
	if err != nil {
		return err
	}
	if fd >= 0 {
		all.close = append(all.close, fd)
	}
	m.fd = s.Open(m.name, open)
	m.openOwn(s, proc)
	s.Plan.AddStep(look(s.Name, 0, nil, -1, []member{m}))
	all.members = append(all.members, m)
	return nil
}

// file returns the op that opens the file of a namespace, and the caller's descriptor of it,
// or -1.
func (j Join) file(s *stage.State) (*plan.Op, int, error) {
	number, ok := strings.CutPrefix(j.Target, fileWord)
	if !ok {
		op, err := s.OpenPath(j.Target, unix.O_NONBLOCK|unix.O_CLOEXEC)
		return op, -1, err
	}
	fd, err := strconv.Atoi(number)
	if err == nil {
		_, err = s.Host.FDInfo(fd)
	}
	if errors.Is(err, unix.ENOENT) {
		err = errors.New("the caller has no such descriptor")
	}
	if err != nil {
		return nil, -1, err
	}
	return plan.Duplicate(fd), fd, nil
}
