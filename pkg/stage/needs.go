package stage

// Needs is what the settings of a stage ask of the plan around its ops, and what they
// do to the stages that come after. The zero value is a stage that may stand anywhere
// and changes nothing for them. A plan that the stages together need more than one
// clone for is cut in two, the second of which is executed as a chain of its own.
type Needs struct {
	// Clone is set if the stage's ops need a child, as for a new PID namespace.
	Clone bool
	// Supervisor is set if something has to be done outside of the payload while it
	// runs. A plan without another clone starts with one for that.
	Supervisor bool
	// Attach adds what attaches to the child, right after the clone; nil if nothing
	// does. Preconditions: Supervisor.
	Attach func(*State) error
	// Last is set if nothing may come after the stage in its plan: the rest is
	// executed as a chain of its own.
	Last bool
	// CallerProc is set if the stage needs the caller's procfs, also in a new root:
	// [State.CallerProc].
	CallerProc bool
	// DieWithParent is set if the process that performs the plan is to die with the
	// one that started it, which comes before all else. Parent is who that must be, or
	// 0 for whoever it is.
	DieWithParent bool
	Parent        int

	// OtherUser is set if the stage makes or joins a user namespace, and Joins if it
	// joins namespaces at all, for which the child may need what
	// [State.ShieldSupervisor] takes.
	OtherUser, Joins bool
	// Credentials is set if the stage changes ids or capabilities, and UserID if it
	// changes the user or group ID, at which the kernel sets anew whether the process
	// is dumpable.
	Credentials, UserID bool

	// Hides is set if the program of the next stage may be out of reach afterwards.
	Hides bool
	// Confines is set if what no rule allows can no longer be executed or read: also
	// the program of the next stage.
	Confines bool
	// Filters is set if the stage may forbid system calls of the ops after it: what
	// undoes the start of this program comes before it.
	Filters bool
	// Exposes is set if processes outside of the chain may look at its processes, and
	// choose by their files what those execute.
	Exposes bool
	// ForeignRoot is set if the stage may enter a root directory that is somebody
	// else's, who chooses by its files what is executed.
	ForeignRoot bool
}
