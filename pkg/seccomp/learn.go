package seccomp

// Learning runs a payload without a filter and records the system calls that it and its
// descendants make. Three ways to see them were considered:
//
//   - SECCOMP_RET_USER_NOTIF, with a supervisor that lets every call continue. A call
//     that waits for the supervisor is interrupted by a signal with a handler, even
//     with SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV until it is received. Then calls fail
//     with EINTR that otherwise never do: one getppid(2) in a thousand in a process
//     whose children end, or the close(2) of a shell that sets up a pipeline, which
//     then waits forever. And a tree of processes can have only one listener.
//   - SECCOMP_RET_TRACE. After the tracer has ended, the remaining processes can make
//     no more calls.
//   - PTRACE_SYSCALL after PTRACE_SEIZE, which is used. It does not affect job control
//     or other filters, sees a call before any filter does, and leaves no traces. Its
//     price: programs that use ptrace(2) themselves fail, set-user-ID programs gain no
//     privileges from the kernel, which no_new_privs prevents anyway, and an ignored
//     signal still interrupts a call. For calls that are not restarted, such as
//     epoll_wait(2), this is visible; most programs that wait in them cope with it,
//     which is not true of close(2).
//
// The tracer attaches to the child right after the clone, before the child changes its
// IDs and becomes not dumpable. At that time no privilege is needed, and the supervisor
// is an ancestor, as Yama requires. It cannot attach to a child created by a joiner
// from the child's start, but it can attach to the joiner, whose child then inherits
// the tracer. The child runs freely until PTRACE_EVENT_EXEC, because the set-up is not
// part of the payload.

import (
	"errors"
	"fmt"
	"runtime"

	"hk/internal/learned"
	"hk/pkg/filter"
	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

func (f *Filter) learnFlag(fs *getopt.Flags) {
	fs.String("learn", "", func(v string) error {
		if err := learned.CheckName(v); err != nil {
			return err
		}
		f.Learn = v
		return nil
	})
}

// addAttach adds the step that attaches to the child.
func (f *Filter) addAttach(s *stage.State) error {
	l, err := f.learner()
	if err != nil {
		return err
	}
	if s.Next.Stage {
		l.also = []string{"execveat"} // the next stage may be executed by descriptor
	}
	to := "the child"
	if l.joiner = s.Plan.InJoiner(); l.joiner {
		to = "the joiner, and so to the child that it makes"
	}
	s.WhileDumpable(s.Host.Effective>>unix.CAP_SYS_PTRACE&1 == 0, func() { s.Plan.AddStep(l.step(s.Name, to)) })
	return nil
}

// step is the step that attaches.
func (l *learner) step(name, to string) plan.Step {
	return plan.Step{
		Stage: name,
		Text:  fmt.Sprintf("attach to %s (PTRACE_SEIZE); from its execve(2) on record every call of it and its descendants (PTRACE_SYSCALL); finally write %s", to, l.Path),
		Do:    l.attach,
	}
}

var errLearnAlone = errors.New("--learn loads no filter: it cannot be combined with a profile, rules or --dump")

// planLearn adds what would accompany a filter.
func (f *Filter) planLearn(s *stage.State) error {
	if f.AllowNewPrivs {
		return s.AllowNewPrivs()
	}
	s.SetNoNewPrivs(false)
	return nil
}

// learner checks the settings, and what can be known about the file in advance.
func (f *Filter) learner() (*learner, error) {
	if f.Profile != "" || len(f.Rules) > 0 || f.Default != nil || len(f.Arches) > 0 || f.BPF != "" || f.LogDenied {
		return nil, errLearnAlone
	}
	native := filter.Native(runtime.GOARCH)
	if native == nil {
		return nil, errors.New("--learn: there is no system call table for this architecture")
	}
	l := newLearner(f.Learn)
	if err := l.Open(); err != nil {
		return nil, l.Error(err)
	}
	defer l.Close()
	if err := l.existing(&filter.Recording{}); err != nil {
		return nil, l.Error(err)
	}
	return l, nil
}

// attach is the supervisor step. Before anything else it checks that the file can be
// created.
func (l *learner) attach(at plan.Context) error {
	if err := l.Open(); err != nil {
		return l.Error(err)
	}
	if err := l.Probe(); err != nil {
		return l.Error(err)
	}
	l.tracer.Entered = l.call
	if err := l.tracer.Attach(at.PID(), l.joiner, at.CheckAlive); err != nil {
		return fmt.Errorf("--learn: %w", err)
	}
	at.Watch(&plan.Watcher{Stage: Kind.Name, Stopped: l.tracer.Stopped,
		Lingering: "--learn: the payload has ended, but processes that it has left running are still traced: SIGINT or SIGTERM ends the recording",
		Ended:     func(*plan.End, plan.Payload) ([]string, error) { return l.write() }})
	return nil
}
