package landlock

import (
	"errors"
	"fmt"
	"os"
	"path"

	"hk/internal/learned"
	"hk/pkg/access"
	"hk/pkg/plan"
	"hk/pkg/ptrace"
	"hk/pkg/stage"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// A learner records what the payload uses, in the root that the plan makes, and writes rules
// for it. It traces the payload as hk-seccomp --learn does.
type learner struct {
	learned.File
	recorder access.Recorder
	tracer   ptrace.Tracer
	joiner   bool
	abi      int // that of the kernel
}

var errLearnAlone = errors.New("--learn restricts nothing: it cannot be combined with other flags than --allow-new-privs")

// learner checks the settings, and what can be known about the file in advance.
func (r *Ruleset) learner(abi int) (*learner, error) {
	alone := Ruleset{Learn: r.Learn, AllowNewPrivs: r.AllowNewPrivs}
	if len(r.Args()) != len(alone.Args()) {
		return nil, errLearnAlone
	}
	l := &learner{File: learned.File{Flag: "--learn", Path: r.Learn, Mode: 0o644, Max: maxRules, TooLarge: errNotLearned}, abi: abi}
	if err := l.Open(); err != nil {
		return nil, l.Error(err)
	}
	defer l.Close()
	data, err := l.Start()
	if err == nil && data != nil {
		err = CheckLearned(data)
	}
	if err != nil {
		return nil, l.Error(err)
	}
	return l, nil
}

// addAttach adds the step that attaches to the child.
func (r *Ruleset) addAttach(s *stage.State) error {
	l, err := r.learner(s.Host.LandlockABI())
	if err != nil {
		return err
	}
	to := "the child"
	if l.joiner = s.Plan.InJoiner(); l.joiner {
		to = "the joiner, and so to the child that it makes"
	}
	s.WhileDumpable(s.Host.Effective>>unix.CAP_SYS_PTRACE&1 == 0, func() {
		s.Plan.AddStep(plan.Step{
			Stage: s.Name,
			Text:  fmt.Sprintf("attach to %s (PTRACE_SEIZE); from its execve(2) on record what it and its descendants use (PTRACE_SYSCALL); finally write %s", to, l.Path),
			Do:    l.attach,
		})
	})
	return nil
}

// attach is the supervisor step. Before anything else it checks that the file can be
// created.
func (l *learner) attach(at plan.Context) error {
	if err := access.CheckProcfs(); err != nil {
		return fmt.Errorf("--learn: %w", err)
	}
	if err := l.Open(); err != nil {
		return l.Error(err)
	}
	if err := l.Probe(); err != nil {
		return l.Error(err)
	}
	l.recorder.Memory = &l.tracer.Memory
	l.tracer.Executed, l.tracer.Entered, l.tracer.Left = l.recorder.Executed, l.recorder.Entered, l.recorder.Left
	if err := l.tracer.Attach(at.PID(), l.joiner, at.CheckAlive); err != nil {
		return fmt.Errorf("--learn: %w", err)
	}
	at.Watch(&plan.Watcher{Stage: Kind.Name, Stopped: l.tracer.Stopped, Gone: l.gone,
		Lingering: "--learn: the payload has ended, but processes that it has left running are still traced: SIGINT or SIGTERM ends the recording",
		Ended:     func(*plan.End, plan.Payload) ([]string, error) { return l.write() }})
	return nil
}

// gone is for a thread that has ended.
func (l *learner) gone(tid int) {
	l.tracer.Gone(tid)
	l.recorder.Gone(tid)
}

// write writes the rules.
func (l *learner) write() (notes []string, err error) {
	defer l.recorder.Close()
	rec, err := l.recorder.Record()
	if err != nil {
		return nil, l.Error(err)
	}
	w := NewLearned(rec, l.abi, access.Places{Homes: Homes()})
	more, err := l.Update(func(data []byte) ([]byte, error) {
		if data != nil {
			if err := w.Add(data); err != nil {
				return nil, err
			}
		}
		return w.Text(), nil
	})
	for _, n := range w.Notes(l.Path, l.Dir()) {
		notes = append(notes, "--learn: "+n)
	}
	return append(notes, more...), err
}

// Homes are the home directories of the caller: that of the account, and that of the
// environment.
func Homes() (list []string) {
	if u, err := user.LookupUid(os.Getuid()); err == nil && len(u.Home) > 1 {
		list = append(list, path.Clean(u.Home))
	}
	if home := os.Getenv("HOME"); path.IsAbs(home) && path.Clean(home) != "/" {
		list = append(list, path.Clean(home))
	}
	return list
}
