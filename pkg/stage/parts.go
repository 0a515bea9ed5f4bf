package stage

import "hk/pkg/plan"

// Root is what is known of the root directory and what it holds.
type Root struct {
	// New is set once the root directory is another one than the caller's.
	New bool
	// Mounts is set once an op mounts: what the host has at a path need not be
	// what is there then.
	Mounts bool
	// Landlocked is set once a domain handles file system rights: mounts are
	// forbidden from there on.
	Landlocked bool
}

// Child is what is known of the child that the plan clones.
type Child struct {
	// Planned is set if there is one, or a later stage is going to clone it.
	Planned bool
	// OwnMemory is set if it must not share its memory with the supervisor, since it
	// may be dumpable for a moment: to write the maps of an ordinary user, to be
	// attached to, or after a change of its user ID, where the sysctl
	// fs.suid_dumpable is 1.
	OwnMemory bool
	// Outlive is set if the payload need not die with the supervisor.
	Outlive bool
	// MayTrace is set if it was asked for that the payload have CAP_SYS_PTRACE.
	MayTrace bool
	// CallerProc is set while a later stage needs the caller's procfs, which a new
	// root hides: see [State.CallerProc].
	CallerProc bool
	// Attach adds what attaches to it, if a later stage needs that and it was not
	// added yet. It belongs after the clone, and before what makes the child one to
	// which the supervisor may not attach.
	Attach func() error
}

// Next is the program that the plan executes.
type Next struct {
	// Stage is set if it is a stage: a chain that is not fused. Clones is set if it
	// is going to clone.
	Stage, Clones bool
	// Program is the file of the hk-* program that is executed for the rest of the
	// chain, opened before the first change; nil if there is none or if it is
	// executed by its name.
	Program *plan.Result
	// FD is the same for a program whose descriptor the caller got; -1 if there is
	// none.
	FD int
	// Unset are variables of the environment that it does not get.
	Unset []string
}

// Report is what is told of the plan, and changes nothing in it.
type Report struct {
	// Skipped tells what was asked for only if possible, and is not done.
	Skipped []Skip
	// Notes tell what is worth knowing and no weaker for it; shown by -v.
	Notes []string
	// Comments give lines that --explain prints before the plan.
	Comments []func() []string
}

// A Skip is something that a stage does not do.
type Skip struct{ Stage, What string }

// Skip tells what the stage that is planning does not do.
func (s *State) Skip(what string) {
	s.Report.Skipped = append(s.Report.Skipped, Skip{s.Name, what})
}

// Note adds notes.
func (s *State) Note(notes ...string) { s.Report.Notes = append(s.Report.Notes, notes...) }
