// Package stage says what a stage of a chain is: flags in, ops out.
//
// A stage is a plain struct of settings. It binds itself to flags, prints
// itself back as flags, and adds its ops to a plan. It never makes a system
// call that changes anything: the plan does.
package stage

import (
	"io"

	"hk/pkg/getopt"
)

// A Stage is the settings of one stage.
type Stage interface {
	// Flags binds the settings to the flags of a command line.
	Flags(*getopt.Flags)
	// Args prints the settings as flags, which parse back to the same settings.
	Args() []string
	// Plan checks the settings and adds the stage's ops. An error names the
	// flag at fault. It reads the host but does not change it.
	Plan(*State) error
}

// A Kind is a stage that there is: its name, its manual, its constructor.
type Kind struct {
	// Name is the name of the program: "hk-mount".
	Name string
	// Usage is the text of --help.
	Usage string
	New   func() Stage
}

// A Cloner is a stage that may need a clone.
type Cloner interface {
	Stage
	// Clones reports whether the settings need one.
	Clones() bool
	// OtherUser reports whether it comes to be in another user namespace.
	OtherUser() bool
	// Joins reports whether namespaces of other processes are joined, for which the
	// child may need what [State.ShieldSupervisor] takes.
	Joins() bool
}

// A Finisher is a stage that may do something of use by itself.
type Finisher interface {
	Stage
	// Finishes reports whether the chain may end with it.
	Finishes() bool
}

// A Supervised is a stage that may need a supervisor, though no namespace. A
// plan that has no other clone starts with one for it.
//
// What comes after it in a chain is executed as a chain of its own.
type Supervised interface {
	Stage
	// Supervised reports whether the settings need a supervisor.
	Supervised() bool
	// Follow adds what belongs right behind the clone.
	Follow(*State) error
}

// A Dependent is a stage that may have the process that was started die with the
// one that started it. That comes before all else.
type Dependent interface {
	Stage
	// DiesWithParent reports whether the settings do. parent is who that must
	// be, or 0 for whoever it is.
	DiesWithParent() (parent int, dies bool)
}

// A Hider is a stage that may put the program of the next one out of reach.
type Hider interface {
	Stage
	// Hides reports whether the settings do.
	Hides() bool
}

// A Confiner is a stage that may forbid to execute or to read what no rule allows:
// also the program of the next stage.
type Confiner interface {
	Stage
	// Confines reports whether the settings do.
	Confines() bool
}

// An Exposer is a stage that may let others look at the process of a later one,
// and choose what that executes.
type Exposer interface {
	Stage
	// Exposes reports whether the settings do.
	Exposes() bool
}

// A Chooser is a stage after which somebody else may choose what is executed: by the
// files of a root directory.
type Chooser interface {
	Stage
	// Chooses reports whether the settings take a root that may be somebody else's.
	Chooses() bool
}

// A Changer is a stage that may change the credentials of the thread.
type Changer interface {
	Stage
	// Changes reports whether the settings change ids or capabilities.
	Changes() bool
	// ChangesUser reports whether they change the user or group ID, at which the
	// kernel sets anew whether the process is dumpable.
	ChangesUser() bool
}

// A NeedsProc is a stage that may need the caller's procfs in a new root.
type NeedsProc interface {
	Stage
	// NeedsProc reports whether the settings do.
	NeedsProc() bool
}

// A Printer is a stage that can print what it knows, and then runs nothing.
type Printer interface {
	Stage
	// Prints reports whether the settings ask for that.
	Prints() bool
	// Print prints it for the stage's place in the chain. It takes the place of
	// Plan.
	Print(*State, io.Writer) error
}
