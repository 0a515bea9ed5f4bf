// Package stage says what a stage of a chain is: flags in, ops out.
//
// A stage is a plain struct of settings. It binds itself to flags, prints itself back
// as flags, and adds its ops to a plan. It never makes a system call that changes
// anything: the plan does.
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
	// Needs says what the settings require of the plan around the stage's ops.
	Needs() Needs
}

// A Kind is one of the existing stages: its name, its usage text, its constructor.
type Kind struct {
	// Name is the name of the program: "hk-mount".
	Name string
	// Usage is the text of --help.
	Usage string
	New   func() Stage
	// Rules say where it can be in a chain.
	Rules []Rule
}

// A Wrapper is a stage that has more needs than another one and is otherwise the same.
type Wrapper interface {
	Stage
	Unwrap() Stage
}

// A Finisher is a stage that may be useful without a next program.
type Finisher interface {
	Stage
	// Finishes reports whether the chain may end with it.
	Finishes() bool
}

// A Printer is a stage that can print something instead of executing a program.
type Printer interface {
	Stage
	// Prints reports whether the settings ask for that.
	Prints() bool
	// Print prints it for the stage's place in the chain, instead of Plan.
	Print(*State, io.Writer) error
}
