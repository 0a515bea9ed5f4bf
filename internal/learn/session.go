package learn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"hk/internal/cli"
	"hk/internal/learned"
	"hk/pkg/access"
	"hk/pkg/chain"
	"hk/pkg/filter"
	"hk/pkg/host"
	"hk/pkg/landlock"
	"hk/pkg/plan"
	"hk/pkg/ptrace"
	"hk/pkg/seccomp"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A session is a run of a chain, with what is recorded of it.
type session struct {
	front *cli.Front
	find  *chain.Finder
	chain *chain.Chain
	// out is the directory, as an absolute name.
	out   string
	files []*file
	state *stage.State
	// keep are those of kinds that are left as they are, and changes what is changed.
	keep    []string
	changes []change

	tracer ptrace.Tracer
	access access.Recorder
	calls  filter.Recording
	caps   capabilities
	gains  gains
}

// A file is one of those that are written, with what it had at the start.
type file struct {
	learned.File
	before []byte
}

// The files, by their place in session.files.
const (
	rulesFile = iota
	profileFile
	usedFile
	chainFile
)

const maxFile = 4 << 20

// newSession opens the files before anything runs. What was not written by an earlier run is
// an error.
func newSession(f *cli.Front, find *chain.Finder, c *chain.Chain, out string) (*session, error) {
	out, err := filepath.Abs(out)
	if err == nil {
		err = host.MakeDir(out)
	}
	if err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	s := &session{front: f, find: find, chain: c, out: out}
	s.access.Memory, s.caps.memory = &s.tracer.Memory, &s.tracer.Memory
	for _, base := range []string{"rules", "profile.json", "used.json", "chain"} {
		in := &file{File: learned.File{Flag: "--out", Path: filepath.Join(out, base), Max: maxFile, TooLarge: errForeign}}
		if err := in.Open(); err != nil {
			return nil, in.Error(err)
		}
		if err := in.Probe(); err != nil {
			return nil, in.Error(err)
		}
		if in.before, err = in.Start(); err != nil {
			return nil, in.Error(err)
		}
		s.files = append(s.files, in)
	}
	if data := s.files[rulesFile].before; data != nil {
		if err := landlock.CheckLearned(data); err != nil {
			return nil, s.files[rulesFile].Error(err)
		}
	}
	if data := s.files[profileFile].before; data != nil {
		if err := (&filter.Recording{}).Merge(data); err != nil {
			return nil, s.files[profileFile].Error(errForeign)
		}
	}
	if data := s.files[usedFile].before; data != nil {
		if _, err := parseUsage(data); err != nil {
			return nil, s.files[usedFile].Error(err)
		}
	}
	if data := s.files[chainFile].before; data != nil && !bytes.HasPrefix(data, []byte(head)) {
		return nil, s.files[chainFile].Error(errForeign)
	}
	return s, nil
}

var errForeign = errors.New("it exists and was not written by hk-learn: give another directory")

// recorded is the first stage of a chain, with the tracer.
type recorded struct {
	stage.Stage
	s *session
}

func (r recorded) Unwrap() stage.Stage { return r.Stage }

func (r recorded) Needs() stage.Needs {
	n := r.Stage.Needs()
	n.Supervisor, n.Attach = true, r.s.attach
	return n
}

// perform performs the chain, and returns the exit status.
func (s *session) perform() int {
	common := s.chain.Settings()
	var stages []stage.Stage
	for _, l := range s.chain.Links {
		stages = append(stages, l.Stage)
		common.Args = append(common.Args, l.Common.Args...)
		common.ForceOrder = common.ForceOrder || l.Common.ForceOrder
	}
	s.front.AlwaysFused = true
	c := chain.Compiled(append([]string{name}, os.Args[1:]...), common, stages, s.chain.Payload)
	c.Links[0].Stage = recorded{c.Links[0].Stage, s}
	return s.front.Run(c)
}

// attach adds the step that attaches to the child.
func (s *session) attach(state *stage.State) error {
	s.state = state
	to := "the child"
	joiner := state.Plan.InJoiner()
	if joiner {
		to = "the joiner, and so to the child that it makes"
	}
	state.WhileDumpable(state.Host.Effective>>unix.CAP_SYS_PTRACE&1 == 0, func() {
		state.Plan.AddStep(plan.Step{Stage: name,
			Text: "attach to " + to + " (PTRACE_SEIZE); from its execve(2) on record every call of it and its descendants (PTRACE_SYSCALL); finally write " + s.out,
			Do:   func(at plan.Context) error { return s.begin(at, joiner) }})
	})
	return nil
}

