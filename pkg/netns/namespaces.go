package netns

import (
	"os"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// namespaces are descriptors of the child's namespaces, for a helper that enters them. user
// is nil if the helper needs to enter none.
type namespaces struct {
	net, user *plan.Result
}

func (n namespaces) results() []*plan.Result {
	if n.user == nil {
		return []*plan.Result{n.net}
	}
	return []*plan.Result{n.net, n.user}
}

// files are copies of the descriptors, which the child has sent. user is nil if there is
// none.
func (n namespaces) files(at plan.Context) (net, user *os.File, err error) {
	if net, err = duplicate(at.FD(n.net), "net"); err != nil || n.user == nil {
		return net, nil, err
	}
	if user, err = duplicate(at.FD(n.user), "user"); err != nil {
		net.Close()
		return nil, nil, err
	}
	return net, user, nil
}

func duplicate(fd int, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isOwn reports whether a network namespace is, or may be, that of this process.
func isOwn(net *os.File) bool {
	a, errA := net.Stat()
	b, errB := os.Stat("/proc/self/ns/net")
	return errA != nil || errB != nil || os.SameFile(a, b)
}
