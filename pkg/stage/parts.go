package stage

import "hk/pkg/plan"

// Root is what is known about the root directory and its contents.
type Root struct {
	// New is set once the root directory is not the caller's.
	New bool
	// Mounts is set once an op mounts: from then on a path need not lead to what it
	// leads to on the host.
	Mounts bool
	// See tells what a path in the root leads to, once the plan is complete. It is nil if
	// the plan mounts nothing. An error is that of a path which leads nowhere.
	See func(path string) (Seen, error)
	// Points are the mount points of what the plan mounts, once it is complete, without
	// those that may be missing. It is nil if See is.
	Points func() []string
	// Procfs is set once a procfs for the processes of the plan is mounted, and Controls if
	// what controls the kernel is writable in it.
	Procfs, Controls bool
}

// Child is what is known about the child that the plan clones.
type Child struct {
	// Planned is set if there is one, or if a later stage will clone it.
	Planned bool
	// OwnMemory is set if it must not share its memory with the supervisor, because it
	// may be dumpable for a moment: to write the maps of an ordinary user, to be
	// traced, or after a change of its user ID if the sysctl fs.suid_dumpable is 1.
	OwnMemory bool
	// Init is set if a later stage needs an init: see [Needs].
	Init bool
	// Outlive is set if the payload need not die with the supervisor.
	Outlive bool
	// MayTrace is set if the payload was explicitly given CAP_SYS_PTRACE.
	MayTrace bool
	// Relays is set if the supervisor passes on what the payload sends.
	Relays bool
	// CallerProcs is how many later stages need the caller's procfs, which a new root hides:
	// see [State.CallerProc].
	CallerProcs int
	// Begin adds what stages need right after the clone, [Needs.AtChild], unless that was
	// done. It must come before another clone.
	Begin func() error
	// Last adds what stages do when everything else is done, before a filter that may deny
	// it, and before the supervisor's last answer: it is called for a child, once.
	Last []func()
	// Attach adds the step that attaches to the child, if a later stage needs that and
	// it was not added yet. It must come after the clone, and before any op after which
	// the supervisor may no longer attach to the child.
	Attach func() error
	// Moves is set if the child is moved into a control group by Begin: a cgroup
	// namespace that it creates before that would not have the group as its root.
	Moves bool
}

// Next is the program that the plan executes.
type Next struct {
	// Argv0 is what the payload gets in place of its name as its first argument, or "".
	Argv0 string
	// Stage is set if it is a stage: a chain that is not fused. Clones is set if that
	// stage will clone.
	Stage, Clones bool
	// Ends is set if that stage is the end of the chain: it has what a payload would have.
	Ends bool
	// Program is the file of the hk-* program that is executed for the rest of the
	// chain, opened before the first change; nil if there is none or if it is executed
	// by its name.
	Program *plan.Result
	// FD is the descriptor of such a program if the caller has passed it on; -1 if
	// there is none.
	FD int
	// Unset are environment variables that name descriptors which are closed: a program
	// that gives the environment must not pass them either.
	Unset []string
}

// Report is what is reported about the plan, and does not affect it.
type Report struct {
	// Skipped is what was asked for only if possible, and is not done.
	Skipped []Skip
	// Notes are messages that do not weaken the chain, printed by -v.
	Notes []string
	// Told are the notes that are events too.
	Told []Told
	// Comments return lines that --explain prints before the plan.
	Comments []func() []string
}

// A Called is a stage in a command line, and the place of the word by which it is called.
type Called struct {
	At   int
	Name string
}

// A Skip is something that a stage does not do.
type Skip struct{ Stage, What string }

// A Told is a note of a stage.
type Told struct{ Stage, What string }

// Skip reports something that the current stage does not do.
func (s *State) Skip(what string) {
	s.Report.Skipped = append(s.Report.Skipped, Skip{s.Name, what})
}

// Note adds notes.
func (s *State) Note(notes ...string) { s.Report.Notes = append(s.Report.Notes, notes...) }

// Tell adds a note of the current stage that is an event too.
func (s *State) Tell(note string) {
	s.Note(note)
	s.Report.Told = append(s.Report.Told, Told{s.Name, note})
}