// begin is the supervisor step.
func (s *session) begin(at plan.Context, joiner bool) error {
	if err := access.CheckProcfs(); err != nil {
		return err
	}
	s.caps.has = s.state.PayloadCaps()
	s.tracer.Executed, s.tracer.Entered, s.tracer.Left, s.tracer.Began = s.executed, s.entered, s.left, s.caps.began
	if err := s.tracer.Attach(at.PID(), joiner, at.CheckAlive); err != nil {
		return err
	}
	s.caps.begin(at.PID())
	at.Watch(&plan.Watcher{Stage: name, Stopped: s.tracer.Stopped, Gone: s.gone,
		Lingering: "the payload has ended, but processes that it has left running are still traced: SIGINT or SIGTERM ends the recording",
		Ended:     func(*plan.End, plan.Payload) ([]string, error) { return s.write() }})
	return nil
}

func (s *session) gone(tid int) {
	s.tracer.Gone(tid)
	s.access.Gone(tid)
	s.caps.gone(tid)
}

func (s *session) executed(tid int) {
	s.access.Executed(tid)
	s.caps.executed(tid)
	s.gains.executed(tid)
}

func (s *session) entered(tid int, c ptrace.Call) {
	seccomp.Record(&s.calls, &s.tracer.Memory, tid, c)
	s.access.Entered(tid, c)
	s.caps.entered(tid, c)
}

func (s *session) left(tid int, c ptrace.Call, result int64, errno unix.Errno) {
	s.access.Left(tid, c, result, errno)
	s.caps.left(tid, c, result, errno)
}

// write writes the files.
func (s *session) write() (notes []string, err error) {
	defer s.access.Close()
	rec, err := s.access.Record()
	if err != nil {
		return nil, err
	}
	w := landlock.NewLearned(rec, s.state.Host.LandlockABI(), access.Places{Homes: landlock.Homes(), Own: s.ownDirs(rec)})
	notes, err = s.update(rulesFile, 0o644, func(data []byte) ([]byte, error) {
		if data != nil {
			if err := w.Add(data); err != nil {
				return nil, err
			}
		}
		return w.Text(), nil
	})
	notes = append(w.Notes(s.out, s.out), notes...)
	if err != nil {
		return notes, err
	}
	notes = append(append(notes, s.calls.Notes()...), s.gains.notes()...)
	more, err := s.update(profileFile, 0o644, func(data []byte) ([]byte, error) {
		if data != nil {
			if err := s.calls.Merge(data); err != nil {
				return nil, err
			}
		}
		return s.calls.Profile(filter.Native(runtime.GOARCH))
	})
	if notes = append(notes, more...); err != nil {
		return notes, err
	}
	more, err = s.writeChain(rec)
	return append(notes, more...), err
}

// writeChain writes what else was used, and the chain.
func (s *session) writeChain(rec *access.Record) (notes []string, err error) {
	s.caps.end()
	u := s.used(rec)
	notes, err = s.update(usedFile, 0o644, func(data []byte) ([]byte, error) {
		switch {
		case data != nil:
			old, err := parseUsage(data)
			if err != nil {
				return nil, err
			}
			u.add(old)
		case s.files[rulesFile].before != nil:
			u.Unsure = "an earlier run has left no used.json"
			u.Caps = capList(s.caps.has)
		}
		return u.text()
	})
	if err != nil {
		return notes, err
	}
	var said []string
	if err := s.check(); err != nil {
		notes = append(notes, fmt.Sprintf("the chain in %s cannot be planned: %v", s.files[chainFile].Path, err))
	} else {
		said = s.narrow(u, rec)
	}
	more, err := s.update(chainFile, 0o755, func([]byte) ([]byte, error) { return s.script(said) })
	for _, text := range said {
		s.front.Say(name, text)
	}
	return append(notes, more...), err
}

// update replaces a file, if it is as it was at the start.
func (s *session) update(which int, mode fs.FileMode, change func([]byte) ([]byte, error)) ([]string, error) {
	f := s.files[which]
	f.Mode = mode
	return f.Update(change)
}
