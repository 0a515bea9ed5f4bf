package unshare

import (
	"errors"
	"fmt"
	"os"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// watchParent adds the step with which this process watches its parent, by a PID file
// descriptor. The end of the parent is the end of this process, and the child dies with
// it. The kernel's own way, the parent death signal, is about the thread that has started
// this process, and not about the parent.
func watchParent(s *stage.State) error {
	parent := s.Host.Parent
	s.For("--die-with-parent-process")
	if parent == 0 {
		return errors.New("--die-with-parent-process: the parent is outside this PID namespace, in which it has no PID: use --die-with-parent")
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: fmt.Sprintf("open process %d, which must be the parent, and from now on be killed when it ends", parent),
		Do: func(at plan.Context) error {
			fd, err := unix.PidfdOpen(parent, 0)
			// The number is the parent's as long as that is the parent.
			if err == unix.ESRCH || err == nil && os.Getppid() != parent {
				err = errors.New("the parent process has ended")
			}
			if err != nil {
				unix.Close(fd)
				return err
			}
			at.AtEnd(func() { unix.Close(fd) })
			at.Watch(&plan.Watcher{Stage: s.Name, FD: fd, Ready: func(plan.Payload) { unix.Kill(os.Getpid(), unix.SIGKILL) }})
			return nil
		}})
	return nil
}
