package stage

import (
	"io"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// AllCaps is every capability, as bits, that this source knows or will know.
const AllCaps = ^uint64(0)

// A Skip is something left out of a plan, and by which stage.
type Skip struct{ Stage, What string }

// A State is a plan in the making, with what its ops so far have brought about.
// Stages look at it to check their place in the chain.
type State struct {
	Plan *plan.Plan
	Host *host.Host

	// Name is the stage that is planning.
	Name string
	// New holds the CLONE_NEW* flags of the namespaces that the plan makes.
	New uint64
	// Joined holds those of the namespaces of others that the plan, or an
	// earlier stage of a chain that is not fused, enters.
	Joined uint64
	// WillClone is set while a later stage is going to clone.
	WillClone bool
	// ClonesLater is set if what the plan executes is going to clone.
	ClonesLater bool
	// NextStage is set if what the plan executes is a stage: a chain that is not
	// fused.
	NextStage bool
	// Mapped is set once the new user namespace has its id maps.
	Mapped bool
	// MapsUser reports whether a user ID of the caller's namespace has one in the
	// user namespace that the plan has entered; nil if the map is not known.
	MapsUser func(outside uint32) bool
	// NoSetgroups is set once setgroups(2) is denied in the user namespace.
	NoSetgroups bool
	// NewRoot is set once the root directory is another one.
	NewRoot bool
	// Mounts is set once an op mounts: what the host has at a path need not be
	// what is there then.
	Mounts bool
	// Landlocked is set once a domain handles file system rights: mounts are
	// forbidden from there on.
	Landlocked bool
	// Filters are the seccomp filters that are loaded so far.
	Filters [][]unix.SockFilter
	// Unheard is set once a filter may stop what a stage that is executed after it
	// needs to tell its supervisor something.
	Unheard bool
	// Outlive is set if the payload need not die with the supervisor.
	Outlive bool

	// NoNewPrivs is set once the no_new_privs attribute is.
	NoNewPrivs bool

	// ChangesIDs is set once an op changes user, group or supplementary ids,
	// and SetsCaps once one sets the capability sets.
	ChangesIDs, SetsCaps bool
	// ChangesUser is set once an op changes the user ID.
	ChangesUser bool

	// Root is set if the payload will have user ID 0, to which execve(2) gives
	// capabilities.
	Root bool
	// Holds are the capabilities that the thread has while it performs the plan.
	Holds uint64
	// Caps are the capabilities that a payload with user ID 0 will have.
	Caps uint64
	// Ambient are the capabilities that another payload will have.
	Ambient uint64

	// Again is set if the plan first executes this program again.
	Again bool

	// OwnMemory is set if the child must not share its memory with the
	// supervisor, since it may be dumpable for a moment: to write the maps of an
	// ordinary user, to be attached to, or after a change of its user ID, where
	// the sysctl fs.suid_dumpable is 1.
	OwnMemory bool
	// MayTrace is set if it was asked for that the payload have CAP_SYS_PTRACE.
	MayTrace bool
	// LateProc is set while a later stage needs the caller's procfs, which a new
	// root hides: see [State.CallerProc].
	LateProc bool

	// Next is the hk-* program that the plan executes for the rest of the
	// chain, opened before the first change; nil if there is none or if it is
	// executed by its name.
	Next *plan.Result
	// NextFD is the same for a program whose descriptor the caller got; -1 if
	// there is none.
	NextFD int

	// Skipped tells what was asked for only if possible and is left out.
	Skipped []Skip

	// Attach adds what attaches to the child, if a later stage needs that and it
	// was not added yet. It belongs behind the clone, and before what makes the
	// child one to which the supervisor may not attach.
	Attach func() error

	// Comments give lines that --explain prints before the plan.
	Comments []func() []string

	// Notes tell what is worth knowing and no weaker for it; shown by -v.
	Notes []string

	// Unset are variables of the environment that the next program does not get.
	Unset []string

	// dies is the signal that this process gets when its parent ends, or 0.
	dies   unix.Signal
	parent int

	deferred    []deferral
	atEnd       []check
	limits      map[int][2]uint64
	notDumpable bool
	callerProc  *plan.Result
}

type deferral struct {
	stage string
	ops   []*plan.Op
}

// A check is a look of a stage at the whole plan.
type check struct {
	stage string
	do    func() error
}

// NewState returns the state before the first stage.
func NewState(h *host.Host) *State {
	s := &State{Plan: plan.New(), Host: h, NextFD: -1, Root: h.UID == 0 && !h.Handover.Unmapped, Attach: func() error { return nil }}
	s.Holds, s.Caps, s.Ambient = h.Permitted, h.Bounding, h.Ambient
	s.dies, s.parent = h.ParentDeathSignal, h.Parent
	if h.Handover.Joined {
		s.Joined = unix.CLONE_NEWNS
	}
	return s
}

// Add appends ops of the stage that is planning.
func (s *State) Add(ops ...*plan.Op) { s.Plan.Add(s.Name, ops...) }

// For says what asks for the ops and steps that are added from now on, a flag with its
// value, for an error to name; "" is nothing in particular. A stage starts with that.
func (s *State) For(flag string) { s.Plan.For = flag }

// Open appends an op and returns what it will give.
func (s *State) Open(name string, op *plan.Op) *plan.Result { return s.Plan.Open(s.Name, name, op) }

// Rlimit is the soft and the hard limit of a resource at this place.
func (s *State) Rlimit(resource int) (soft, hard uint64) {
	if l, ok := s.limits[resource]; ok {
		return l[0], l[1]
	}
	return s.Host.Rlimit(resource)
}

// SetRlimit appends an op that sets a limit, as [State.Limit] does. If this
// process does not have the limit of the caller, it gets that first: who may not
// raise the one may not raise the other.
func (s *State) SetRlimit(resource int, soft, hard uint64, op *plan.Op) {
	if _, ok := s.limits[resource]; !ok {
		for _, r := range s.Host.Raised {
			if r.Resource == resource {
				s.Limit(setrlimit(r))
			}
		}
	}
	if s.limits == nil {
		s.limits = map[int][2]uint64{}
	}
	s.limits[resource] = [2]uint64{soft, hard}
	s.Limit(op)
}

// RestoreLimits appends ops by which the process gets the limits of the caller
// that it does not have, but for those that a stage has set. It belongs to the
// end of the plan: with them it could not have started.
func (s *State) RestoreLimits() {
	for _, r := range s.Host.Raised {
		if _, ok := s.limits[r.Resource]; !ok {
			s.Add(setrlimit(r))
		}
	}
}

func setrlimit(r host.Rlimit) *plan.Op { return plan.Setrlimit(r.Name, r.Resource, r.Soft, r.Hard) }

// Skip notes what is left out.
func (s *State) Skip(what string) { s.Skipped = append(s.Skipped, Skip{s.Name, what}) }

// Limit appends ops that lower limits: at once, or, while a clone is to come,
// at the end of the child's ops, so that they do not hold for the supervisor
// and for what the child has yet to do.
func (s *State) Limit(ops ...*plan.Op) {
	if s.WillClone && !s.Plan.Cloned() {
		for _, op := range ops {
			op.For(s.Plan.For)
		}
		s.deferred = append(s.deferred, deferral{s.Name, ops})
		return
	}
	s.Add(ops...)
}

// Deferred appends the limits that were put off. It belongs right before what
// gives the thread to the payload.
func (s *State) Deferred() {
	for _, d := range s.deferred {
		s.Plan.Add(d.stage, d.ops...)
	}
	s.deferred = nil
}

// DieWithSupervisor appends what makes the child die when its supervisor does.
// It belongs at the start of the child and behind each change of credentials,
// by which the kernel drops it.
func (s *State) DieWithSupervisor() {
	switch {
	case s.Outlive:
	case s.Plan.Cloned():
		s.Add(plan.ParentDeathSignal(unix.SIGKILL))
		s.Plan.Alive(s.Name)
	case s.dies != 0:
		// This plan, an earlier stage of a chain that is not fused, or the user has
		// set it.
		s.DieWithParent(s.dies, s.parent)
	}
}

// DieWithParent appends what makes this process get a signal when the process
// that started it ends, and fail if that is not parent by then.
func (s *State) DieWithParent(sig unix.Signal, parent int) {
	s.dies, s.parent = sig, parent
	s.Add(plan.ParentDeathSignal(sig), plan.Getppid(parent))
	if fd := s.Host.Handover.Supervisor; fd > 0 {
		// A parent outside of the PID namespace has no number here.
		s.Add(plan.Peek(plan.Int(int64(fd))).Hint(0, "the supervisor is gone"))
	}
}

// AtEnd has the stage that is planning look at the plan once it is complete.
func (s *State) AtEnd(look func() error) { s.atEnd = append(s.atEnd, check{s.Name, look}) }

// Complete lets the stages look at the plan. If one finds it wrong, s.Name is
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

// SetgroupsDenied reports whether setgroups(2) is denied in the user namespace
// in force: by the map of its group ids, or in one around it.
func (s *State) SetgroupsDenied() bool { return s.NoSetgroups || s.Host.NoSetgroups() }

// Unmapped reports whether the plan is in a user namespace without id maps, in
// which no file can be created.
func (s *State) Unmapped() bool {
	return !s.Mapped && (s.New&unix.CLONE_NEWUSER != 0 || s.Host.Handover.Unmapped)
}

// InUserNS reports whether the plan is in a user namespace that is not the
// machine's.
func (s *State) InUserNS() bool {
	return (s.New|s.Joined)&unix.CLONE_NEWUSER != 0 || s.Host.UserNS()
}

// PayloadCaps is what the payload will be able to hold, at the most.
func (s *State) PayloadCaps() uint64 {
	if s.Root {
		return s.Caps
	}
	return s.Ambient
}

// OpenLateProc opens the caller's procfs for a later stage that needs it. It
// belongs right after the clone.
func (s *State) OpenLateProc() (err error) {
	if s.LateProc && s.callerProc == nil && s.Plan.Cloned() && !s.Plan.InJoiner() {
		s.callerProc, err = s.Proc()
	}
	return err
}

// CallerProc is the caller's procfs, which stays open, for a stage that has
// asked for it ([Needs]).
func (s *State) CallerProc() (*plan.Result, error) {
	if s.callerProc != nil {
		return s.callerProc, nil
	}
	return s.Proc()
}

// SetNoNewPrivs appends what sets the no_new_privs attribute, unless that was done
// and a filter may deny it now.
func (s *State) SetNoNewPrivs() {
	if s.NoNewPrivs && len(s.Filters) > 0 || s.Host.KeepsNoNewPrivs() {
		s.NoNewPrivs = true
		return
	}
	s.NoNewPrivs = true
	s.Add(plan.NoNewPrivs())
}

// Gains are the capabilities that the payload gets by execve(2) and the process
// before does not hold.
func (s *State) Gains() uint64 {
	if !s.Root || s.NoNewPrivs {
		return 0
	}
	gains := s.Caps &^ s.Holds & (^uint64(0) >> (63 - s.Host.LastCap))
	if gains != 0 && !s.Host.ExecGains() {
		return 0
	}
	return gains
}

// Proc returns a descriptor of the caller's procfs, or an error if what is
// mounted on /proc is none.
func (s *State) Proc() (*plan.Result, error) {
	if err := s.Host.Procfs(); err != nil {
		return nil, err
	}
	return s.Open("proc", plan.Openat2(plan.AtCwd(), "/proc",
		unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS)), nil
}

// ProcWrite appends a write to a file of procfs, by way of a descriptor from
// [State.Proc]. A file that something else was mounted over is not written.
// eperm is the hint for a write that is not permitted.
func (s *State) ProcWrite(proc *plan.Result, path, text, eperm string) {
	open := plan.Openat2(plan.Ref(proc), path, unix.O_WRONLY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_MAGICLINKS)
	const covered = "something is mounted over a part of /proc, as a container does"
	f := s.Open("file", open.Hint(unix.EXDEV, covered).Hint(unix.EROFS, covered))
	s.Add(plan.Write(f, []byte(text)).Hint(unix.EPERM, eperm), plan.Close(f))
}

// Text writes the comments, each behind a "# ", and the plan.
func (s *State) Text(w io.Writer) error {
	var b strings.Builder
	for _, lines := range s.Comments {
		for _, c := range lines() {
			b.WriteString(strings.TrimRight("# "+plan.Visible(c), " ") + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return s.Plan.Text(w)
}
