package stage

import (
	"io"
	"strings"

	"hk/internal/vis"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A State is a plan under construction, and what its ops have brought about so far.
// Stages use it to check their place in the chain.
type State struct {
	Plan *plan.Plan
	Host *host.Host

	// Name is the stage that is adding its ops.
	Name string

	NS     Namespaces
	Cred   Credentials
	Root   Root
	Child  Child
	Next   Next
	Env    Environment
	Report Report

	// ChangedIDs is set once an op has changed user, group or supplementary IDs,
	// ChangedUser once one has changed the user ID, and SetCaps once a stage has set
	// the capability sets, which the payload must then have.
	ChangedIDs, ChangedUser, SetCaps bool
	// AsksTrace is set if a stage asks for capabilities that may include CAP_SYS_PTRACE.
	AsksTrace bool
	// NoNewPrivs is set once an op has set the no_new_privs attribute.
	NoNewPrivs bool
	// CallerNoNewPrivs is the stage by which the caller has it, and so the supervisor and
	// what it runs, or "".
	CallerNoNewPrivs string

	// Filters are the seccomp filters loaded so far.
	Filters [][]unix.SockFilter
	// Loads are the ops that load them.
	Loads []*plan.Op
	// Culprits name, for each of them, the stage's flag by which it denies a call, at an
	// instruction of it.
	Culprits []func(c plan.Call, pc int) string
	// Unheard is set once a filter may deny the calls with which a stage executed after
	// it reports to its supervisor.
	Unheard bool

	// ExecutesSealed is set if the plan first executes a sealed copy of this program.
	ExecutesSealed bool

	// Replan makes the plan of another command line, and says which of its words are stages,
	// as far as it could be read; nil outside of a chain.
	Replan func(words []string, dir string, h *host.Host) (*State, []Called, error)
	// Recompile compiles the command line of a front door to the words of a chain; nil outside of
	// a chain.
	Recompile func(f Front, h *host.Host) ([]string, error)

	// dies is the signal that this process gets when its parent ends, or 0.
	dies   unix.Signal
	parent int

	deferred    []deferral
	atEnd       []check
	limits      map[int][2]uint64
	notDumpable bool
	// noNewPrivsBy is the first stage that has set no_new_privs, or "", and
	// noNewPrivsImplied is set if it was not asked to.
	noNewPrivsBy      string
	noNewPrivsImplied bool
	callerProc        *plan.Result
}

// A check is a stage's check of the complete plan.
type check struct {
	stage string
	do    func() error
}

// NewState returns the state before the first stage.
func NewState(h *host.Host) *State {
	s := &State{Plan: plan.New(), Host: h, Cred: credentialsOf(h), Env: Environment{inherited: h.Env}}
	s.Next.FD, s.Next.Argv0 = -1, h.Handover.Argv0
	s.Child.Begin = func() error { return nil }
	s.Child.Attach = s.Child.Begin
	s.dies, s.parent = h.ParentDeathSignal, h.Parent
	if h.Handover.Joined {
		s.NS.Joined = unix.CLONE_NEWNS
	}
	s.NS.Propagation = h.Handover.Propagation
	return s
}

// Add appends ops of the current stage.
func (s *State) Add(ops ...*plan.Op) { s.Plan.Add(s.Name, ops...) }

// For sets what asks for the ops and steps added from now on, a flag with its value,
// which errors name; "" is nothing in particular. A stage starts with that.
func (s *State) For(flag string) { s.Plan.For = flag }

// Open appends an op and returns its result.
func (s *State) Open(name string, op *plan.Op) *plan.Result { return s.Plan.Open(s.Name, name, op) }

// AtEnd lets the current stage check the plan once it is complete.
func (s *State) AtEnd(look func() error) { s.atEnd = append(s.atEnd, check{s.Name, look}) }

// Complete lets the stages check the plan. If one of them finds an error, s.Name is
// that stage.
func (s *State) Complete() error {
	for _, c := range s.atEnd {
		s.Name = c.stage
		if err := c.do(); err != nil {
			return err
		}
	}
	return nil
}

// Text writes the comments, each after "# ", and the plan.
func (s *State) Text(w io.Writer) error {
	return s.Annotated(w, func(plan.Item) string { return "" })
}

// Annotated is Text with a line after each item for which note returns a text.
func (s *State) Annotated(w io.Writer, note func(plan.Item) string) error {
	var b strings.Builder
	for _, lines := range s.Report.Comments {
		for _, c := range lines() {
			b.WriteString(strings.TrimRight("# "+vis.Text(c), " ") + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return s.Plan.Annotated(w, note)
}
